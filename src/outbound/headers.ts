import type { HeaderRecord, RawHeaders } from './handler.ts'

const text = (part: Buffer | string): string => (typeof part === 'string' ? part : part.toString('latin1'))

/** Raw pairs as an object with lower-case names; what came twice becomes an array, so `Set-Cookie` is never merged. */
export function toHeaderRecord(raw: RawHeaders): HeaderRecord {
  const record: HeaderRecord = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = text(raw[index] as Buffer | string).toLowerCase()
    const value = raw[index + 1] as Buffer | string | (Buffer | string)[]
    const values = Array.isArray(value) ? value.map(text) : text(value)
    // A header named __proto__ would otherwise change the object instead of entering it.
    const former = Object.hasOwn(record, name) ? record[name] : undefined
    const next = former === undefined ? values : [former, values].flat()
    if (name === '__proto__') Object.defineProperty(record, name, { value: next, enumerable: true, configurable: true, writable: true })
    else record[name] = next
  }
  return record
}

/** An object of headers as raw pairs; for HTTP/2 answers and for callers that only speak the old dialect. */
export function toRawHeaders(record: Readonly<Record<string, unknown>>): RawHeaders {
  const raw: Buffer[] = []
  for (const [name, value] of Object.entries(record)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      raw.push(Buffer.from(name, 'latin1'), Buffer.from(String(each), 'latin1'))
    }
  }
  return raw
}

/** The value of header `name` (lower case) in raw pairs, or undefined; the first one when it came twice. */
export function rawHeader(raw: RawHeaders, name: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const candidate = raw[index] as Buffer | string
    if (candidate.length === name.length && text(candidate).toLowerCase() === name) {
      const value = raw[index + 1] as Buffer | string
      return text(value)
    }
  }
  return undefined
}

/** The values of header `name` (lower case) in raw pairs, joined as fetch joins what came more than once. */
export function joinedHeader(raw: RawHeaders, name: string): string | undefined {
  const first = rawHeader(raw, name)
  if (first === undefined) return undefined
  const value = toHeaderRecord(raw)[name]
  return Array.isArray(value) ? value.join(', ') : first
}

/** `raw` and behind it the pairs of `added`, name after value. */
export function withRawHeaders(raw: RawHeaders, added: readonly string[]): RawHeaders {
  return [...raw, ...added.map((part) => Buffer.from(part, 'latin1'))]
}

/** Whether request headers, in any form that undici takes, contain `name` (lower case). */
export function hasRequestHeader(headers: unknown, name: string): boolean {
  return requestHeader(headers, name) !== undefined
}

/** The values of `name` (lower case) in request headers of any form that undici takes, joined where it is there more than once. */
export function joinedRequestHeader(headers: unknown, name: string): string | undefined {
  if (headers === null || typeof headers !== 'object') return undefined
  const record = !Array.isArray(headers) && typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] !== 'function'
  // A record has a name once, unless in two spellings.
  if (record) return requestHeader(headers, name)
  let joined: string | undefined
  const add = (value: unknown): void => {
    joined = joined === undefined ? String(value) : `${joined},${String(value)}`
  }
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) if (String(headers[index]).toLowerCase() === name) add(headers[index + 1])
    return joined
  }
  for (const pair of headers as Iterable<unknown>) if (Array.isArray(pair) && String(pair[0]).toLowerCase() === name) add(pair[1])
  return joined
}

/** The value of `name` (lower case) in request headers of any form that undici takes. */
export function requestHeader(headers: unknown, name: string): string | undefined {
  if (headers === null || typeof headers !== 'object') return undefined
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) {
      if (String(headers[index]).toLowerCase() === name) return String(headers[index + 1])
    }
    return undefined
  }
  if (typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function') {
    for (const pair of headers as Iterable<[unknown, unknown]>) {
      if (Array.isArray(pair) && String(pair[0]).toLowerCase() === name) return String(pair[1])
    }
    return undefined
  }
  for (const key of Object.keys(headers)) {
    if (key.length === name.length && key.toLowerCase() === name) return String((headers as Record<string, unknown>)[key])
  }
  return undefined
}

/** Shows every name and value of request headers, in any form that undici takes, to `visit`; `state` saves it a closure. */
export function visitRequestHeaders<State>(
  headers: unknown,
  visit: (name: string, value: unknown, state: State) => void,
  state: State,
): void {
  if (headers === null || typeof headers !== 'object') return
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) visit(String(headers[index]), headers[index + 1], state)
  } else if (typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function') {
    for (const pair of headers as Iterable<unknown>) if (Array.isArray(pair)) visit(String(pair[0]), pair[1], state)
  } else {
    for (const key of Object.keys(headers)) visit(key, (headers as Record<string, unknown>)[key], state)
  }
}

/** Every value of `name` (lower case) in request headers of any form that undici takes. */
export function requestHeaderValues(headers: unknown, name: string): readonly string[] {
  const values: unknown[] = []
  visitRequestHeaders(
    headers,
    (key, value) => {
      if (value !== undefined && value !== null && key.toLowerCase() === name) values.push(value)
    },
    undefined,
  )
  return values.flat().map(String)
}

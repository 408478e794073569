import { sameName } from '../security/canonical/headers.ts'

/** Takes `names` (lower case) out of the headers as they came in, and of what Node made of them. */
export function stripHeaders(raw: string[], headers: () => Record<string, unknown>, names: ReadonlySet<string>): void {
  let kept = 0
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string
    const lower = name.toLowerCase()
    if (names.has(lower)) {
      delete headers()[lower]
      continue
    }
    raw[kept++] = name
    raw[kept++] = raw[at + 1] as string
  }
  raw.length = kept
}

/** `headersDistinct` as Node would make it of these headers. */
export function distinctHeaders(raw: readonly string[]): Record<string, string[]> {
  const distinct: Record<string, string[]> = Object.create(null)
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase()
    const values = distinct[name]
    if (values === undefined) distinct[name] = [raw[at + 1] as string]
    else values.push(raw[at + 1] as string)
  }
  return distinct
}

/** Puts headers in; whoever sets one has taken out what came under its name. */
export function setHeaders(
  raw: string[],
  headers: Record<string, unknown>,
  set: readonly (readonly [name: string, value: string])[],
): void {
  for (const [name, value] of set) {
    raw.push(name, value)
    headers[name] = value
  }
}

/** Takes cookies out, and the header with the last of them. */
export function stripCookies(raw: string[], headers: Record<string, unknown>, names: readonly string[]): void {
  const left: string[] = []
  let kept = 0
  for (let at = 0; at < raw.length; at += 2) {
    let value = raw[at + 1] as string
    if (sameName(raw[at] as string, 'cookie')) {
      value = value
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => !names.includes(nameOf(pair)))
        .join('; ')
      if (value === '') continue
      left.push(value)
    }
    raw[kept++] = raw[at] as string
    raw[kept++] = value
  }
  raw.length = kept
  if (left.length > 0) headers['cookie'] = left.join('; ')
  else delete headers['cookie']
}

/** A query without some parameters, however their names are escaped. */
export function withoutParameters(query: string, names: readonly string[]): string {
  return query
    .split('&')
    .filter((pair) => !names.includes(decoded(nameOf(pair))))
    .join('&')
}

function nameOf(pair: string): string {
  const at = pair.indexOf('=')
  return (at < 0 ? pair : pair.slice(0, at)).trim()
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

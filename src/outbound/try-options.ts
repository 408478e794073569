import type { DispatchOptions } from './handler.ts'
import { hasRequestHeader } from './headers.ts'
import type { Body } from './replay-body.ts'

/**
 * What one try hands to undici: the caller's own object where nothing differs, else one copy. The origin is the
 * pool's; a `dispatcher` among the options would be refused by undici 8.
 * @param beside another try of the call may still be sending the body
 * @param told what the next hop is told besides, as name, value, name, value
 */
export function optionsForTry(
  options: DispatchOptions,
  body: Body | undefined,
  told: readonly string[] | undefined,
  beside = false,
): DispatchOptions {
  if (body === undefined && told === undefined) return options.dispatcher === undefined ? options : { ...options, dispatcher: undefined }
  const forTry: DispatchOptions = { ...options, dispatcher: undefined }
  let added = told ?? NONE
  if (body !== undefined) {
    forTry.body = body.forTry(beside)
    for (const [name, value] of body.headers) if (!hasRequestHeader(options.headers, name)) added = [...added, name, value]
  }
  if (added.length > 0) forTry.headers = withHeaders(options.headers, added)
  return forTry
}

/** The options with headers that every try, and the mesh itself, can read: an iterator such as `map.entries()` speaks only once. */
export function readableTwice(options: DispatchOptions): DispatchOptions {
  const { headers } = options
  if (headers === null || typeof headers !== 'object' || Array.isArray(headers)) return options
  const iterate = (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator]
  if (typeof iterate !== 'function' || iterate.call(headers) !== headers) return options
  return { ...options, headers: [...(headers as Iterable<unknown>)].flat() }
}

function withHeaders(headers: unknown, added: readonly string[]): unknown {
  if (Array.isArray(headers)) return headers.concat(added)
  const isIterable = typeof (headers as { [Symbol.iterator]?: unknown } | null | undefined)?.[Symbol.iterator] === 'function'
  const complete: Record<string, unknown> | [unknown, unknown][] = isIterable
    ? [...(headers as Iterable<[unknown, unknown]>)]
    : { ...(headers as object | null | undefined) }
  for (let index = 0; index < added.length; index += 2) {
    const name = added[index] as string
    if (Array.isArray(complete)) complete.push([name, added[index + 1]])
    else complete[name] = added[index + 1]
  }
  return complete
}

const NONE: readonly string[] = Object.freeze([])

import type { DispatchOptions } from './handler.ts'
import { hasRequestHeader } from './headers.ts'
import type { Body } from './replay-body.ts'

/**
 * What one try hands to undici: the caller's own object where nothing differs, else one copy. The origin is the
 * pool's; a `dispatcher` among the options would be refused by undici 8.
 */
export function optionsForTry(options: DispatchOptions, body: Body | undefined): DispatchOptions {
  if (body === undefined) return options.dispatcher === undefined ? options : { ...options, dispatcher: undefined }
  const forTry = { ...options, dispatcher: undefined, body: body.forTry() }
  const missing = body.headers.filter(([name]) => !hasRequestHeader(options.headers, name))
  if (missing.length > 0) forTry.headers = withHeaders(options.headers, missing)
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

function withHeaders(headers: unknown, added: readonly (readonly [string, string])[]): unknown {
  if (headers === null || headers === undefined) return Object.fromEntries(added)
  if (Array.isArray(headers)) return [...headers, ...added.flat()]
  if (typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function')
    return [...(headers as Iterable<unknown>), ...added]
  return { ...headers, ...Object.fromEntries(added) }
}

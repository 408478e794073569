import type { OutgoingHttpHeaders } from 'node:http2'
import { stringify } from 'node:querystring'
import type { DispatchOptions } from '../handler.ts'
import { visitRequestHeaders } from '../headers.ts'
import type { UndiciError } from '../undici.ts'

/** The head of a request as HTTP/2 has it. */
export interface RequestHead {
  readonly fields: OutgoingHttpHeaders
  /** What the caller says of the body's length; undefined when it says nothing. */
  contentLength: number | undefined
}

interface Reading extends RequestHead {
  readonly refuse: UndiciError
}

/**
 * What a try says of itself (RFC 9113 §8.2, §8.3): `Host` becomes `:authority`, names are in lower case, and what speaks of one HTTP/1.1
 * connection only is left out. It refuses what undici refuses over HTTP/1.1, with undici's own errors, so that a caller need not know which
 * of the two carries its call.
 * @param origin of the pool, for calls that name no `Host`
 */
export function requestHead(options: DispatchOptions, origin: URL, refuse: UndiciError): RequestHead {
  const { method } = options
  if (typeof method !== 'string' || !TOKEN.test(method)) throw refuse('InvalidArgumentError', 'invalid request method')
  const path = wholePath(options)
  if (typeof path !== 'string' || !path.startsWith('/') || UNSAFE_PATH.test(path))
    throw refuse('InvalidArgumentError', 'invalid request path')
  const fields: OutgoingHttpHeaders = {
    ':method': method,
    ':path': path,
    ':scheme': origin.protocol === 'https:' ? 'https' : 'http',
    ':authority': '',
  }
  const reading: Reading = { fields, contentLength: undefined, refuse }
  visitRequestHeaders(options.headers, readField, reading)
  if (fields[':authority'] === '') fields[':authority'] = origin.host
  return reading
}

function readField(written: string, value: unknown, head: Reading): void {
  if (value === undefined) return
  const { fields, refuse } = head
  const name = written.toLowerCase()
  if (!TOKEN.test(name)) throw refuse('InvalidArgumentError', 'invalid header key')
  if (name === 'expect') throw refuse('NotSupportedError', 'expect header not supported')
  if (REFUSED.has(name)) throw refuse('InvalidArgumentError', `invalid ${name} header`)
  const text = textOf(name, value, refuse)
  if (name === 'host') {
    if (fields[':authority'] !== '') throw refuse('InvalidArgumentError', 'duplicate host header')
    fields[':authority'] = text
  } else if (name === 'content-length') {
    if (!/^\d+$/.test(text) || head.contentLength !== undefined) throw refuse('InvalidArgumentError', 'invalid content-length header')
    head.contentLength = Number(text)
  } else if (name === 'te') {
    // The one word that HTTP/2 leaves it (RFC 9113 §8.2.2), and gRPC needs.
    if (/\btrailers\b/i.test(text)) fields[name] = 'trailers'
  } else if (!OF_ONE_CONNECTION.has(name)) {
    const former = Object.hasOwn(fields, name) ? fields[name] : undefined
    const all = former === undefined ? text : `${former}${name === 'cookie' ? '; ' : ', '}${text}`
    if (name === '__proto__') throw refuse('InvalidArgumentError', 'invalid header key')
    fields[name] = all
  }
}

function textOf(name: string, value: unknown, refuse: UndiciError): string {
  if (Array.isArray(value)) return value.map((each) => textOf(name, each, refuse)).join(name === 'cookie' ? '; ' : ', ')
  if (value === null) return ''
  if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol')
    throw refuse('InvalidArgumentError', `invalid ${name} header`)
  const text = String(value)
  if (UNSAFE_VALUE.test(text)) throw refuse('InvalidArgumentError', `invalid ${name} header`)
  return text
}

/** undici's callers may give the query apart. */
function wholePath({ path, query }: DispatchOptions): string {
  return query === null || typeof query !== 'object' ? path : `${path}?${stringify(query as Record<string, string>)}`
}

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/
const UNSAFE_PATH = /[^\u0021-\u00ff]/
const UNSAFE_VALUE = /[^\t\u0020-\u007e\u0080-\u00ff]/
/** As undici refuses them. */
const REFUSED: ReadonlySet<string> = new Set(['transfer-encoding', 'keep-alive', 'upgrade'])
const OF_ONE_CONNECTION: ReadonlySet<string> = new Set(['connection', 'proxy-connection', 'http2-settings'])

import { fetchClasses } from '../platform.ts'
import { splitUrl } from '../url.ts'
import { requestBody } from './request-body.ts'
import { type HeaderPairs, headerPairs, indexOfHeader } from './request-headers.ts'

/** One request as fetch understood it; each hop of a redirect is another one. */
export interface FetchRequest {
  readonly method: string
  readonly origin: string
  /** Path and query. */
  readonly path: string
  /** With its `#`; empty when there is none. */
  readonly fragment: string
  /** What the caller set and what the body implies; fetch's own defaults come when it is sent. */
  readonly headers: HeaderPairs
  readonly body: unknown
  /** The body is data and not a stream, so it may be sent again. */
  readonly isData: boolean
  /** The body is the stream of a platform Request, which may be data in disguise. */
  readonly ofRequest: boolean
  readonly signal: AbortSignal | undefined
  /** The Request that it came from: its signal follows the caller's only while somebody holds it. */
  readonly source: Request | undefined
  readonly redirect: Redirect
  /** Per-call options, not yet checked. */
  readonly mesh: unknown
}

/** What fetch does with an answer that says to look elsewhere. */
export type Redirect = 'follow' | 'error' | 'manual'

type Init = Readonly<Record<string, unknown>>

/** Options that change nothing when they have these values. */
const WITHOUT_EFFECT: Readonly<Record<string, readonly unknown[]>> = {
  cache: ['default'],
  mode: ['cors'],
  credentials: ['omit', 'same-origin', 'include'],
  keepalive: [false],
  referrer: ['about:client'],
  referrerPolicy: [''],
  integrity: [''],
  window: [null],
  priority: ['high', 'low', 'auto'],
}

const READ: ReadonlySet<string> = new Set(['method', 'headers', 'body', 'signal', 'redirect', 'duplex', 'mesh', 'dispatcher'])

/** Methods that fetch writes in upper case however they were given. */
const NORMALIZED: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
const FORBIDDEN: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const REDIRECTS: ReadonlySet<unknown> = new Set<Redirect>(['follow', 'error', 'manual'])

/**
 * Reads what fetch was given. Undefined where the platform's own fetch has to do it whole: something that the mesh's fetch does not
 * do, or something that fetch refuses, which nobody says better than the platform.
 */
export function readRequest(input: unknown, url: string | URL | undefined, init: Init | undefined): FetchRequest | undefined {
  if (init !== undefined && !isUnderstood(init)) return undefined
  const given = init ?? NO_INIT
  if (url === undefined) return undefined
  if (typeof input !== 'object' || input instanceof URL || !(input instanceof fetchClasses().Request))
    return compose(url, given, 'GET', given['headers'], given['body'], false)
  if (input.bodyUsed || !hasUsualModes(input)) return undefined
  const own = given['body'] === undefined
  const body = own ? (input.body ?? undefined) : given['body']
  return compose(input.url, given, input.method, given['headers'] ?? input.headers, body, own && body !== undefined, input)
}

function compose(
  input: string | URL,
  given: Init,
  ownMethod: string,
  headers: unknown,
  body: unknown,
  ofRequest: boolean,
  request?: Request,
): FetchRequest | undefined {
  const method = given['method'] === undefined ? ownMethod : methodOf(given['method'])
  const url = splitUrl(input)
  const pairs = headerPairs(headers)
  const sent = ofRequest ? { body, type: undefined, isData: false } : requestBody(body, given['duplex'])
  if (method === undefined || url === undefined || url.hasCredentials || pairs === undefined || sent === undefined) return undefined
  if (sent.body !== undefined && (method === 'GET' || method === 'HEAD')) return undefined
  const signal = given['signal'] === undefined ? request?.signal : given['signal']
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) return undefined
  const redirect = given['redirect'] === undefined ? (request?.redirect ?? 'follow') : given['redirect']
  if (!REDIRECTS.has(redirect) || (given['duplex'] !== undefined && given['duplex'] !== 'half')) return undefined
  return {
    method,
    origin: url.origin,
    path: url.path,
    fragment: url.fragment,
    headers: sent.type === undefined || indexOfHeader(pairs, 'content-type') >= 0 ? pairs : [...pairs, 'content-type', sent.type],
    body: sent.body,
    isData: sent.isData,
    ofRequest,
    signal: (signal as AbortSignal | null | undefined) ?? undefined,
    source: request,
    redirect: redirect as Redirect,
    mesh: given['mesh'],
  }
}

/** A plain object with options that are read here or that change nothing. */
function isUnderstood(init: Init): boolean {
  if (typeof init !== 'object' || init === null) return false
  const prototype: unknown = Object.getPrototypeOf(init)
  if (prototype !== Object.prototype && prototype !== null) return false
  for (const key of Object.keys(init)) {
    if (READ.has(key) || init[key] === undefined) continue
    if (WITHOUT_EFFECT[key]?.includes(init[key]) !== true) return false
  }
  return true
}

function hasUsualModes(request: Request): boolean {
  const { cache, mode, integrity, keepalive, referrer, referrerPolicy } = request as Request & { cache: string }
  return cache === 'default' && mode === 'cors' && integrity === '' && !keepalive && referrer === 'about:client' && referrerPolicy === ''
}

function methodOf(written: unknown): string | undefined {
  if (typeof written !== 'string' || !METHOD.test(written)) return undefined
  const upper = written.toUpperCase()
  if (FORBIDDEN.has(upper)) return undefined
  return NORMALIZED.has(upper) ? upper : written
}

const NO_INIT: Init = Object.freeze({})

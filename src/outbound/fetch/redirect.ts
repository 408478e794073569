import type { FetchRequest } from './request.ts'
import { withoutHeaders } from './request-headers.ts'

/** Where a redirect leads, or why it is not followed. */
export type NextHop = { readonly request: FetchRequest } | { readonly problem: Error }

/** What knows the services. */
export interface Landmarks {
  /** The origin of the service that has an endpoint at `address` (`host:port`). */
  originOfEndpoint(address: string): string | undefined
  /** Whether a service answers at `origin`. */
  serves(origin: string): boolean
}

export const MAX_REDIRECTS = 20

const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'content-length',
])
const OF_THE_ORIGIN: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'host'])

/** Headers that say who calls, or prove it; nobody outside the mesh is told. */
const IDENTITY =
  /^(?:x-api-key|api-key|apikey|x-auth-.*|x-access-token|x-id-token|x-csrf-token|x-xsrf-token|x-forwarded-.*|x-real-ip|forwarded|x-envoy-.*|x-amz-security-token|x-amzn-oidc-.*|x-goog-.*|x-ms-client-principal.*|x-user.*|x-inmesh-.*|l5d-.*|cookie2)$/

/** Whether an answer says to look elsewhere. */
export function isRedirect(status: number): boolean {
  return STATUSES.has(status)
}

/**
 * The request that follows `request` after a redirect to `location` (Fetch, HTTP-redirect fetch). Beyond fetch: a location that names
 * an endpoint of a service is read as the service, and who leaves the mesh leaves its identity behind.
 */
export function nextHop(request: FetchRequest, status: number, location: string, landmarks: Landmarks): NextHop {
  const url = resolve(location, request)
  if (url === undefined) return { problem: new TypeError('Invalid URL') }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { problem: new Error('URL scheme must be a HTTP(S) scheme') }
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  const origin = landmarks.serves(url.origin) ? url.origin : (landmarks.originOfEndpoint(`${url.hostname}:${port}`) ?? url.origin)
  const moved = origin !== request.origin
  if (url.username !== '' || url.password !== '') return { problem: new Error('cross origin not allowed for request mode "cors"') }
  if (status !== 303 && request.body !== undefined && !request.isData)
    return { problem: new Error('a body that is a stream cannot be sent again to where the redirect leads') }

  const { method } = request
  const toGet = status === 303 ? method !== 'GET' && method !== 'HEAD' : method === 'POST' && (status === 301 || status === 302)
  const leaves = moved && !landmarks.serves(origin)
  const unwanted = (name: string): boolean =>
    (toGet && OF_THE_BODY.has(name)) || (moved && OF_THE_ORIGIN.has(name)) || (leaves && IDENTITY.test(name))
  return {
    request: {
      ...request,
      method: toGet ? 'GET' : method,
      body: toGet ? undefined : request.body,
      origin,
      path: url.pathname + url.search,
      fragment: url.hash === '' ? request.fragment : url.hash,
      headers: withoutHeaders(request.headers, unwanted),
    },
  }
}

function resolve(location: string, { origin, path }: FetchRequest): URL | undefined {
  // Headers are latin1 on the wire; a location that is not ASCII is meant as UTF-8.
  const written = /^[\x21-\x7e]*$/.test(location) ? location : Buffer.from(location, 'latin1').toString('utf8')
  try {
    return new URL(written, origin + path)
  } catch {
    return undefined
  }
}

/** `headers` as an object for the platform's fetch, which joins nothing that was joined already. */
export function headerRecord(headers: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let index = 0; index < headers.length; index += 2) record[headers[index] as string] = headers[index + 1] as string
  return record
}

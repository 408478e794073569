import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { CookieSettings, SessionSettings } from '../model/balancing.ts'
import { cookieOf, setCookie } from './cookies.ts'
import type { EndpointSet } from './endpoint-set.ts'

/**
 * Keeps the calls of a session at one endpoint, whose address a cookie or a header carries from answer to request, in Base64, as in
 * Envoy's stateful session filter. What it carries is only ever looked up among the present endpoints: an address that somebody
 * made up leads nowhere.
 */
export class Session {
  readonly strict: boolean
  private readonly cookie: CookieSettings | undefined
  private readonly header: string | undefined
  private readonly set: EndpointSet
  private byAddress: ReadonlyMap<string, Endpoint> = new Map()
  private known: readonly Endpoint[] | undefined = undefined

  constructor({ strict, cookie, header }: SessionSettings, set: EndpointSet) {
    this.strict = strict
    this.cookie = cookie
    this.header = header
    this.set = set
  }

  /** The endpoint of the call's session, as long as it is usable; `undefined` when there is none, or no session yet. */
  pick(call: Call): Endpoint | undefined {
    const address = this.addressIn(call)
    if (address === undefined) return undefined
    const { all } = this.set
    if (this.known !== all) {
      this.known = all
      this.byAddress = new Map(all.map((endpoint) => [endpoint.address, endpoint]))
    }
    const endpoint = this.byAddress.get(address)
    return endpoint === undefined || (endpoint.out && (!this.set.panic || this.set.failing)) ? undefined : endpoint
  }

  /** Whether the call belongs to a session that may go nowhere else. */
  binds(call: Call): boolean {
    return this.strict && this.addressIn(call) !== undefined
  }

  /** Name and value of the header that an answer of `endpoint` gets, so that the session stays there. */
  mark(call: Call, { address }: Endpoint): readonly [name: string, value: string] | undefined {
    const { cookie, header } = this
    const value = Buffer.from(address, 'utf8').toString('base64')
    if (header !== undefined) return [header, value]
    if (cookie === undefined || !covers(cookie, call.path) || this.addressIn(call) === address) return undefined
    return ['set-cookie', setCookie(cookie, value)]
  }

  private addressIn(call: Call): string | undefined {
    const { cookie, header } = this
    const written = header === undefined ? cookie && covers(cookie, call.path) && cookieOf(call, cookie.name) : call.header(header)
    if (typeof written !== 'string' || written.length > MAX_LENGTH) return undefined
    return Buffer.from(written, 'base64').toString('utf8')
  }
}

/** Whether a cookie of this path belongs to a request for `path`: whole segments, as browsers have it (RFC 6265 §5.1.4). */
function covers({ path: prefix = '/' }: CookieSettings, path: string): boolean {
  if (!path.startsWith(prefix)) return false
  return prefix.endsWith('/') || path.length === prefix.length || '/?#'.includes(path.charAt(prefix.length))
}

/** Longer than any address in Base64. */
const MAX_LENGTH = 512

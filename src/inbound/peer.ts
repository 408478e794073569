import type { Socket } from 'node:net'
import { type AddressRanges, addressRanges } from '../core/address-ranges.ts'
import { isIP } from '../core/ip.ts'
import type { Principal } from '../model/principal.ts'
import type { HeaderShape } from '../security/canonical/header-shape.ts'
import type { Standing } from '../security/canonical/headers.ts'
import type { CanonicalHost } from '../security/canonical/host.ts'

/** What is the same for every request of a connection; read once, since each of these asks the kernel or walks a certificate. */
export interface Peer {
  readonly address: string
  readonly localAddress: string
  /** Local port; 0 when nobody knows. */
  readonly port: number
  readonly secure: boolean
  readonly serverName: string | undefined
  readonly principal: Principal | undefined
  readonly standing: Standing
  /** It had to prove who it is, and has not. */
  readonly unproven: boolean
  /** So many names and values of headers are handed on; Node drops what is beyond. */
  readonly cutAt: number
  /** The host that was read last: nearly always all requests of a connection ask for the same. */
  lastHost: CanonicalHost | undefined
  lastWrittenHost: string
  /** Of the request that was scanned last, if it was in order: nearly always all requests of a connection have the same headers. */
  shape: HeaderShape | undefined
}

/** Of a server without a bound of its own. */
const NODE_CUTS_AT = 2_000

/** What is read of a connection; those of HTTP/2 sessions have it too. */
export type Connection = Partial<Pick<Socket, 'remoteAddress' | 'localAddress' | 'localPort'>> & {
  encrypted?: boolean
  servername?: unknown
  server?: { maxHeadersCount?: number | null }
}

/** Who is at the other ends of the connections, remembered as long as each of them lives. */
export class Peers {
  /** A property of our own, as it is found for half of what a weak map costs. */
  private readonly key = Symbol('inmesh.peer')
  private readonly trusted: AddressRanges
  private readonly proxies: ReadonlySet<string>
  private readonly identify: (connection: Connection) => Principal | undefined
  private readonly mustProve: (connection: Connection) => boolean

  /** @param trustedProxies addresses, ranges and SPIFFE ids, checked */
  constructor(
    trustedProxies: readonly string[],
    identify: (connection: Connection) => Principal | undefined,
    mustProve: (connection: Connection) => boolean = () => false,
  ) {
    this.identify = identify
    this.mustProve = mustProve
    this.proxies = new Set(trustedProxies.filter(isSpiffeId))
    this.trusted = addressRanges(trustedProxies.filter((proxy) => !isSpiffeId(proxy)))
  }

  of(connection: Connection): Peer {
    const principal = this.identify(connection)
    const peer = this.known(connection)
    // A certificate may end, or be believed no more, while its connection goes on.
    return peer === undefined || peer.principal?.id !== principal?.id ? this.learn(connection, principal) : peer
  }

  trusts(address: string): boolean {
    return this.trusted.includes(address)
  }

  /** Whether a proxy of ours proves to be this. */
  isProxy(id: string): boolean {
    return this.proxies.has(id)
  }

  /**
   * The client behind the proxies that are trusted: `X-Forwarded-For` read from its end, up to the first address that is not one of
   * them. What a stranger wrote lies before it and counts for nothing.
   */
  clientOf(peer: Peer, forwarded: readonly string[]): string {
    let client = peer.address
    for (let at = forwarded.length - 1; at >= 0; at--) {
      const hop = addressOf(forwarded[at] as string)
      if (isIP(hop) === 0) return client
      client = hop
      if (!this.trusts(hop)) return client
    }
    return client
  }

  private known(connection: Connection): Peer | undefined {
    try {
      return (connection as { [key: symbol]: Peer | undefined })[this.key]
    } catch {
      return undefined
    }
  }

  private learn(connection: Connection, principal: Principal | undefined): Peer {
    const peer = this.readSafely(connection, principal)
    try {
      ;(connection as { [key: symbol]: Peer })[this.key] = peer
    } catch {
      // A frozen one is read again with the next request, and so is that of a session that is over.
    }
    return peer
  }

  /** Of an HTTP/2 session that is over its socket throws at every touch; its requests are told of all the same. */
  private readSafely(connection: Connection, principal: Principal | undefined): Peer {
    try {
      return this.read(connection, principal)
    } catch {
      return this.read({}, undefined)
    }
  }

  private read(connection: Connection, principal: Principal | undefined): Peer {
    const address = addressOf(connection.remoteAddress ?? '')
    const { servername } = connection
    const count = connection.server?.maxHeadersCount
    return {
      lastHost: undefined,
      lastWrittenHost: '',
      shape: undefined,
      address,
      localAddress: addressOf(connection.localAddress ?? ''),
      port: connection.localPort ?? 0,
      secure: connection.encrypted === true,
      serverName: typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined,
      principal,
      standing:
        this.trusts(address) || (principal !== undefined && this.proxies.has(principal.id))
          ? 'proxy'
          : principal === undefined
            ? 'stranger'
            : 'peer',
      unproven: principal === undefined && this.mustProve(connection),
      cutAt: typeof count === 'number' ? 2 * count || Number.POSITIVE_INFINITY : NODE_CUTS_AT,
    }
  }
}

function isSpiffeId(proxy: string): boolean {
  return proxy.startsWith('spiffe://')
}

/** IPv4 written as IPv6 is the IPv4 address that it is; brackets, a port and a zone go. */
function addressOf(written: string): string {
  const bare = written
    .replace(/^\[([^\]]*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
    .replace(/%.*$/, '')
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare
}

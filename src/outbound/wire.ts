import type { Protocol } from '../model/names.ts'
import type { TlsSettings } from '../model/resources.ts'
import type { DispatchOptions } from './handler.ts'

/** How a call wants to be connected: which authority it names, and whether TLS is spoken. */
export interface Wire {
  /** Origin of the URL as the caller wrote it; gives the `Host` header, and SNI unless the configuration names another. */
  readonly origin: string
  /** Dialled when the endpoint names no port of its own. */
  readonly port: number
  readonly tls: { readonly settings: TlsSettings | undefined; readonly serverName: string } | undefined
  readonly connectTimeoutMs: number
  /** `auto` only with TLS, which is where it can be agreed on; clear text is HTTP/1.1 unless HTTP/2 is known of. */
  readonly protocol: Protocol
  /** The same over HTTP/1.1, for calls that leave HTTP behind; absent where it is that already, and where there is none. */
  readonly forUpgrades: Wire | undefined
}

/** The wire for a call: an upgrade has a connection for itself. */
export function wireFor(wire: Wire, options: DispatchOptions): Wire {
  return wire.forUpgrades !== undefined && leavesHttp(options) ? wire.forUpgrades : wire
}

/** Whether a call asks for its connection. */
export function leavesHttp({ upgrade, method }: DispatchOptions): boolean {
  return (upgrade !== undefined && upgrade !== null && upgrade !== false) || method === 'CONNECT'
}

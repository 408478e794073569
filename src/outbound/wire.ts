import type { TlsSettings } from '../model/resources.ts'

/** How a call wants to be connected: which authority it names, and whether TLS is spoken. */
export interface Wire {
  /** Origin of the URL as the caller wrote it; gives the `Host` header, and SNI unless the configuration names another. */
  readonly origin: string
  /** Dialled when the endpoint names no port of its own. */
  readonly port: number
  readonly tls: { readonly settings: TlsSettings | undefined; readonly serverName: string } | undefined
  readonly connectTimeoutMs: number
}

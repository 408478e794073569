import type { InboundTlsOptions, InboundTlsSettings } from './identity.ts'

/** What holds for the requests that this process receives. */
export interface InboundOptions {
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` and `X-Forwarded-Client-Cert` are believed. Default: none. */
  trustedProxies?: string[]
  /** How they come in under TLS. */
  tls?: InboundTlsOptions
}

/** {@link InboundOptions}, checked. */
export interface InboundSettings {
  readonly trustedProxies: readonly string[]
  readonly tls: InboundTlsSettings | undefined
}

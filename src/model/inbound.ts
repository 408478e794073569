import type { AuthenticationOptions, AuthenticationSettings } from './authentication.ts'

/** What holds for the requests that this process receives. */
export interface InboundOptions {
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` and `X-Forwarded-Client-Cert` are believed. Default: none. */
  trustedProxies?: string[]
  /** Tokens that requests carry, and who vouches for them. Default: none is looked at. */
  authentication?: AuthenticationOptions
}

/** {@link InboundOptions}, checked. */
export interface InboundSettings {
  readonly trustedProxies: readonly string[]
  readonly authentication?: AuthenticationSettings | undefined
}

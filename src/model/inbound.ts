import type { AuthorizationPolicyOptions } from './authorization.ts'

/** What holds for the requests that this process receives. */
export interface InboundOptions {
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` and `X-Forwarded-Client-Cert` are believed. Default: none. */
  trustedProxies?: string[]
  /** Who may call this process. Default: anybody. */
  authorization?: AuthorizationPolicyOptions[]
}

/** {@link InboundOptions}, checked. */
export interface InboundSettings {
  readonly trustedProxies: readonly string[]
}

import type {
  InboundRateLimitOptions,
  InboundRateLimitSettings,
  RateLimitHeaderOptions,
  RateLimitHeaderSettings,
  SheddingOptions,
  SheddingSettings,
} from './inbound-limits.ts'

/** What holds for the requests that this process receives. */
export interface InboundOptions {
  /** Addresses or CIDR ranges of proxies whose `X-Forwarded-For` and `X-Forwarded-Client-Cert` are believed. Default: none. */
  trustedProxies?: string[]
  /** How often requests are taken. All that match are asked, and a request that one refuses costs none of them anything. Default: none. */
  rateLimits?: InboundRateLimitOptions[]
  /** What answers say about rate limits. */
  rateLimitHeaders?: RateLimitHeaderOptions
  /** What is taken when the process is asked for more than it can do; `true` for the defaults. Default: everything. */
  shedding?: SheddingOptions | boolean
}

/** {@link InboundOptions}, checked. */
export interface InboundSettings {
  readonly trustedProxies: readonly string[]
  readonly rateLimits: readonly InboundRateLimitSettings[]
  readonly rateLimitHeaders: RateLimitHeaderSettings
  readonly shedding: SheddingSettings | false
}

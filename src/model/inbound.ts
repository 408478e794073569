import type { AdaptiveConcurrencyOptions, AdaptiveConcurrencySettings } from './adaptive-concurrency.ts'
import type { AuthenticationOptions, AuthenticationSettings } from './authentication.ts'
import type { AuthorizationPolicyOptions } from './authorization.ts'
import type { InboundTlsOptions, InboundTlsSettings } from './identity.ts'
import type { InboundGate } from './inbound-call.ts'
import type {
  InboundRateLimitOptions,
  InboundRateLimitSettings,
  RateLimitHeaderOptions,
  RateLimitHeaderSettings,
  SheddingOptions,
  SheddingSettings,
} from './inbound-limits.ts'
import type { HealthPathOptions, HealthPathSettings, LifecycleOptions, LifecycleSettings } from './readiness.ts'

/** How paths are read before anybody judges them. Default: Envoy's advice for the edge. */
export interface PathOptions {
  /**
   * How far a path is normalised (the words are Istio's). `base`: escapes and dots resolved; `merge-slashes` (default): slashes merged too;
   * `decode-and-merge-slashes`: escaped slashes are slashes; `none`: nothing, and two spellings of a path may be judged differently.
   */
  normalize?: 'none' | 'base' | 'merge-slashes' | 'decode-and-merge-slashes'
  /** `%2F`, `%5C` and the backslash: refused with 400 (`reject`, default), kept as they are, or taken for slashes. */
  escapedSlashes?: 'keep' | 'reject' | 'unescape'
  /** `;` and what follows in a segment: refused with 400 (default), cut off, or kept as an ordinary character. */
  parameters?: 'refuse' | 'strip' | 'keep'
  /**
   * How the application matches paths. `exact`: as they are written; `loose`: without case or a trailing slash, so that what is forbidden
   * is forbidden in every such spelling. Default: `loose`, and of Fastify what it is configured to do.
   */
  routing?: 'exact' | 'loose'
}

/** What headers may be like. */
export interface HeaderOptions {
  /** Names with an underscore, which some servers take for a hyphen: refused with 400 (default), dropped, or kept. */
  underscores?: 'refuse' | 'drop' | 'keep'
  /** Most headers of a request; 431 beyond. Default 100. */
  maxCount?: number
  /** Most bytes of all names and values; 431 beyond. Default 60 KiB, and Node's own `maxHeaderSize` before that. */
  maxBytes?: number
}

/** What holds for the requests that this process receives. */
export interface InboundOptions {
  /**
   * Addresses, CIDR ranges or SPIFFE ids of proxies whose `X-Forwarded-For` and `X-Forwarded-Client-Cert` are believed. Default: none.
   */
  trustedProxies?: string[]
  /** How they come in under TLS. */
  tls?: InboundTlsOptions
  /** Tokens that requests carry, and who vouches for them. Default: none is looked at. */
  authentication?: AuthenticationOptions
  /** Who may call this process. Default: anybody. */
  authorization?: AuthorizationPolicyOptions[]
  paths?: PathOptions
  headers?: HeaderOptions
  /** How often requests are taken. All that match are asked, and a request that one refuses costs none of them anything. Default: none. */
  rateLimits?: InboundRateLimitOptions[]
  /** What answers say about rate limits. */
  rateLimitHeaders?: RateLimitHeaderOptions
  /** What is taken when the process is asked for more than it can do; `true` for the defaults. Default: everything. */
  shedding?: SheddingOptions | boolean
  /** How many requests at once, found out from how long the application takes; `true` for the defaults. Default: any number. */
  adaptiveConcurrency?: AdaptiveConcurrencyOptions | boolean
  lifecycle?: LifecycleOptions
  health?: HealthPathOptions
  /** Further gates, asked in order after authorization and limits. */
  gates?: InboundGate[]
}

/** {@link PathOptions}, checked. */
export interface PathSettings {
  readonly normalize: 'none' | 'base' | 'merge-slashes' | 'decode-and-merge-slashes'
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape'
  readonly parameters: 'refuse' | 'strip' | 'keep'
  /** Undefined: as the framework does. */
  readonly routing: 'exact' | 'loose' | undefined
}

/** {@link HeaderOptions}, checked. */
export interface HeaderSettings {
  readonly underscores: 'refuse' | 'drop' | 'keep'
  readonly maxCount: number
  readonly maxBytes: number
}

/** {@link InboundOptions}, checked. */
export interface InboundSettings {
  readonly trustedProxies: readonly string[]
  readonly tls?: InboundTlsSettings | undefined
  readonly authentication?: AuthenticationSettings | undefined
  readonly paths: PathSettings
  readonly headers: HeaderSettings
  readonly rateLimits: readonly InboundRateLimitSettings[]
  readonly rateLimitHeaders: RateLimitHeaderSettings
  readonly shedding: SheddingSettings | false
  readonly adaptiveConcurrency: AdaptiveConcurrencySettings | false
  readonly lifecycle: LifecycleSettings
  readonly health: HealthPathSettings
  readonly gates: readonly InboundGate[]
}

import type { Duration } from '../core/duration.ts'
import type { RateOptions } from './protection.ts'
import type { RateSettings } from './resources.ts'

/**
 * Whom a limit counts apart: `route` is the one of `match.paths` that the request lies below, `principal` the peer's identity,
 * `request-principal` that of the token, `address` the client's (IPv6 by /64). Requests without it count together.
 */
export type LimitDescriptor =
  | 'route'
  | 'path'
  | 'method'
  | 'principal'
  | 'request-principal'
  | 'address'
  | { header: string }
  | { cookie: string }

/** Which requests a limit is for; what is not written is any. */
export interface LimitMatch {
  /** Path prefixes, whole segments: `/admin` is `/admin` and `/admin/x`, not `/administrator`. */
  paths?: string[]
  methods?: string[]
  /** `host` or `*.host`. */
  hosts?: string[]
  /** Identities of the peer, or with `*` at the end what they begin with. */
  principals?: string[]
}

/** How often requests are taken; beyond it they are answered with 429 `MESH_RATE_LIMITED`. */
export interface InboundRateLimitOptions extends RateOptions {
  /** Appears in answers, reasons and stats; each name once. */
  name: string
  match?: LimitMatch
  /** Each combination of these values has the rate for itself. Default: all requests together. */
  by?: LimitDescriptor[]
  /** `token-bucket` (default) or `gcra`; they let the same requests pass. */
  algorithm?: 'token-bucket' | 'gcra'
  /** Only counts what it would refuse. */
  dryRun?: boolean
  /** Other rates for some values; the one that names most of them holds. */
  overrides?: InboundRateOverride[]
}

/** The rate of those that have all of `values`, each by the name of its descriptor: `address`, `x-tenant`, `cookie:session`. */
export interface InboundRateOverride extends RateOptions {
  values: Record<string, string>
}

/** What answers say about rate limits (IETF draft ratelimit-headers). */
export interface RateLimitHeaderOptions {
  /** On answers that a limit refuses. Default true. */
  refusals?: boolean
  /** On all answers that a limit was asked for. Default false. */
  answers?: boolean
  /** `RateLimit-Limit`, `-Remaining` and `-Reset` of the limit that is nearest to its end, in place of `RateLimit-Policy` and `RateLimit`. */
  legacy?: boolean
}

/** When this process is asked for more than it can do: what it still takes. */
export interface SheddingOptions {
  /** How long requests may hold up the event loop at a time. Default 100ms. */
  maxLoopDelay?: Duration
  /** Share of time that the loop may be busy, 50–100; beyond it too. Default: not looked at. */
  maxUtilisationPercent?: number
  /** Requests at once; of those of normal priority nine tenths of it, of low priority seven. Default: any number. */
  maxInflight?: number
  /** Header in which trusted peers say how urgent a request is. Default `x-mesh-priority`, then `priority` (RFC 9218). */
  priorityHeader?: string
  /** Paths that are never shed. Default `/healthz`, `/livez`, `/readyz` and gRPC's health check. */
  exemptPaths?: string[]
  /** Least that `Retry-After` says; each answer says up to three times as long. Default 1s. */
  retryAfter?: Duration
  /** Whether an answer that refuses ends its connection. Default false: under pressure a new one costs more than a request. */
  closeConnections?: boolean
}

/** {@link LimitDescriptor}, checked. `label`: what overrides call it. */
export interface DescriptorSettings {
  readonly kind: 'route' | 'path' | 'method' | 'principal' | 'request-principal' | 'address' | 'header' | 'cookie'
  readonly label: string
  /** Of the header, in lower case, or the cookie. */
  readonly name: string
}

/** {@link InboundRateLimitOptions}, checked. */
export interface InboundRateLimitSettings extends RateSettings {
  readonly name: string
  readonly match: {
    readonly paths?: readonly string[]
    readonly methods?: readonly string[]
    readonly hosts?: readonly string[]
    readonly principals?: readonly string[]
  }
  readonly by: readonly DescriptorSettings[]
  readonly algorithm: 'token-bucket' | 'gcra'
  readonly dryRun: boolean
  readonly overrides: readonly (RateSettings & { readonly values: ReadonlyMap<string, string> })[]
}

/** {@link RateLimitHeaderOptions}, checked. */
export interface RateLimitHeaderSettings {
  readonly refusals: boolean
  readonly answers: boolean
  readonly legacy: boolean
}

/** {@link SheddingOptions}, checked. */
export interface SheddingSettings {
  readonly maxLoopDelayMs: number
  readonly maxUtilisationPercent: number | undefined
  readonly maxInflight: number | undefined
  readonly priorityHeader: string | undefined
  readonly exemptPaths: readonly string[]
  readonly retryAfterMs: number
  readonly closeConnections: boolean
}

/** What a `shedding` section starts from. */
export const DEFAULT_SHEDDING: SheddingSettings = Object.freeze({
  maxLoopDelayMs: 100,
  maxUtilisationPercent: undefined,
  maxInflight: undefined,
  priorityHeader: undefined,
  exemptPaths: Object.freeze(['/healthz', '/livez', '/readyz', '/grpc.health.v1.Health/Check']),
  retryAfterMs: 1_000,
  closeConnections: false,
})

/** What a `rateLimitHeaders` section starts from. */
export const DEFAULT_RATE_LIMIT_HEADERS: RateLimitHeaderSettings = Object.freeze({ refusals: true, answers: false, legacy: false })

/** The rate limits in `mesh.stats()`. Counters are cumulative. */
export interface RateLimitStats {
  /** Requests that no limit refused, and those that one did. */
  allowed: number
  refused: number
  limits: Record<
    string,
    {
      /** Requests that it was for and that were let go. */
      allowed: number
      /** Requests that it refused; several may refuse the same. */
      refused: number
      /** Requests that it would have refused. */
      dryRunRefused: number
      /** Combinations of values that it remembers. */
      keys: number
    }
  >
}

/** Shedding in `mesh.stats()`. Counters are cumulative, the rest is now. */
export interface SheddingStats {
  allowed: number
  shed: { low: number; normal: number; high: number }
  inflight: number
  /** How long the loop was held up at a time lately, in milliseconds. */
  loopDelayMs: number
  /** Share of the last second that the loop was busy; 0 where the clock cannot tell. */
  utilisationPercent: number
  /** 0: nothing is shed for its priority; 1: all of low; 2: all of normal too. */
  pressure: number
}

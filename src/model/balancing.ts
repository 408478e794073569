import type { Duration } from '../core/duration.ts'
import type { BalancingPolicy } from './names.ts'

/** How endpoints are chosen. Default `least-request`. */
export interface BalancingOptions {
  policy?: BalancingPolicy
  /** Leads endpoints that joined or came back up to their share. Default false. Not for `random`, `ring-hash` and `maglev`. */
  slowStart?: SlowStartOptions | false
  peakEwma?: {
    /** The time after which a peak is worn down to a third (1 ÷ e). Default 10s. */
    decay?: Duration
  }
  /** What of a request `ring-hash` and `maglev` go by, in this order. Default: nothing, which is a random endpoint. `hashKey` of a call goes before. */
  hashOn?: HashOnOptions[]
  /** Entries of the ring, 1–8388608. Default 1024, 8388608. */
  ringHash?: { minSize?: number; maxSize?: number }
  /** Entries of the table: a prime up to 5000011. Default 65537. */
  maglev?: { tableSize?: number }
  /** `ring-hash`, `maglev`: nobody has more under way than this many times the mean, 1–100; the call goes to another. Default false. */
  boundedLoad?: number | false
  /** `weighted-round-robin`: weights from what endpoints report of their load (ORCA). Default false. */
  loadReports?: LoadReportOptions | boolean
  /** Calls of one session go to one endpoint, whatever the policy. Default false. */
  session?: SessionOptions | false
}

/** How long an endpoint takes to its full share: weight × max(minWeightPercent, (time ÷ window)^(1 ÷ aggression)). */
export interface SlowStartOptions {
  /** Default 30s. */
  window?: Duration
  /** Share of its weight that it begins with, 1–100. Default 10. */
  minWeightPercent?: number
  /** 1: the share grows with time; more: faster at first. 0.1–10. Default 1. */
  aggression?: number
}

/** A cookie that the mesh reads, and gives where it is missing. */
export interface CookieOptions {
  name: string
  /** How long the cookie that the mesh gives is kept; 0: as long as the session of the browser. */
  ttl?: Duration
  /** The path that the cookie is for. */
  path?: string
}

/** One thing of a request that is hashed. `terminal`: when it is there, what follows does not count. */
export type HashOnOptions = (
  | { header: string }
  | { cookie: CookieOptions }
  | { query: string }
  /** Who calls: this process, and every process another one. */
  | { source: true }
) & { terminal?: boolean }

/** How reported load becomes a weight (gRFC A58). */
export interface LoadReportOptions {
  /** Reports of an endpoint count only after it has sent them for this long. Default 10s. */
  blackout?: Duration
  /** Reports older than this count no more. Default 3m. */
  expiry?: Duration
  /** How often weights are worked out anew, 100ms at least. Default 1s. */
  update?: Duration
  /** How much the share of errors adds to the utilization. Default 1. */
  errorPenalty?: number
  /** Metrics whose maximum is the utilization, before the application's own and the CPU's: `named_metrics.queue`. */
  metrics?: string[]
}

/** What carries the endpoint of a session. `strict`: without its endpoint a session's call fails instead of going to another. */
export type SessionOptions = ({ cookie: CookieOptions } | { header: string }) & { strict?: boolean }

/** How many endpoints of a service one process uses; `auto`: 100, or all where the policy hashes. */
export type SubsetOptions = { size: number } | 'all' | 'auto'

/** How an endpoint that joined or came back is led up to its share. */
export interface SlowStartSettings {
  readonly windowMs: number
  /** Share of its weight that it begins with, 0–100. */
  readonly minWeightPercent: number
  /** 1: the share grows with time; more: faster at first. */
  readonly aggression: number
}

/** A cookie, checked. */
export interface CookieSettings {
  readonly name: string
  /** Undefined: the mesh gives none. */
  readonly ttlMs?: number
  readonly path?: string
}

/** One thing that is hashed; exactly one of the first four is there. Header names are lower case. */
export interface HashRule {
  readonly header?: string
  readonly cookie?: CookieSettings
  readonly query?: string
  readonly source?: true
  readonly terminal: boolean
}

export interface LoadReportSettings {
  readonly blackoutMs: number
  readonly expiryMs: number
  readonly updateMs: number
  readonly errorPenalty: number
  readonly metrics: readonly string[]
}

/** Exactly one of cookie and header is there. */
export interface SessionSettings {
  readonly cookie?: CookieSettings
  /** Lower case. */
  readonly header?: string
  readonly strict: boolean
}

/** Everything about how endpoints are chosen. */
export interface BalancingSettings {
  readonly policy: BalancingPolicy
  readonly slowStart: SlowStartSettings | false
  readonly peakEwma: { readonly decayMs: number }
  /** Undefined: nothing. */
  readonly hashOn: readonly HashRule[] | undefined
  readonly ringHash: { readonly minSize: number; readonly maxSize: number }
  readonly maglev: { readonly tableSize: number }
  readonly boundedLoad: number | false
  readonly loadReports: LoadReportSettings | false
  readonly session: SessionSettings | false
}

/** `auto`: 100, or all where the policy hashes. */
export type SubsetSettings = { readonly size: number } | 'all' | 'auto'

import type { MeshErrorCode } from '../core/errors.ts'
import type { FlagCounts } from '../core/response-flags.ts'
import type { AdaptiveConcurrencyStats } from './adaptive-concurrency.ts'
import type { AuthenticationStats } from './authentication.ts'
import type { AuthorizationStats } from './authorization.ts'
import type { IdentityStats } from './identity.ts'
import type { RateLimitStats, SheddingStats } from './inbound-limits.ts'
import type { LevelShare } from './locality.ts'
import type { ThrottleStats } from './throttle.ts'

/** One endpoint in `mesh.stats()`. Counters are cumulative, the rest is now. */
export interface EndpointStats {
  address: string
  /** `recovering`: its ejection is over, and it gets one call at a time until one succeeds. */
  state: 'healthy' | 'degraded' | 'unhealthy' | 'ejected' | 'recovering' | 'removed'
  /** Why it is not healthy, in words. */
  reason?: string
  inflight: number
  tries: number
  successes: number
  failures: number
  ejections: number
  /** Milliseconds until an ejected endpoint comes back; 0 when it is not ejected. */
  ejectedForMs: number
  /** Open sockets, and how many of them are idle. */
  connections: number
  idleConnections: number
  /** What they speak; `none` without any. */
  protocol: 'http/1.1' | 'h2' | 'none'
}

/** One subset of a service in `mesh.stats()`. */
export interface SubsetStats {
  /** How many have its metadata, and how many of these are usable now. */
  endpoints: number
  usable: number
  /** Calls that were meant for it, and those of them that went elsewhere by what it says under `otherwise`. */
  calls: number
  otherwise: number
}

/** One service in `mesh.stats()`. */
export interface ServiceStats {
  calls: number
  inflight: number
  successes: number
  /** Calls that ended in a 5xx answer or because the service failed; refusals and calls that their caller left are neither. */
  failures: number
  /** Tries sent to endpoints; `tries / calls` is the amplification. */
  tries: number
  retries: number
  /** Re-sends that cost no budget because nothing had been sent. */
  movedOn: number
  /** The same because the server had not begun with it: a refused stream, or one after the server's goodbye (HTTP/2). */
  transparent: number
  /** Re-sends that the budget did not allow. */
  budgetExhausted: number
  /** Failures that were not tried again because the service had tried again itself. */
  retriesSpared: number
  /** Tries sent beside a slow one, those of them whose answer the caller got, and those that a budget did not allow. */
  hedges: number
  hedgesWon: number
  hedgesRefused: number
  /** Bodies that were too large, or too consumed, to send again. */
  notReplayable: number
  /** Calls that ended with each code. */
  errors: Partial<Record<MeshErrorCode, number>>
  /** Calls by Envoy's response flags; one call may have several. Callers that left (`DC`) and faults (`DI`, `FI`) are here too. */
  flags: FlagCounts
  /** Calls that got the configured answer in place of a failure. */
  fallbacks: number
  /** Calls that an injected fault delayed, or ended. */
  faults: { delayed: number; aborted: number }
  /** What the limits hold now; 0 where a limit is not configured. */
  limits: {
    /** Calls in flight, as `maxRequests` counts them. */
    requests: number
    /** Sockets; those that are being opened count. */
    connections: number
    /** Calls that wait for a connection. */
    pending: number
    /** Re-sends in flight. */
    retries: number
    /** Calls that each limit turned away; for `maxRetries`, re-sends that it prevented. */
    refused: { maxRequests: number; maxPending: number; perEndpoint: number; maxRetries: number; rate: number }
  }
  /** Absent while it is off. */
  adaptiveConcurrency?: AdaptiveConcurrencyStats
  /** Absent while it is off. */
  throttle?: ThrottleStats
  breaker: { state: 'closed' | 'open' | 'half-open' | 'off'; opened: number }
  /** Latency of calls to their head in milliseconds, over the last minute. */
  latency: { p50: number; p90: number; p99: number; max: number }
  panic: boolean
  /** What each priority gets of the calls now. */
  priorities: LevelShare[]
  /** By name; absent where the service names none. */
  subsets?: Record<string, SubsetStats>
  endpoints: EndpointStats[]
}

/** One rule of a route in `mesh.stats()`. */
export interface RuleStats {
  calls: number
  /** Calls that it answered itself, redirects included. */
  answered: number
  /** What became of the copies, by the service that got them; that one counts none of it. */
  mirrors: Record<string, { sent: number; inflight: number; successes: number; failures: number; skipped: number }>
}

/** One route in `mesh.stats()`. */
export interface RouteStats {
  /** Calls that no rule matched. */
  unmatched: number
  rules: Record<string, RuleStats>
}

/** Requests that came in, in `mesh.stats()`. */
export interface InboundStats {
  requests: number
  inflight: number
  /** How many each gate refused, by code; `canonical` refuses what cannot be read in one way only. */
  refused: Record<string, Partial<Record<MeshErrorCode, number>>>
  /** The same by Envoy's response flags. */
  flags: FlagCounts
  authorization: AuthorizationStats
  /** Absent without authentication. */
  authentication?: AuthenticationStats
  /** Absent without rate limits. */
  rateLimits?: RateLimitStats
  /** Absent without shedding. */
  shedding?: SheddingStats
  /** Absent without an adaptive limit. */
  adaptiveConcurrency?: AdaptiveConcurrencyStats
}

/** Plain JSON, made when asked for. */
export interface MeshStats {
  version: number
  closed: boolean
  inflight: number
  /** Requests that were not ours and went on to the platform. */
  passedThrough: number
  services: Record<string, ServiceStats>
  /** By name; `name.namespace` for those of another namespace. */
  routes: Record<string, RouteStats>
  /** What `mesh.execute` runs, by name. */
  executions: Record<string, { running: number; breaker: 'closed' | 'open' | 'half-open' | 'off' }>
  inbound: InboundStats
  /** Who we are and whom we believe. */
  identity: IdentityStats
  sources: Record<string, { state: 'starting' | 'ready' | 'failed'; version: string }>
}

import type { Duration } from '../core/duration.ts'
import type { MeshErrorCode } from '../core/errors.ts'

/** Bounds of what one service may cost this process at once; each that is not written is none. */
export interface LimitsOptions {
  /** Sockets of the service over all its endpoints. A call that needs one more waits. */
  maxConnections?: number
  /** Calls that wait for a connection; beyond it `MESH_OVERLOADED`. Default 1024. */
  maxPending?: number
  /** Calls in flight, to the last byte of the answer; beyond it `MESH_OVERLOADED`. */
  maxRequests?: number
  /** Re-sends in flight; beyond it the failure goes to the caller. */
  maxRetries?: number
  /** Bounds of each single endpoint: one that is full is passed over. */
  perEndpoint?: {
    /** Sockets of one endpoint; when all endpoints have so many in use, the call waits. */
    maxConnections?: number
    /** Tries in flight at one endpoint; when all endpoints have so many, `MESH_OVERLOADED`. */
    maxRequests?: number
  }
}

/** A header that a call must carry, with this value where one is written. */
export interface HeaderCondition {
  name: string
  value?: string
}

/** Faults put in the way of calls, to see whether their callers bear them. Nothing is sent for an aborted call. */
export interface FaultOptions {
  /** Makes calls wait before anything is sent; the wait is part of their deadline. */
  delay?: {
    duration: Duration
    /** Share of calls, 0–100. Default 100. */
    percent?: number
    /** Only calls with this header. */
    header?: HeaderCondition
  }
  /** Ends calls in place of their service: with an answer of this status, or an error of this code. */
  abort?: {
    /** 200–599. */
    status?: number
    code?: MeshErrorCode
    /** Share of calls, 0–100. Default 100. */
    percent?: number
    /** Only calls with this header. */
    header?: HeaderCondition
  }
}

/** How often something may happen: `requests` in each `per`, and as many as `burst` at once after a quiet time. */
export interface RateOptions {
  requests: number
  /** Default 1s. */
  per?: Duration
  /** Default: as many as `requests`. */
  burst?: number
}

/** How many calls a service gets from this process; beyond it `MESH_RATE_LIMITED` with `retryAfterMs`. */
export interface RateLimitOptions extends RateOptions {
  /** Name of a request header: each of its values has a bucket of its own; calls without it share one. */
  key?: string
}

/** What a fallback may stand in for: an error by its code, any 5xx answer, or only 502, 503 and 504. */
export type FallbackCondition = MeshErrorCode | '5xx' | 'gateway-error'

/** An answer that the mesh gives itself. */
export interface OwnAnswer {
  /** 200–599. Default 200. */
  status?: number
  headers?: Record<string, string>
  body?: string | Uint8Array
}

/** What a fallback stands in for: a MeshError, or an answer of the service, which has no `code`. */
export interface FallbackError extends Error {
  readonly code?: MeshErrorCode
  /** Of the answer; of an error, the status that fits its code. */
  readonly status: number
  readonly service: string | undefined
}

/** The call that a fallback answers. */
export interface FallbackRequest {
  readonly service: string
  readonly method: string
  readonly host: string
  /** Path and query. */
  readonly path: string
  /** A request header by its name, or undefined. */
  header(name: string): string | undefined
}

/**
 * Makes the answer; `error` says what it stands in for. What it throws, and an answer that takes longer than a second, gives the
 * caller the original failure.
 */
export type FallbackFunction = (error: FallbackError, request: FallbackRequest) => OwnAnswer | PromiseLike<OwnAnswer>

/** The answer that callers get in place of a failure. */
export interface FallbackOptions {
  /** Default: the codes `MESH_NO_ENDPOINT`, `CIRCUIT_OPEN`, `OVERLOADED`, `DEADLINE`, `CONNECT`, `RESET`. */
  on?: FallbackCondition[]
  respond: OwnAnswer | FallbackFunction
}

/** What a traffic policy decides; the first one that is not `continue` wins. */
export type PolicyAction = 'continue' | 'allow' | 'deny' | 'redirect' | 'limit'

/** Who may call what: rules over this mesh as the source and its services as the targets, asked in their order. */
export interface TrafficPolicyOptions {
  /** Appears in errors, events and `explain`; each name once. */
  name: string
  /** Whose calls; what is not written is anybody's. */
  source?: { service?: string; namespace?: string }
  /** Calls to what; what is not written is anything. */
  target?: {
    service?: string
    namespace?: string
    methods?: string[]
    /** Path prefixes, whole segments: `/admin` is `/admin` and `/admin/x`, not `/administrator`. */
    paths?: string[]
  }
  action: PolicyAction
  /** With `redirect`: the service that gets the call, as it is called in `stats`. */
  redirectTo?: string
  /** With `limit`: how many calls all that the policy matches may make together. */
  limit?: RateOptions
}

/** What of a request that came in flows to the calls beneath it. */
export interface ContextOptions {
  /**
   * Whose headers are believed: `mesh` (default) those of peers that proved who they are by a certificate, and of `inbound.trustedProxies`;
   * `anyone` everybody's, for networks where nobody proves anything; `nobody` none.
   */
  trust?: 'mesh' | 'anyone' | 'nobody'
  /** Whether calls say which trace they belong to (`traceparent`, `tracestate`, `baggage`). Default true. */
  trace?: boolean
  /**
   * Whether an answer with a status of 5xx says that a call beneath the request was tried again already (`x-inmesh-retried`), so that our
   * callers do not try again on top of it. Default true.
   */
  retried?: boolean
  /** Further headers that are copied as they came: lanes, tenants, request ids. Default `x-request-id`. */
  forward?: string[]
}

/** {@link ContextOptions}, checked. */
export interface ContextSettings {
  readonly trust: 'mesh' | 'anyone' | 'nobody'
  readonly trace: boolean
  readonly retried: boolean
  /** In lower case. */
  readonly forward: readonly string[]
}

/** What of the request around this moment the application may want to know; from `mesh.current()`. */
export interface CurrentRequest {
  /** Milliseconds until nobody waits for the answer any more; Infinity without a bound. */
  readonly remainingMs: number
  readonly priority: 'low' | 'normal' | 'high'
  /** How many tries led here, over all hops: 1 when nobody sent anything again. */
  readonly attempt: number
  readonly traceId: string
  /** Whether somebody records the trace. */
  readonly sampled: boolean
  /** The identity that the peer's certificate proves: `spiffe://…`. */
  readonly peer: string | undefined
  /** `issuer/subject` of the token that the request came with. */
  readonly onBehalfOf: string | undefined
  /** Aborts when the client leaves before its answer, and when the deadline passes. Made when it is first read. */
  readonly signal: AbortSignal
}

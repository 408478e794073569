import type { Endpoint } from './endpoint.ts'
import type { MeshErrorCode } from './errors.ts'

/**
 * How the one classifier judged a try or a call. *Ignored* (the caller left, a hedge was lost) is
 * neutral for failure counts; its age is still a lower bound of the endpoint's latency.
 */
export type Verdict = 'success' | 'failure' | 'ignored'

/**
 * Why a try produced no usable answer: `connect` means that nothing was sent, `reset` that the connection
 * broke afterwards, `timeout` that its time ran out, `protocol` that the peer spoke nonsense, `tls` that the
 * handshake failed, `local` that this process could not even try (descriptors or ports exhausted), `aborted` that the caller left.
 */
export type FailureKind = 'connect' | 'reset' | 'timeout' | 'protocol' | 'tls' | 'local' | 'aborted'

/** How a try or a whole call ended. Read it inside `settle`; the object may be the engine's own and live on. */
export interface Outcome {
  readonly verdict: Verdict
  /** HTTP status of the answer, 0 when there was none. */
  readonly status: number
  /** What broke, or `undefined` when an answer came. */
  readonly kind: FailureKind | undefined
  /** Milliseconds from the start of the try to its head, or to its failure. */
  readonly latencyMs: number
  readonly endpoint: Endpoint | undefined
  /** True when it is certain that no byte of the request reached a peer. */
  readonly unsent: boolean
  /** True when the service as a whole looks unavailable: no endpoint, connect, reset, timeout, 502, 503, 504. */
  readonly unavailable: boolean
  readonly code: MeshErrorCode | undefined
  /** What the answer's `Retry-After` asks for, already clamped; undefined without one. */
  readonly retryAfterMs: number | undefined
  /** The service says that what failed beneath it was tried again there already. */
  readonly retried?: boolean
  /** gRPC's pushback: wait exactly so long before the next try; below 0: there is to be none. Undefined without one. */
  readonly pushbackMs?: number | undefined
  /** The answer comes from a rate limit (`x-envoy-ratelimited`), not from the service behind it. */
  readonly rateLimited?: boolean
}

/** The outcome that gates hear when a call ended before it could say anything about the service. */
export const IGNORED: Outcome = Object.freeze({
  verdict: 'ignored',
  status: 0,
  kind: 'aborted',
  latencyMs: 0,
  endpoint: undefined,
  unsent: true,
  unavailable: false,
  code: undefined,
  retryAfterMs: undefined,
})

/** The call found no endpoint to try. */
export const NO_ENDPOINT: Outcome = Object.freeze({
  ...IGNORED,
  verdict: 'failure',
  kind: undefined,
  code: 'MESH_NO_ENDPOINT',
  unavailable: true,
})

/** The service has endpoints, and the call may go to none of them: that says nothing about the service. */
export const NOBODY_CHOSEN: Outcome = Object.freeze({ ...IGNORED, kind: undefined, code: 'MESH_NO_ENDPOINT' })

/** The call ran out of time before its first try. */
export const TIMED_OUT: Outcome = Object.freeze({
  ...IGNORED,
  verdict: 'failure',
  kind: 'timeout',
  code: 'MESH_DEADLINE',
  unavailable: true,
})

/** A try whose own time is over, and that may answer all the same. */
export const OVERDUE: Outcome = Object.freeze({ ...IGNORED, verdict: 'failure', kind: 'timeout', unsent: false, code: 'MESH_DEADLINE' })

import type { Call } from './call.ts'
import type { Described } from './described.ts'
import type { MeshErrorCode } from './errors.ts'
import type { Outcome } from './outcome.ts'
import type { ResponseFlags } from './response-flags.ts'

/**
 * Anything that may hold a call back: breaker, limiter, bulkhead, authenticator, authorizer, shedder, fault.
 * It answers at once, and a refusal is a value: throwing is a defect of the gate, after which an outbound call
 * goes on without it. One that describes itself is understood in `mesh.explain`.
 */
export interface Gate extends Described {
  admit(call: Call): Permit | Refusal
}

/** Leave to go on. Whoever admits a call hears, exactly once, how it ended. */
export interface Permit {
  readonly refused?: false
  /** Inbound: what the answer says besides, such as how much of a rate limit is left. Read when the call was admitted. */
  readonly answerHeaders?: AnswerHeaders | undefined
  settle(outcome: Outcome): void
}

/** A gate's no. Make it once where it does not depend on the call; it becomes an Error only at the rim. */
export interface Refusal {
  readonly refused: true
  readonly code: MeshErrorCode
  readonly status: number
  readonly reason: string
  readonly retryAfterMs?: number | undefined
  /** The resource that decided, where the gate knows it better than its own configuration does. */
  readonly from?: string | undefined
  /** Envoy's word for it, where that is another than the code's. */
  readonly flags?: ResponseFlags | undefined
  /** Inbound: further headers of the answer that says no. `Retry-After` is not among them: it is `retryAfterMs`. */
  readonly headers?: AnswerHeaders | undefined
  /** `WWW-Authenticate` of the answer: how the caller may prove himself. */
  readonly challenge?: string | undefined
}

/** Names and values of headers that a gate adds to an answer. */
export type AnswerHeaders = readonly (readonly [name: string, value: string])[]

/** The permit of a gate that remembers nothing. */
export const FREE_PERMIT: Permit = Object.freeze({ settle: () => {} })

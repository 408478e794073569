import type { Endpoint } from './endpoint.ts'
import type { MeshErrorCode } from './errors.ts'
import type { FailureKind, Outcome, Verdict } from './outcome.ts'
import type { ResponseFlag } from './response-flags.ts'

/** How one try goes: its {@link Outcome}, filled in while it lasts, so that a try and what is told of it are one object. */
export class TryOutcome implements Outcome {
  readonly endpoint: Endpoint
  readonly startedAt: number
  verdict: Verdict = 'ignored'
  status = 0
  kind: FailureKind | undefined = undefined
  /** What is known of a failure beyond its kind. */
  flag: ResponseFlag | undefined = undefined
  latencyMs = 0
  unsent = true
  unavailable = false
  code: MeshErrorCode | undefined = undefined
  retryAfterMs: number | undefined = undefined
  retried = false
  pushbackMs: number | undefined = undefined
  rateLimited = false
  /** Endpoint counters and outlier detection heard of it. */
  observed = false

  constructor(endpoint: Endpoint, startedAt: number) {
    this.endpoint = endpoint
    this.startedAt = startedAt
  }
}

import type { Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { TryOutcome } from '../core/try-outcome.ts'

/** One try of a modelled call. */
export class ModelTry extends TryOutcome {
  /** Which try of its call it is, from 1. */
  readonly tryNumber: number
  /** Its own time is over, and it may answer all the same. */
  late = false
  /** Clock time at which its own time is over. */
  dueAt = 0
  /** It lost, and is waited for all the same. */
  outwaited = false
  timer: Timer | undefined = undefined

  constructor(endpoint: Endpoint, startedAt: number, tryNumber: number) {
    super(endpoint, startedAt)
    this.tryNumber = tryNumber
  }
}

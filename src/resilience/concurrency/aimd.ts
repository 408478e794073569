import type { AdaptiveConcurrencySettings } from '../../model/adaptive-concurrency.ts'
import type { LimitRule, LimitWindow } from './windowed-limit.ts'

/** Additive increase, multiplicative decrease, as Netflix' `AIMDLimit`: one more while all is well, a tenth less when it is not. */
export class Aimd implements LimitRule {
  readonly minRttMs = undefined
  private maxLatencyMs: number

  constructor({ maxLatencyMs }: AdaptiveConcurrencySettings) {
    this.maxLatencyMs = maxLatencyMs
  }

  next(limit: number, { rttMs = 0, inflight, dropped }: LimitWindow): number {
    if (dropped || rttMs > this.maxLatencyMs) return Math.floor(limit * BACKOFF)
    // Nobody asks for what there is: that more would be well too is not known.
    return inflight * 2 >= limit ? limit + 1 : limit
  }

  reconfigure({ maxLatencyMs }: AdaptiveConcurrencySettings): void {
    this.maxLatencyMs = maxLatencyMs
  }
}

const BACKOFF = 0.9

import type { LimitRule, LimitWindow } from './windowed-limit.ts'

/**
 * Netflix' `Gradient2Limit`: the latency of this window against that of the last ten minutes. It never has to measure, and so never
 * refuses for that; in an overload that lasts it comes to believe that slow is how the service is.
 */
export class Gradient2 implements LimitRule {
  private longMs = 0
  private windows = 0

  get minRttMs(): number | undefined {
    return this.windows === 0 ? undefined : this.longMs
  }

  next(limit: number, { rttMs, inflight }: LimitWindow): number {
    if (rttMs === undefined) return limit * (1 - SMOOTHING / 2)
    this.remember(rttMs)
    const long = this.longMs
    // Back to normal after a long time of overload: what was believed of it need not wear off by itself.
    if (long / rttMs > 2) this.longMs *= 0.95
    if (inflight < limit / 2) return limit
    const gradient = Math.max(0.5, Math.min(1, (TOLERANCE * long) / rttMs))
    return limit * (1 - SMOOTHING) + (limit * gradient + QUEUE) * SMOOTHING
  }

  reconfigure(): void {}

  /** The mean of the first ten, and from then on one that moves. */
  private remember(rttMs: number): void {
    this.windows++
    const share = this.windows <= WARM_UP ? 1 / this.windows : 2 / (LONG_WINDOWS + 1)
    this.longMs += (rttMs - this.longMs) * share
  }
}

const LONG_WINDOWS = 600
const WARM_UP = 10
const TOLERANCE = 1.5
const SMOOTHING = 0.2
const QUEUE = 4

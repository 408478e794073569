import type { Random } from '../../core/random.ts'
import type { LimitRule, LimitWindow } from './windowed-limit.ts'

/**
 * TCP Vegas, as Netflix' `VegasLimit`: what of the limit is more than the least latency explains must be queueing at the service, and a
 * short queue is what it wants. The least latency is forgotten now and then, since it may have been that of another time.
 */
export class Vegas implements LimitRule {
  minRttMs: number | undefined = undefined
  private readonly random: Random
  private updates = 0
  private jitter: number

  constructor(random: Random) {
    this.random = random
    this.jitter = this.draw()
  }

  next(limit: number, { rttMs, inflight, dropped }: LimitWindow): number {
    const step = Math.max(1, Math.floor(Math.log10(limit)))
    if (rttMs === undefined) return limit - step
    if (this.updates++ >= this.jitter * PROBE_MULTIPLIER * limit) {
      this.updates = 0
      this.jitter = this.draw()
      this.minRttMs = rttMs
      return limit
    }
    if (this.minRttMs === undefined || rttMs < this.minRttMs) {
      this.minRttMs = rttMs
      return limit
    }
    if (dropped) return limit - step
    if (inflight * 2 < limit) return limit
    const queue = Math.ceil(limit * (1 - this.minRttMs / rttMs))
    if (queue <= step) return limit + BETA * step
    if (queue < ALPHA * step) return limit + step
    return queue > BETA * step ? limit - step : limit
  }

  reconfigure(): void {}

  private draw(): number {
    return 0.5 + this.random() / 2
  }
}

const ALPHA = 3
const BETA = 6
const PROBE_MULTIPLIER = 30

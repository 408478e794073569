import { LatencyHistogram } from '../core/endpoint-record.ts'
import { SlidingWindow } from '../core/window.ts'

/**
 * How long first tries took to the head of their answer, over the last 30 s. One that lost to its hedge counts with the time that it was
 * waited for: without those the slow ones would vanish from the record, and every hedge would make the next come sooner.
 */
export class TryTimes {
  private histogram: LatencyHistogram | undefined = undefined
  private count: SlidingWindow | undefined = undefined

  add(latencyMs: number, now: number): void {
    this.histogram ??= new LatencyHistogram(WINDOW_MS)
    this.count ??= new SlidingWindow(WINDOW_MS, 1)
    this.histogram.add(latencyMs, now)
    this.count.add(0, now)
  }

  /** Upper bound in milliseconds, at most a fifth too high, of what `percent` of them took; undefined while there are too few to say. */
  percentile(percent: number, now: number): number | undefined {
    const total = this.count?.sum(0, now) ?? 0
    if (total < Math.max(MIN_SAMPLES, Math.round(100 / (100 - percent)))) return undefined
    return this.histogram?.quantile(percent, total, now)
  }
}

const WINDOW_MS = 30_000
const MIN_SAMPLES = 20

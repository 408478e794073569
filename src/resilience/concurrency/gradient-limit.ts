import type { Random } from '../../core/random.ts'
import type { AdaptiveConcurrencySettings } from '../../model/adaptive-concurrency.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { type Bounds, boundsOf, type LimitAlgorithm, within } from './limit-algorithm.ts'

/**
 * Envoy's gradient controller: the limit follows the ratio between the latency without a queue and the median of late. The former is
 * measured by letting only `minLimit` calls go until enough of them are answered; whatever else is asked for meanwhile is refused, which
 * is the price of this algorithm and the reason why the others exist.
 */
export class GradientLimit implements LimitAlgorithm {
  limit: number
  minRttMs: number | undefined = undefined
  epoch = 0
  private settings: AdaptiveConcurrencySettings
  private bounds: Bounds
  private readonly random: Random
  private readonly latencies = new LatencyHistogram()
  /** The limit that comes back after a measurement; undefined when none is going on. */
  private deferred: number | undefined
  private updateAt = 0
  private measureAt = 0
  /** Updates in a row that found the limit at its minimum and left it there. */
  private atMinimum = 0

  /** @param limit where it begins once it has measured; default the least, as Envoy */
  constructor(settings: AdaptiveConcurrencySettings, random: Random, limit?: number) {
    this.settings = settings
    this.bounds = boundsOf(settings)
    this.random = random
    this.deferred = within(this.bounds, limit ?? this.bounds.min)
    this.limit = this.bounds.min
  }

  get measuring(): boolean {
    return this.deferred !== undefined
  }

  tick(now: number): void {
    if (this.deferred !== undefined) return
    if (now >= this.measureAt) this.measure()
    else if (now >= this.updateAt) this.update(now)
  }

  answered(latencyMs: number, now: number): void {
    this.tick(now)
    this.latencies.add(latencyMs)
    if (this.deferred !== undefined && this.latencies.count >= this.settings.minRttRequests) this.measured(now, this.deferred)
  }

  /** Who ran out of time would have taken longer still. */
  dropped(latencyMs: number | undefined, now: number): void {
    if (latencyMs !== undefined) this.answered(latencyMs, now)
  }

  reconfigure(settings: AdaptiveConcurrencySettings, now: number): void {
    this.settings = settings
    this.bounds = boundsOf(settings)
    const limit = within(this.bounds, this.deferred ?? this.limit)
    if (this.deferred === undefined) {
      this.limit = limit
      this.measureAt = Math.min(this.measureAt, now + this.untilMeasured())
    } else {
      this.deferred = limit
      this.limit = this.bounds.min
    }
  }

  private update(now: number): void {
    this.updateAt = now + (this.settings.updateIntervalMs ?? UPDATE_INTERVAL_MS)
    const { latencies, bounds, limit } = this
    if (latencies.count === 0 || this.minRttMs === undefined) return
    this.limit = gradientLimit(limit, this.minRttMs, latencies.median, this.settings.minRttBufferPercent, bounds)
    latencies.clear()
    this.atMinimum = limit === bounds.min && this.limit === bounds.min ? this.atMinimum + 1 : 0
    // Stuck there, the latency that it is held against may have been a mistake; and where the limit is, it costs least to measure.
    if (this.atMinimum >= STUCK_AFTER) this.measureAt = now
  }

  private measure(): void {
    this.deferred = this.limit
    this.limit = this.bounds.min
    this.atMinimum = 0
    this.latencies.clear()
    this.epoch++
  }

  private measured(now: number, limit: number): void {
    this.minRttMs = this.latencies.median
    this.latencies.clear()
    this.limit = limit
    this.deferred = undefined
    this.updateAt = now + (this.settings.updateIntervalMs ?? UPDATE_INTERVAL_MS)
    this.measureAt = now + this.untilMeasured()
  }

  private untilMeasured(): number {
    const { minRttIntervalMs, minRttJitterPercent } = this.settings
    return minRttIntervalMs * (1 + (this.random() * minRttJitterPercent) / 100)
  }
}

/** The next limit: what fits into the latency that is allowed, and its square root for bursts (Envoy `gradient_controller.cc`). */
export function gradientLimit(limit: number, minRttMs: number, sampleRttMs: number, bufferPercent: number, bounds: Bounds): number {
  const gradient = Math.max(0.5, Math.min(2, (minRttMs * (1 + bufferPercent / 100)) / sampleRttMs))
  const next = limit * gradient
  return within(bounds, Math.floor(next + Math.sqrt(next)))
}

const UPDATE_INTERVAL_MS = 100
const STUCK_AFTER = 5

import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import { BucketTable, successRateThreshold, takeOut } from './outlier-buckets.ts'
import type { OutlierListener } from './outlier-detection.ts'

/** Fields of gRFC A50's `OutlierDetectionLoadBalancingConfig`. Milliseconds and percent. */
export interface GrpcOutlierSettings {
  readonly intervalMs: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectionPercent: number
  /** Undefined: no such algorithm. `stdevFactor` in thousandths. */
  readonly successRate?: Partial<GrpcAlgorithm & { readonly stdevFactor: number }> | undefined
  readonly failurePercentage?: Partial<GrpcAlgorithm & { readonly threshold: number }> | undefined
}

/** What both of gRPC's algorithms have. */
export interface GrpcAlgorithm {
  /** Default 100. */
  readonly enforcementPercentage: number
  /** Endpoints with `requestVolume` answers that there must be. Default 5. */
  readonly minimumHosts: number
  /** Default 100 for the success rate, 50 for the failure percentage. */
  readonly requestVolume: number
}

/**
 * Outlier detection as gRPC does it (gRFC A50), for those who move from there and want the same verdicts: by priority, at least one may
 * always be ejected, a failure percentage must be exceeded, and no run of failures counts. Call `sweep` every `intervalMs`.
 */
export class GrpcOutliers {
  /** Endpoints found to be outliers, ejected or not. */
  detected = 0
  private readonly settings: GrpcOutlierSettings
  private readonly group: EndpointGroup
  private readonly listener: OutlierListener
  private readonly random: Random
  private readonly table = new BucketTable()

  constructor(settings: Partial<GrpcOutlierSettings>, group: EndpointGroup, listener: OutlierListener, random: Random) {
    this.settings = { intervalMs: 10_000, baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 10, ...settings }
    this.group = group
    this.listener = listener
    this.random = random
  }

  /** How a try ended. */
  observe(endpoint: Endpoint, { verdict }: Outcome): void {
    if (verdict === 'ignored') return
    const buckets = this.table.of(endpoint)
    buckets.total++
    if (verdict === 'success') buckets.success++
  }

  /** The end of an interval. */
  sweep(now: number): void {
    const { all } = this.group
    for (const endpoint of all) this.table.of(endpoint).swap()
    for (const priority of new Set(all.map(({ spec }) => spec.priority))) {
      const level = all.filter(({ spec }) => spec.priority === priority)
      this.bySuccessRate(level, now)
      this.byFailurePercentage(level, now)
    }
    for (const endpoint of all) this.grow(endpoint, now)
  }

  private bySuccessRate(level: readonly Endpoint[], now: number): void {
    const { successRate } = this.settings
    if (successRate === undefined) return
    const { stdevFactor = 1_900, enforcementPercentage = 100, minimumHosts = 5, requestVolume = 100 } = successRate
    const rated = level.filter((endpoint) => this.table.of(endpoint).formerTotal >= Math.max(1, requestVolume))
    if (rated.length < Math.max(1, minimumHosts)) return
    const rates = rated.map((endpoint) => this.table.of(endpoint).rate)
    const threshold = successRateThreshold(rates, stdevFactor)
    for (const [index, endpoint] of rated.entries()) {
      if (this.isFull(level)) return
      const rate = rates[index] as number
      if (rate < threshold) this.found(endpoint, `success rate ${rate} below ${threshold.toFixed(2)}`, enforcementPercentage, now)
    }
  }

  private byFailurePercentage(level: readonly Endpoint[], now: number): void {
    const { failurePercentage } = this.settings
    if (failurePercentage === undefined) return
    const { threshold = 85, enforcementPercentage = 100, minimumHosts = 5, requestVolume = 50 } = failurePercentage
    const counted = level.filter((endpoint) => this.table.of(endpoint).formerTotal >= Math.max(1, requestVolume))
    if (counted.length < minimumHosts) return
    for (const endpoint of counted) {
      if (this.isFull(level)) return
      const failed = 100 - this.table.of(endpoint).rate
      if (failed > threshold && !endpoint.ejected) this.found(endpoint, `${failed} % of its answers failed`, enforcementPercentage, now)
    }
  }

  private isFull(level: readonly Endpoint[]): boolean {
    return level.filter(({ ejected }) => ejected).length * 100 >= this.settings.maxEjectionPercent * level.length
  }

  private found(endpoint: Endpoint, reason: string, enforcing: number, now: number): void {
    this.detected++
    if (endpoint.ejected || Math.floor(this.random() * 100) >= enforcing) return
    const buckets = this.table.of(endpoint)
    buckets.multiplier++
    const { baseEjectionMs, maxEjectionMs } = this.settings
    const forMs = Math.min(baseEjectionMs * buckets.multiplier, Math.max(baseEjectionMs, maxEjectionMs))
    takeOut(this.group, endpoint, reason, now, now + forMs)
    this.listener.ejected(endpoint, { reason, forMs, failures: buckets.formerTotal - buckets.formerSuccess })
  }

  /** Whoever is in use loses a step of the growth; whose time is over comes back, with his full share. */
  private grow(endpoint: Endpoint, now: number): void {
    const buckets = this.table.of(endpoint)
    if (!endpoint.ejected) buckets.multiplier = Math.max(0, buckets.multiplier - 1)
    else if (now >= endpoint.ejectedUntil) {
      this.group.setEjected(endpoint, false)
      this.listener.restored(endpoint, { afterMs: now - endpoint.ejectedAt })
    }
  }
}

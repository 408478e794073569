import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import { BucketTable, type OutlierBuckets, successRateThreshold, takeOut } from './outlier-buckets.ts'
import type { OutlierListener } from './outlier-detection.ts'

/** Fields of Envoy's `outlier_detection.proto` (v3), with its defaults. Milliseconds and percent. */
export interface EnvoyOutlierSettings {
  readonly consecutive5xx: number
  readonly consecutiveGatewayFailure: number
  readonly intervalMs: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectionJitterMs: number
  readonly maxEjectionPercent: number
  readonly alwaysEjectOneHost: boolean
  readonly enforcingConsecutive5xx: number
  readonly enforcingConsecutiveGatewayFailure: number
  readonly enforcingSuccessRate: number
  readonly successRateMinimumHosts: number
  readonly successRateRequestVolume: number
  /** Thousandths. */
  readonly successRateStdevFactor: number
  readonly enforcingFailurePercentage: number
  readonly failurePercentageThreshold: number
  readonly failurePercentageMinimumHosts: number
  readonly failurePercentageRequestVolume: number
}

/** What Envoy does where nobody says otherwise. At 10 percent nobody is ejected from fewer than ten endpoints. */
export const ENVOY_OUTLIER_DEFAULTS: EnvoyOutlierSettings = Object.freeze({
  consecutive5xx: 5,
  consecutiveGatewayFailure: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionJitterMs: 0,
  maxEjectionPercent: 10,
  alwaysEjectOneHost: false,
  enforcingConsecutive5xx: 100,
  enforcingConsecutiveGatewayFailure: 0,
  enforcingSuccessRate: 100,
  successRateMinimumHosts: 5,
  successRateRequestVolume: 100,
  successRateStdevFactor: 1_900,
  enforcingFailurePercentage: 0,
  failurePercentageThreshold: 85,
  failurePercentageMinimumHosts: 5,
  failurePercentageRequestVolume: 50,
})

/**
 * Outlier detection as Envoy does it, to the letter of `outlier_detection_impl.cc`, without the split of local from external errors: for
 * those who move from there and want the same verdicts. Ours is {@link OutlierDetector}, which is right for few endpoints as well.
 *
 * Call `sweep` every `intervalMs`. Ejected endpoints come back at a sweep, with their full share and without a probe.
 */
export class EnvoyOutliers {
  /** Endpoints found to be outliers, ejected or not; and those that only `maxEjectionPercent` kept in use. */
  detected = 0
  overflows = 0
  private readonly settings: EnvoyOutlierSettings
  private readonly group: EndpointGroup
  private readonly listener: OutlierListener
  private readonly random: Random
  private readonly table = new BucketTable()

  /** @throws RangeError when the longest ejection is shorter than the first */
  constructor(settings: Partial<EnvoyOutlierSettings>, group: EndpointGroup, listener: OutlierListener, random: Random) {
    const base = settings.baseEjectionMs ?? ENVOY_OUTLIER_DEFAULTS.baseEjectionMs
    const maxEjectionMs = settings.maxEjectionMs ?? Math.max(ENVOY_OUTLIER_DEFAULTS.maxEjectionMs, base)
    if (maxEjectionMs < base) throw new RangeError(`maxEjectionMs: expected at least baseEjectionMs (${base}), got ${maxEjectionMs}`)
    this.settings = { ...ENVOY_OUTLIER_DEFAULTS, ...settings, maxEjectionMs }
    this.group = group
    this.listener = listener
    this.random = random
  }

  /** How a try ended. */
  observe(endpoint: Endpoint, outcome: Outcome, now: number): void {
    if (outcome.verdict === 'ignored') return
    const buckets = this.table.of(endpoint)
    const status = statusOf(outcome)
    buckets.total++
    if (status < 500) {
      buckets.success++
      buckets.consecutive5xx = 0
      buckets.consecutiveGateway = 0
      return
    }
    const { consecutive5xx, consecutiveGatewayFailure, enforcingConsecutive5xx, enforcingConsecutiveGatewayFailure } = this.settings
    if (status < 502 || status > 504) buckets.consecutiveGateway = 0
    else if (++buckets.consecutiveGateway === consecutiveGatewayFailure && !endpoint.ejected) {
      this.found(endpoint, `${consecutiveGatewayFailure} gateway failures in a row`, enforcingConsecutiveGatewayFailure, now)
      buckets.consecutiveGateway = 0
    }
    if (++buckets.consecutive5xx === consecutive5xx && !endpoint.ejected) {
      this.found(endpoint, `${consecutive5xx} failures in a row`, enforcingConsecutive5xx, now)
      buckets.consecutive5xx = 0
    }
  }

  /** The end of an interval. */
  sweep(now: number): void {
    const { all } = this.group
    const { settings } = this
    for (const endpoint of all) {
      if (endpoint.ejected && now >= endpoint.ejectedUntil) this.restore(endpoint, now)
      this.table.of(endpoint).swap()
    }
    const inUse = all.filter(({ ejected }) => !ejected)
    const rated = inUse.filter((endpoint) => this.table.of(endpoint).formerTotal >= Math.max(1, settings.successRateRequestVolume))
    const counted = inUse.filter((endpoint) => this.table.of(endpoint).formerTotal >= Math.max(1, settings.failurePercentageRequestVolume))
    if (rated.length > 0 && rated.length >= settings.successRateMinimumHosts) {
      const rates = rated.map((endpoint) => this.table.of(endpoint).rate)
      const threshold = successRateThreshold(rates, settings.successRateStdevFactor)
      for (const [index, endpoint] of rated.entries()) {
        const rate = rates[index] as number
        if (rate < threshold) this.found(endpoint, `success rate ${rate} below ${threshold.toFixed(2)}`, settings.enforcingSuccessRate, now)
      }
    }
    if (counted.length >= settings.failurePercentageMinimumHosts) {
      for (const endpoint of counted) {
        const failed = 100 - this.table.of(endpoint).rate
        if (failed >= settings.failurePercentageThreshold && !endpoint.ejected)
          this.found(endpoint, `${failed} % of its answers failed`, settings.enforcingFailurePercentage, now)
      }
    }
    for (const endpoint of all) {
      const buckets = this.table.of(endpoint)
      if (!endpoint.ejected && now - buckets.restoredAt >= settings.intervalMs) buckets.multiplier = Math.max(0, buckets.multiplier - 1)
    }
  }

  private found(endpoint: Endpoint, reason: string, enforcing: number, now: number): void {
    this.detected++
    const { maxEjectionPercent, alwaysEjectOneHost } = this.settings
    const { all, ejected } = this.group
    const allowed = (alwaysEjectOneHost && ejected === 0) || 100 * (ejected + 1) <= maxEjectionPercent * all.length
    if (!allowed) this.overflows++
    else if (Math.floor(this.random() * 100) < enforcing) this.eject(endpoint, this.table.of(endpoint), reason, now)
  }

  private eject(endpoint: Endpoint, buckets: OutlierBuckets, reason: string, now: number): void {
    const { baseEjectionMs, maxEjectionMs, maxEjectionJitterMs } = this.settings
    if (buckets.multiplier * baseEjectionMs < maxEjectionMs + baseEjectionMs) buckets.multiplier++
    const jitterMs = Math.floor(this.random() * (maxEjectionJitterMs + 1))
    const forMs = Math.min(baseEjectionMs * buckets.multiplier, maxEjectionMs) + jitterMs
    takeOut(this.group, endpoint, reason, now, now + forMs)
    this.listener.ejected(endpoint, { reason, forMs, failures: buckets.consecutive5xx })
  }

  private restore(endpoint: Endpoint, now: number): void {
    const buckets = this.table.of(endpoint)
    buckets.consecutive5xx = 0
    buckets.consecutiveGateway = 0
    buckets.restoredAt = now
    this.group.setEjected(endpoint, false)
    this.listener.restored(endpoint, { afterMs: now - endpoint.ejectedAt })
  }
}

/** The status that Envoy counts a broken try as. */
function statusOf({ status, kind }: Outcome): number {
  if (status > 0) return status
  return kind === 'timeout' ? 504 : kind === 'connect' || kind === 'tls' ? 503 : 500
}

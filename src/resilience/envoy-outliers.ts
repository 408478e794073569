import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import { DEFAULT_ENVOY_OUTLIERS, type EnvoyOutlierSettings, type OutlierDetectionSettings } from '../model/outlier-detection.ts'
import type { OutlierListener } from './ejections.ts'
import { type Origin, type OutlierBuckets, percentText, successRateThreshold } from './outlier-buckets.ts'
import { SweptOutliers } from './swept-outliers.ts'

/**
 * Outlier detection as Envoy does it, to the letter of `outlier_detection_impl.cc` and of what its router tells that: for those who move from
 * there and want the same verdicts. Ours is {@link InmeshOutliers}, which is right for few endpoints as well.
 *
 * Ejected endpoints come back at a sweep, with their full share and, unless `probe` asks for one, without a probe.
 */
export class EnvoyOutliers extends SweptOutliers<EnvoyOutlierSettings> {
  /** Outliers that only `maxEjectedPercent` kept in use. */
  overflows = 0

  constructor(settings: Partial<EnvoyOutlierSettings>, group: EndpointGroup, listener: OutlierListener, random: Random) {
    super({ ...DEFAULT_ENVOY_OUTLIERS, ...settings }, group, listener, random)
  }

  get most(): number {
    const { maxEjectedPercent, alwaysEjectOneHost } = this.settings
    return Math.max(alwaysEjectOneHost ? 1 : 0, Math.floor((maxEjectedPercent * this.group.all.length) / 100))
  }

  get rule(): string {
    const { consecutive5xx, enforcingConsecutive5xxPercent, successRate, failurePercentage } = this.settings
    const rules: string[] = []
    if (consecutive5xx > 0 && enforcingConsecutive5xxPercent > 0) rules.push(`${consecutive5xx} answers from 500 on in a row`)
    if (successRate.enforcingPercent > 0) rules.push('a success rate far below the mean')
    if (failurePercentage.enforcingPercent > 0) rules.push(`${failurePercentage.thresholdPercent} % failing`)
    return this.ejectsBy(rules)
  }

  reconfigure(settings: OutlierDetectionSettings): boolean {
    if (settings.algorithm !== 'envoy') return false
    this.take(settings)
    return true
  }

  observe(endpoint: Endpoint, { verdict, status, kind, unsent }: Outcome, now: number): void {
    this.restoreDue(now)
    if (verdict === 'ignored') return
    const { splitExternalLocalOriginErrors: split } = this.settings
    const buckets = this.table.of(endpoint)
    // A connection that came about is a success of local origin, whatever becomes of the request.
    if (split && !unsent) {
      buckets.local.add(true)
      buckets.consecutiveLocal = 0
    }
    // The head is judged when it comes, and what breaks after it once more.
    if (status > 0) this.answered(endpoint, buckets, status, now)
    if (kind === undefined) return
    if (split) this.failedLocally(endpoint, buckets, now)
    else this.answered(endpoint, buckets, kind === 'timeout' ? 504 : 503, now)
  }

  override checkPassed(endpoint: Endpoint, now: number): void {
    if (!this.settings.successfulActiveHealthCheckUnejectHost) return
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    this.letBack(endpoint, now)
  }

  protected sweep(now: number): void {
    const { all } = this.group
    const { settings, table } = this
    for (const endpoint of all) {
      if (endpoint.ejected && now >= endpoint.ejectedUntil) this.letBack(endpoint, now)
      const { answers, local } = table.of(endpoint)
      answers.swap()
      local.swap()
    }
    const { successRate, failurePercentage } = settings
    this.judge('answers', successRate.enforcingPercent, failurePercentage.enforcingPercent, now)
    if (settings.splitExternalLocalOriginErrors)
      this.judge('local', successRate.enforcingLocalOriginPercent, failurePercentage.enforcingLocalOriginPercent, now)
    for (const endpoint of all) {
      if (!endpoint.ejected && now - table.of(endpoint).restoredAt >= settings.intervalMs) this.shrink(endpoint, 1)
    }
  }

  protected nextEjectionMs(endpoint: Endpoint): number {
    const { baseEjectionMs, maxEjectionMs = LONGEST_MS, maxEjectionJitterMs } = this.settings
    const most = Math.max(baseEjectionMs, maxEjectionMs)
    if (endpoint.ejectionMultiplier * baseEjectionMs < most + baseEjectionMs) endpoint.ejectionMultiplier++
    const jitterMs = Math.floor(this.random() * (maxEjectionJitterMs + 1))
    return Math.min(baseEjectionMs * endpoint.ejectionMultiplier, most) + jitterMs
  }

  private answered(endpoint: Endpoint, buckets: OutlierBuckets, status: number, now: number): void {
    buckets.answers.add(status < 500)
    if (status < 500) {
      buckets.consecutive5xx = 0
      buckets.consecutiveGateway = 0
      return
    }
    const { settings } = this
    if (status < 502 || status > 504) buckets.consecutiveGateway = 0
    else if (++buckets.consecutiveGateway === settings.consecutiveGatewayFailure && !endpoint.ejected) {
      const reason = `${buckets.consecutiveGateway} gateway failures in a row (consecutiveGatewayFailure: ${settings.consecutiveGatewayFailure})`
      this.found(endpoint, reason, settings.enforcingConsecutiveGatewayFailurePercent, now, buckets.consecutiveGateway)
      buckets.consecutiveGateway = 0
    }
    if (++buckets.consecutive5xx === settings.consecutive5xx && !endpoint.ejected) {
      const reason = `${buckets.consecutive5xx} failures in a row (consecutive5xx: ${settings.consecutive5xx})`
      this.found(endpoint, reason, settings.enforcingConsecutive5xxPercent, now, buckets.consecutive5xx)
      buckets.consecutive5xx = 0
    }
  }

  private failedLocally(endpoint: Endpoint, buckets: OutlierBuckets, now: number): void {
    const { consecutiveLocalOriginFailure: most, enforcingConsecutiveLocalOriginFailurePercent: enforcing } = this.settings
    buckets.local.add(false)
    if (++buckets.consecutiveLocal !== most || endpoint.ejected) return
    const reason = `${most} failures of local origin in a row (consecutiveLocalOriginFailure: ${most})`
    this.found(endpoint, reason, enforcing, now, most)
    buckets.consecutiveLocal = 0
  }

  private judge(origin: Origin, rateEnforcing: number, failureEnforcing: number, now: number): void {
    const { table, settings } = this
    const { successRate, failurePercentage } = settings
    const inUse = this.group.all.filter(({ ejected }) => !ejected)
    const rated = table.withVolume(inUse, successRate.requestVolume, origin)
    const counted = table.withVolume(inUse, failurePercentage.requestVolume, origin)
    const what = origin === 'local' ? 'tries kept their connection' : 'answers succeeded'
    if (rated.length > 0 && rated.length >= successRate.minimumHosts) {
      const rates = rated.map((endpoint) => table.of(endpoint)[origin].rate)
      const threshold = successRateThreshold(rates, successRate.stdevFactor)
      for (const [index, endpoint] of rated.entries()) {
        const rate = rates[index] as number
        if (rate >= threshold) continue
        const { formerTotal, formerSuccess } = table.of(endpoint)[origin]
        const bound = `the bound is ${percentText(threshold)} (successRate.stdevFactor: ${successRate.stdevFactor})`
        const reason = `${percentText(rate)} of ${formerTotal} ${what}, ${bound}`
        this.found(endpoint, reason, rateEnforcing, now, formerTotal - formerSuccess)
      }
    }
    if (counted.length < failurePercentage.minimumHosts) return
    for (const endpoint of counted) {
      const { rate, formerTotal, formerSuccess } = table.of(endpoint)[origin]
      if (100 - rate < failurePercentage.thresholdPercent || endpoint.ejected) continue
      const bound = `(failurePercentage.thresholdPercent: ${failurePercentage.thresholdPercent})`
      const reason = `${percentText(rate)} of ${formerTotal} ${what}, ${percentText(100 - rate)} failed ${bound}`
      this.found(endpoint, reason, failureEnforcing, now, formerTotal - formerSuccess)
    }
  }

  private found(endpoint: Endpoint, reason: string, enforcing: number, now: number, failures: number): void {
    this.detected++
    this.ejections.found(endpoint, reason)
    if (this.group.ejected >= this.most) this.overflows++
    else if (this.enforced(enforcing)) this.eject(endpoint, reason, now, failures)
  }
}

/** Envoy's longest ejection where none is written and the first is no longer. */
const LONGEST_MS = 300_000

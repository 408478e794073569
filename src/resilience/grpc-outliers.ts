import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import {
  DEFAULT_GRPC_OUTLIERS,
  type GrpcOutlierSettings,
  type GrpcRuleSettings,
  type OutlierDetectionSettings,
} from '../model/outlier-detection.ts'
import type { OutlierListener } from './ejections.ts'
import { percentText, successRateThreshold } from './outlier-buckets.ts'
import { SweptOutliers } from './swept-outliers.ts'

/**
 * Outlier detection as gRPC does it (gRFC A50), for those who move from there and want the same verdicts: by priority, at least one may
 * always be ejected, a failure percentage must be exceeded, and no row of failures counts. A try that found no connection counts as one that
 * failed, where gRPC would not have chosen the endpoint.
 */
export class GrpcOutliers extends SweptOutliers<GrpcOutlierSettings> {
  constructor(settings: Partial<GrpcOutlierSettings>, group: EndpointGroup, listener: OutlierListener, random: Random) {
    super({ ...DEFAULT_GRPC_OUTLIERS, ...settings }, group, listener, random)
  }

  get most(): number {
    return Math.ceil((this.settings.maxEjectedPercent * this.group.all.length) / 100)
  }

  get rule(): string {
    const { successRate, failurePercentage } = this.settings
    const rules: string[] = []
    if (successRate !== false) rules.push('a success rate far below the mean')
    if (failurePercentage !== false) rules.push(`more than ${failurePercentage.thresholdPercent} % failing`)
    return this.ejectsBy(rules)
  }

  reconfigure(settings: OutlierDetectionSettings): boolean {
    if (settings.algorithm !== 'grpc') return false
    this.take(settings)
    return true
  }

  observe(endpoint: Endpoint, { verdict }: Outcome, now: number): void {
    this.restoreDue(now)
    if (verdict !== 'ignored') this.table.of(endpoint).answers.add(verdict === 'success')
  }

  protected sweep(now: number): void {
    const { all } = this.group
    for (const endpoint of all) this.table.of(endpoint).answers.swap()
    for (const priority of new Set(all.map(({ spec }) => spec.priority))) {
      const level = all.filter(({ spec }) => spec.priority === priority)
      this.bySuccessRate(level, now)
      this.byFailurePercentage(level, now)
    }
    for (const endpoint of all) {
      // Whoever is in use loses a step of the growth; whose time is over comes back.
      if (!endpoint.ejected) this.shrink(endpoint, 1)
      else if (now >= endpoint.ejectedUntil) this.letBack(endpoint, now)
    }
  }

  protected nextEjectionMs(endpoint: Endpoint): number {
    const { baseEjectionMs, maxEjectionMs } = this.settings
    endpoint.ejectionMultiplier++
    return Math.min(baseEjectionMs * endpoint.ejectionMultiplier, Math.max(baseEjectionMs, maxEjectionMs))
  }

  private bySuccessRate(level: readonly Endpoint[], now: number): void {
    const { successRate } = this.settings
    if (successRate === false) return
    const { stdevFactor, minimumHosts, requestVolume } = successRate
    const rated = this.table.withVolume(level, requestVolume)
    if (rated.length < Math.max(1, minimumHosts)) return
    const threshold = successRateThreshold(
      rated.map((endpoint) => this.table.of(endpoint).answers.rate),
      stdevFactor,
    )
    let out = outOf(level)
    for (const endpoint of rated) {
      if (this.isFull(out, level)) return
      const { rate, formerTotal } = this.table.of(endpoint).answers
      if (rate >= threshold) continue
      const bound = `the bound is ${percentText(threshold)} (successRate.stdevFactor: ${stdevFactor})`
      const reason = `${percentText(rate)} of ${formerTotal} answers succeeded, ${bound}`
      if (this.found(endpoint, reason, successRate, now)) out++
    }
  }

  private byFailurePercentage(level: readonly Endpoint[], now: number): void {
    const { failurePercentage } = this.settings
    if (failurePercentage === false) return
    const { thresholdPercent, minimumHosts, requestVolume } = failurePercentage
    const counted = this.table.withVolume(level, requestVolume)
    if (counted.length < minimumHosts) return
    let out = outOf(level)
    for (const endpoint of counted) {
      if (this.isFull(out, level)) return
      const { rate, formerTotal } = this.table.of(endpoint).answers
      if (100 - rate <= thresholdPercent || endpoint.ejected) continue
      const failed = `${percentText(100 - rate)} of ${formerTotal} answers failed`
      const reason = `${failed} (failurePercentage.thresholdPercent: ${thresholdPercent})`
      if (this.found(endpoint, reason, failurePercentage, now)) out++
    }
  }

  private isFull(out: number, level: readonly Endpoint[]): boolean {
    return out * 100 >= this.settings.maxEjectedPercent * level.length
  }

  /** Says whether `endpoint` is ejected for it. */
  private found(endpoint: Endpoint, reason: string, { enforcementPercent }: GrpcRuleSettings, now: number): boolean {
    this.detected++
    this.ejections.found(endpoint, reason)
    if (endpoint.ejected || !this.enforced(enforcementPercent)) return false
    const { formerTotal, formerSuccess } = this.table.of(endpoint).answers
    this.eject(endpoint, reason, now, formerTotal - formerSuccess)
    return true
  }
}

function outOf(level: readonly Endpoint[]): number {
  return level.reduce((sum, { ejected }) => (ejected ? sum + 1 : sum), 0)
}

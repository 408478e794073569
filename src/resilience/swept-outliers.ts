import { formatDuration } from '../core/duration.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import type { OutlierDetectionSettings } from '../model/outlier-detection.ts'
import { awaitsProbe, Ejections, type OutlierListener, PROBE_FAILED } from './ejections.ts'
import type { OutlierAlgorithm } from './outlier-algorithm.ts'
import { BucketTable } from './outlier-buckets.ts'

/** What every algorithm that sweeps has. */
export interface SweepSettings {
  readonly intervalMs: number
  readonly baseEjectionMs: number
  /** An ejection ends with one try instead of the full traffic. */
  readonly probe: boolean
}

/**
 * What Envoy's and gRPC's outlier detection have in common: answers are counted by intervals, and judged at the end of each; whose ejection is
 * over then comes back.
 *
 * There is no timer: an interval ends when somebody looks at the time. Those that passed unseen are made up for, as if they had ended in
 * time, so that nobody stays out longer because nobody called.
 */
export abstract class SweptOutliers<Settings extends SweepSettings> implements OutlierAlgorithm {
  /** Endpoints found to be outliers, ejected or not. */
  detected = 0
  protected settings: Settings
  protected readonly group: EndpointGroup
  protected readonly ejections: Ejections
  protected readonly random: Random
  protected readonly table = new BucketTable()
  /** The end of the running interval; undefined before anybody looked at the time. */
  private sweepAt: number | undefined = undefined

  constructor(settings: Settings, group: EndpointGroup, listener: OutlierListener, random: Random) {
    this.settings = settings
    this.group = group
    this.ejections = new Ejections(group, listener)
    this.random = random
  }

  abstract readonly most: number
  abstract readonly rule: string
  abstract reconfigure(settings: OutlierDetectionSettings, now: number): boolean
  abstract observe(endpoint: Endpoint, outcome: Outcome, now: number): void
  /** Judges the interval that ended at `now`. */
  protected abstract sweep(now: number): void
  /** Takes one step of growth, and says how long the next ejection lasts. */
  protected abstract nextEjectionMs(endpoint: Endpoint): number

  restoreDue(now: number): void {
    const { intervalMs } = this.settings
    this.sweepAt ??= now + intervalMs
    if (now < this.sweepAt) return
    const at = this.sweepAt
    this.sweep(at)
    const missed = Math.floor((now - at) / intervalMs)
    if (missed > 0) this.makeUp(at, missed)
    this.sweepAt = at + (missed + 1) * intervalMs
  }

  endpointsChanged(): void {}

  restored(endpoint: Endpoint, now: number): void {
    const buckets = this.table.of(endpoint)
    buckets.consecutive5xx = 0
    buckets.consecutiveGateway = 0
    buckets.consecutiveLocal = 0
    buckets.restoredAt = now
  }

  ejectAgain(endpoint: Endpoint, now: number): void {
    this.eject(endpoint, PROBE_FAILED, now, 1)
  }

  checkPassed(_endpoint: Endpoint, _now: number): void {}

  /** In words: what ejects, and for how long. */
  protected ejectsBy(rules: readonly string[]): string {
    if (rules.length === 0) return 'no rule ejects anybody'
    return `${rules.join(', or ')} ejects for ${formatDuration(this.settings.baseEjectionMs)} and longer, by intervals`
  }

  /** The rules that hold from now on; a running interval ends as long after its beginning as the new ones say. */
  protected take(settings: Settings): void {
    if (this.sweepAt !== undefined) this.sweepAt += settings.intervalMs - this.settings.intervalMs
    this.settings = settings
  }

  protected eject(endpoint: Endpoint, reason: string, now: number, failures: number): void {
    if (endpoint.removedAt !== undefined) return
    this.ejections.eject(endpoint, reason, now, this.nextEjectionMs(endpoint), failures)
  }

  /** Whether a draw says that a finding is enforced, which so many of a hundred are. */
  protected enforced(percent: number): boolean {
    return Math.floor(this.random() * 100) < percent
  }

  /** The ejection is over. */
  protected letBack(endpoint: Endpoint, now: number): void {
    if (!this.settings.probe) {
      this.ejections.restore(endpoint, now)
      this.restored(endpoint, now)
    } else if (!awaitsProbe(endpoint, now)) this.ejections.recover(endpoint)
  }

  protected shrink(endpoint: Endpoint, steps: number): void {
    endpoint.ejectionMultiplier = Math.max(0, endpoint.ejectionMultiplier - steps)
  }

  /** What `missed` sweeps after the one at `at` would have done, of which there was nothing to judge. */
  private makeUp(at: number, missed: number): void {
    const { intervalMs } = this.settings
    for (const endpoint of this.group.all) {
      const { answers, local } = this.table.of(endpoint)
      answers.swap()
      local.swap()
      let left = missed
      if (endpoint.ejected) {
        const until = Math.max(1, Math.ceil((endpoint.ejectedUntil - at) / intervalMs))
        if (until > missed) continue
        this.letBack(endpoint, at + until * intervalMs)
        left -= until
      }
      if (!endpoint.ejected) this.shrink(endpoint, left)
    }
  }
}

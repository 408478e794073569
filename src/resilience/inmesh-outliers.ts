import { formatDuration } from '../core/duration.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { OutlierDetectionSettings, OutlierSettings } from '../model/outlier-detection.ts'
import { awaitsProbe, Ejections, type OutlierListener, PROBE_FAILED, PROBE_LEASE_MS } from './ejections.ts'
import type { OutlierAlgorithm } from './outlier-algorithm.ts'
import { OutlierRules } from './outlier-rules.ts'

/**
 * Our own way to eject: as the answers come, without a sweep, always one of two, and back by a probe. Counting and growth follow Envoy's
 * ejection for consecutive failures.
 */
export class InmeshOutliers implements OutlierAlgorithm {
  private settings: OutlierSettings
  private rules: OutlierRules | undefined = undefined
  private readonly group: EndpointGroup
  private readonly ejections: Ejections
  private nextRestoreAt = Number.NEGATIVE_INFINITY
  private nextExchangeAt = Number.NEGATIVE_INFINITY

  constructor(settings: OutlierSettings, group: EndpointGroup, listener: OutlierListener) {
    this.settings = settings
    this.group = group
    this.ejections = new Ejections(group, listener)
  }

  get most(): number {
    const { all, spare = 0 } = this.group
    const { maxEjectedPercent } = this.settings
    // Who is stood in for leaves his load to nobody who has one already.
    const length = all.length + spare
    return maxEjectedPercent === 0 || length < 2 ? 0 : Math.max(1, Math.floor((length * maxEjectedPercent) / 100))
  }

  get rule(): string {
    const { consecutiveFailures, failurePercent, latency, minRequests, ejectForMs } = this.settings
    const rules = [`${consecutiveFailures} failures in a row`]
    if (failurePercent !== false) rules.push(`${failurePercent} % of at least ${minRequests} failing`)
    if (latency !== false) rules.push(`slower than ${formatDuration(latency.boundMs)}`)
    return `${rules.join(', or ')} ejects for ${formatDuration(ejectForMs)} and longer`
  }

  reconfigure(settings: OutlierDetectionSettings, now: number): boolean {
    if (settings.algorithm === 'envoy' || settings.algorithm === 'grpc') return false
    this.settings = settings
    this.rules?.reconfigure(settings, this.group.all, now)
    return true
  }

  endpointsChanged(): void {
    this.nextRestoreAt = Number.NEGATIVE_INFINITY
  }

  observe(endpoint: Endpoint, outcome: Outcome, now: number, startedAt: number, timed: boolean): void {
    if (endpoint.ejected) return
    // What began before the last ejection says nothing about the time since, except that a row of failures is over.
    if (endpoint.ejections > 0 && startedAt < endpoint.ejectedAt) {
      if (outcome.verdict === 'success') endpoint.consecutiveFailures = 0
      return
    }
    this.rules ??= new OutlierRules(this.settings)
    const { all, ejected, spare = 0 } = this.group
    // A few are replaced to find out whether it is all of them or ourselves, and no more: it may be ourselves.
    const replaceable = spare > 0 && ejected * 4 < all.length
    const reason = this.rules.judge(endpoint, outcome, now, timed, all.length, replaceable)
    if (reason === undefined) return
    this.ejections.found(endpoint, reason)
    if (this.mayEject() || this.makeRoom(outcome, now)) this.eject(endpoint, reason, now)
  }

  restoreDue(now: number): void {
    if (now < this.nextRestoreAt) return
    this.nextRestoreAt = Number.POSITIVE_INFINITY
    for (const endpoint of this.group.all) {
      if (!endpoint.ejected) continue
      if (endpoint.ejectedUntil > now) this.lookAgainAt(endpoint.ejectedUntil)
      else {
        if (!awaitsProbe(endpoint, now)) this.ejections.recover(endpoint)
        this.lookAgainAt(now + PROBE_LEASE_MS)
      }
    }
  }

  restored(): void {}

  ejectAgain(endpoint: Endpoint, now: number): void {
    this.eject(endpoint, PROBE_FAILED, now)
  }

  /** It need not sit out the rest of its ejection to be probed. */
  checkPassed(endpoint: Endpoint, now: number): void {
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    this.ejections.recover(endpoint)
    this.lookAgainAt(now + PROBE_LEASE_MS)
  }

  private lookAgainAt(time: number): void {
    this.nextRestoreAt = Math.min(this.nextRestoreAt, time)
  }

  private mayEject(): boolean {
    return this.group.ejected < this.most
  }

  /**
   * As many are out as may be, and one more fails: the one that is out longest comes back for it, since what it did then says
   * less than what the other does now. Else one that was killed and restarted would shield whatever breaks after it, and
   * every second call would need a re-send. A refused connect costs the call nothing, so it is no reason.
   */
  private makeRoom({ unsent, verdict }: Outcome, now: number): boolean {
    if (unsent || verdict !== 'failure' || this.group.ejected === 0 || now < this.nextExchangeAt) return false
    this.nextExchangeAt = now + EXCHANGE_EVERY_MS
    let longest: Endpoint | undefined
    for (const endpoint of this.group.all) {
      if (endpoint.ejected && endpoint.ejectedAt < (longest?.ejectedAt ?? Number.POSITIVE_INFINITY)) longest = endpoint
    }
    if (longest === undefined || now - longest.ejectedAt < EXCHANGE_EVERY_MS) return false
    this.ejections.restore(longest, now)
    return true
  }

  private eject(endpoint: Endpoint, reason: string, now: number): void {
    if (endpoint.removedAt !== undefined) return
    const { ejectForMs, maxEjectForMs, intervalMs } = this.settings
    // Each interval of good behaviour since the last ejection takes one step of the growth back; waiting for a probe is none.
    const calm = endpoint.ejections === 0 || endpoint.recovering ? 0 : Math.floor((now - endpoint.ejectedUntil) / intervalMs)
    endpoint.ejectionMultiplier = Math.max(0, endpoint.ejectionMultiplier - calm) + 1
    const forMs = Math.min(ejectForMs * endpoint.ejectionMultiplier, maxEjectForMs)
    // Growth beyond the longest ejection would only have to be shrunk again.
    endpoint.ejectionMultiplier = Math.min(endpoint.ejectionMultiplier, Math.ceil(maxEjectForMs / Math.max(1, ejectForMs)))
    this.rules?.forget(endpoint, now)
    this.lookAgainAt(now + forMs)
    this.ejections.eject(endpoint, reason, now, forMs, endpoint.consecutiveFailures)
  }
}

/** Two that fail for good take turns no faster, and the walk over all endpoints stays rare. */
const EXCHANGE_EVERY_MS = 1_000

import type { Described, Description } from '../core/described.ts'
import { formatDuration } from '../core/duration.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { OutlierSettings } from '../model/resources.ts'
import { OutlierRules } from './outlier-rules.ts'

/** Hears of endpoints that go and come back. */
export interface OutlierListener {
  ejected(endpoint: Endpoint, detail: { reason: string; forMs: number; failures: number }): void
  restored(endpoint: Endpoint, detail: { afterMs: number }): void
}

/** Who knows when this process itself was too busy to read what came: a {@link TimerWheel}. */
export interface Stalls {
  readonly stalledUntil: number
}

/**
 * Takes endpoints that fail, or are far slower than the others, out of the balancer for a while, longer each time. Every try tells
 * it how it ended; time is looked at when somebody asks for an endpoint, so there is no timer.
 *
 * An endpoint whose time is over gets one try, the probe: a success makes it whole, a failure ejects it again. Envoy lets the full
 * traffic in, and finds out by five more failures.
 *
 * Follows Envoy's consecutive-failure ejection in counting and growth; unlike Envoy it always may eject one of two.
 */
export class OutlierDetector implements Described {
  readonly name = 'outlier-detection'
  readonly section = 'outlierDetection'
  private settings: OutlierSettings | false
  private rules: OutlierRules | undefined = undefined
  private readonly group: EndpointGroup
  private readonly listener: OutlierListener
  private readonly stalls: Stalls
  private nextRestoreAt = Number.POSITIVE_INFINITY
  private nextExchangeAt = Number.NEGATIVE_INFINITY

  /** @param stalls silence that overlaps the last stall is held against nobody; without it there are none */
  constructor(settings: OutlierSettings | false, group: EndpointGroup, listener: OutlierListener, stalls: Stalls = NO_STALLS) {
    this.settings = settings
    this.group = group
    this.listener = listener
    this.stalls = stalls
  }

  describe(): Description {
    const { settings, group } = this
    if (settings === false) return { state: 'off', because: 'nobody is ejected' }
    const { consecutiveFailures, failurePercent, latencyMs, minRequests, ejectForMs } = settings
    const rules = [`${consecutiveFailures} failures in a row`]
    if (failurePercent !== false) rules.push(`${failurePercent} % of at least ${minRequests} failing`)
    if (latencyMs !== false) rules.push(`slower than ${formatDuration(latencyMs)}`)
    const state = `${group.ejected} of ${group.all.length} ejected, at most ${this.most(settings)}`
    return { state, because: `${rules.join(', or ')} ejects for ${formatDuration(ejectForMs)} and longer` }
  }

  /** Applies to the living state: nobody comes back because somebody pushed, unless detection is switched off. */
  reconfigure(settings: OutlierSettings | false, now: number): void {
    this.settings = settings
    if (settings !== false) {
      this.rules?.reconfigure(settings, this.group.all, now)
      return
    }
    this.rules = undefined
    for (const endpoint of this.group.all) if (endpoint.ejected) this.restore(endpoint, now)
    this.nextRestoreAt = Number.POSITIVE_INFINITY
  }

  /** Endpoints came or went: one that returns may have an ejection to end. */
  endpointsChanged(): void {
    this.nextRestoreAt = Number.NEGATIVE_INFINITY
  }

  /** @param startedAt clock time at which the try began */
  observe(endpoint: Endpoint, outcome: Outcome, now: number, startedAt = now - outcome.latencyMs): void {
    const { settings } = this
    const { verdict } = outcome
    if (settings === false) {
      if (verdict === 'success') endpoint.consecutiveFailures = 0
      return
    }
    // Silence that fell into a stall of our own proves nothing; an answer that came says what it says.
    const timed = startedAt >= this.stalls.stalledUntil
    const blamed = timed || outcome.status > 0
    if (endpoint.ejected) {
      if (endpoint.recovering) this.settleProbe(endpoint, blamed ? verdict : 'ignored', now, startedAt)
      return
    }
    if (verdict === 'success') endpoint.consecutiveFailures = 0
    // What began before the last ejection says nothing about the time since.
    if (!blamed || (endpoint.ejections > 0 && startedAt < endpoint.ejectedAt)) return
    this.rules ??= new OutlierRules(settings, now)
    const reason = this.rules.judge(endpoint, outcome, now, timed, this.group.all.length)
    if (verdict === 'failure' && ++endpoint.consecutiveFailures >= settings.consecutiveFailures) {
      this.ejectIfAllowed(endpoint, `${endpoint.consecutiveFailures} failures in a row`, settings, outcome, now)
    } else if (reason !== undefined) {
      this.ejectIfAllowed(endpoint, reason, settings, outcome, now)
    }
  }

  /** The head of an answer came, and is no failure: what a probe waits for, however long the body goes on. */
  answered(endpoint: Endpoint, startedAt: number, now: number): void {
    if (endpoint.recovering) this.settleProbe(endpoint, 'success', now, startedAt)
  }

  /** An active check that began at `startedAt` found `endpoint` in order: it need not sit out the rest of its ejection to be probed. */
  checkPassed(endpoint: Endpoint, startedAt: number, now: number): void {
    if (!endpoint.ejected || endpoint.recovering || startedAt < endpoint.ejectedAt) return
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    this.recover(endpoint, now)
  }

  /** Lets those be probed whose time is over; one comparison when nobody's is. */
  restoreDue(now: number): void {
    if (now < this.nextRestoreAt) return
    this.nextRestoreAt = Number.POSITIVE_INFINITY
    for (const endpoint of this.group.all) {
      if (!endpoint.ejected) continue
      // With detection switched off, one that was away meanwhile comes back usable.
      if (this.settings === false) this.restore(endpoint, now)
      else if (endpoint.ejectedUntil > now) this.nextRestoreAt = Math.min(this.nextRestoreAt, endpoint.ejectedUntil)
      // A probe that nobody ever told the end of must not keep it out for good.
      else if (!endpoint.recovering || now - endpoint.probedAt > PROBE_LEASE_MS) this.recover(endpoint, now)
      else this.nextRestoreAt = Math.min(this.nextRestoreAt, now + PROBE_LEASE_MS)
    }
  }

  private recover(endpoint: Endpoint, now: number): void {
    endpoint.recovering = true
    endpoint.probedAt = Number.NaN
    this.group.awaitProbe(endpoint)
    this.nextRestoreAt = Math.min(this.nextRestoreAt, now + PROBE_LEASE_MS)
  }

  private settleProbe(endpoint: Endpoint, verdict: Outcome['verdict'], now: number, startedAt: number): void {
    // Whatever began since the end of the ejection says as much as the probe: a try that had nowhere else to go, or panic.
    if (startedAt < endpoint.ejectedUntil) return
    if (verdict === 'success') this.restore(endpoint, now)
    else if (verdict === 'ignored') {
      if (startedAt >= endpoint.probedAt) this.recover(endpoint, now)
    } else if (this.settings !== false) this.eject(endpoint, 'the probe after its ejection failed', this.settings, now)
  }

  private ejectIfAllowed(endpoint: Endpoint, reason: string, settings: OutlierSettings, outcome: Outcome, now: number): void {
    if (this.mayEject(settings) || this.makeRoom(outcome, now)) this.eject(endpoint, reason, settings, now)
  }

  private mayEject(settings: OutlierSettings): boolean {
    return this.group.ejected < this.most(settings)
  }

  /** So many may be out at once. */
  private most({ maxEjectedPercent }: OutlierSettings): number {
    const { length } = this.group.all
    return maxEjectedPercent === 0 || length < 2 ? 0 : Math.max(1, Math.floor((length * maxEjectedPercent) / 100))
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
    this.restore(longest, now)
    return true
  }

  private eject(endpoint: Endpoint, reason: string, settings: OutlierSettings, now: number): void {
    if (endpoint.removedAt !== undefined) return
    const { ejectForMs, maxEjectForMs, intervalMs } = settings
    // Each interval of good behaviour since the last ejection takes one step of the growth back; waiting for a probe is none.
    const calm = endpoint.ejections === 0 || endpoint.recovering ? 0 : Math.floor((now - endpoint.ejectedUntil) / intervalMs)
    endpoint.ejectionMultiplier = Math.max(0, endpoint.ejectionMultiplier - calm) + 1
    const forMs = Math.min(ejectForMs * endpoint.ejectionMultiplier, maxEjectForMs)
    // Growth beyond the longest ejection would only have to be shrunk again.
    endpoint.ejectionMultiplier = Math.min(endpoint.ejectionMultiplier, Math.ceil(maxEjectForMs / Math.max(1, ejectForMs)))
    endpoint.ejections++
    endpoint.ejectedAt = now
    endpoint.ejectedUntil = now + forMs
    endpoint.ejectionReason = reason
    endpoint.recovering = false
    endpoint.record?.clear()
    this.nextRestoreAt = Math.min(this.nextRestoreAt, endpoint.ejectedUntil)
    const failures = endpoint.consecutiveFailures
    this.group.setEjected(endpoint, true)
    this.listener.ejected(endpoint, { reason, forMs, failures })
  }

  private restore(endpoint: Endpoint, now: number): void {
    endpoint.consecutiveFailures = 0
    endpoint.recovering = false
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    endpoint.warmFrom = now
    this.group.setEjected(endpoint, false)
    this.listener.restored(endpoint, { afterMs: now - endpoint.ejectedAt })
  }
}

/** Two that fail for good take turns no faster, and the walk over all endpoints stays rare. */
const EXCHANGE_EVERY_MS = 1_000
/** How long a probe may be under way before another is sent beside it. */
const PROBE_LEASE_MS = 60_000
const NO_STALLS: Stalls = Object.freeze({ stalledUntil: Number.NEGATIVE_INFINITY })

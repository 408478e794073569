import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { OutlierSettings } from '../model/resources.ts'

/** Hears of endpoints that go and come back. */
export interface OutlierListener {
  ejected(endpoint: Endpoint, detail: { reason: string; forMs: number; failures: number }): void
  restored(endpoint: Endpoint, detail: { afterMs: number }): void
}

/**
 * Takes endpoints that keep failing out of the balancer for a while, longer each time. Every try tells it how it ended;
 * time is looked at when somebody asks for an endpoint, so there is no timer.
 *
 * Follows Envoy's consecutive-failure ejection in counting and growth; unlike Envoy it always may eject one of two.
 */
export class OutlierDetector {
  private settings: OutlierSettings | false
  private readonly group: EndpointGroup
  private readonly listener: OutlierListener
  private nextRestoreAt = Number.POSITIVE_INFINITY
  private nextExchangeAt = Number.NEGATIVE_INFINITY

  constructor(settings: OutlierSettings | false, group: EndpointGroup, listener: OutlierListener) {
    this.settings = settings
    this.group = group
    this.listener = listener
  }

  /** Applies to the living state: nobody comes back because somebody pushed, unless detection is switched off. */
  reconfigure(settings: OutlierSettings | false, now: number): void {
    this.settings = settings
    if (settings !== false) return
    for (const endpoint of this.group.all) if (endpoint.ejected) this.restore(endpoint, now)
    this.nextRestoreAt = Number.POSITIVE_INFINITY
  }

  /** Endpoints came or went: one that returns may have an ejection to end. */
  endpointsChanged(): void {
    this.nextRestoreAt = Number.NEGATIVE_INFINITY
  }

  observe(endpoint: Endpoint, outcome: Outcome, now: number): void {
    if (outcome.verdict === 'success') {
      endpoint.consecutiveFailures = 0
      return
    }
    const { settings } = this
    if (outcome.verdict !== 'failure' || settings === false || endpoint.ejected) return
    // A late failure of a try that began before the last ejection says nothing about the time since.
    if (endpoint.ejections > 0 && now - outcome.latencyMs < endpoint.ejectedAt) return
    endpoint.consecutiveFailures++
    if (endpoint.consecutiveFailures < settings.consecutiveFailures) return
    if (this.mayEject(settings) || this.makeRoom(outcome, now)) this.eject(endpoint, settings, now)
  }

  /** Brings back whose time is over; one comparison when nobody's is. */
  restoreDue(now: number): void {
    if (now < this.nextRestoreAt) return
    let next = Number.POSITIVE_INFINITY
    for (const endpoint of this.group.all) {
      if (!endpoint.ejected) continue
      // With detection switched off, one that was away meanwhile comes back usable.
      if (endpoint.ejectedUntil <= now || this.settings === false) this.restore(endpoint, now)
      else next = Math.min(next, endpoint.ejectedUntil)
    }
    this.nextRestoreAt = next
  }

  private mayEject({ maxEjectedPercent }: OutlierSettings): boolean {
    const { all, ejected } = this.group
    if (maxEjectedPercent === 0 || all.length < 2) return false
    return ejected < Math.max(1, Math.floor((all.length * maxEjectedPercent) / 100))
  }

  /**
   * As many are out as may be, and one more fails: the one that is out longest comes back for it, since what it did then says
   * less than what the other does now. Else one that was killed and restarted would shield whatever breaks after it, and
   * every second call would need a re-send. A refused connect costs the call nothing, so it is no reason.
   */
  private makeRoom({ unsent }: Outcome, now: number): boolean {
    if (unsent || this.group.ejected === 0 || now < this.nextExchangeAt) return false
    this.nextExchangeAt = now + EXCHANGE_EVERY_MS
    let longest: Endpoint | undefined
    for (const endpoint of this.group.all) {
      if (endpoint.ejected && endpoint.ejectedAt < (longest?.ejectedAt ?? Number.POSITIVE_INFINITY)) longest = endpoint
    }
    if (longest === undefined || now - longest.ejectedAt < EXCHANGE_EVERY_MS) return false
    this.restore(longest, now)
    return true
  }

  private eject(endpoint: Endpoint, settings: OutlierSettings, now: number): void {
    if (endpoint.removedAt !== undefined) return
    const { ejectForMs, maxEjectForMs, intervalMs } = settings
    // Each interval of good behaviour since the last ejection takes one step of the growth back.
    const calm = endpoint.ejections === 0 ? 0 : Math.floor((now - endpoint.ejectedUntil) / intervalMs)
    endpoint.ejectionMultiplier = Math.max(0, endpoint.ejectionMultiplier - calm) + 1
    const forMs = Math.min(ejectForMs * endpoint.ejectionMultiplier, maxEjectForMs)
    // Growth beyond the longest ejection would only have to be shrunk again.
    endpoint.ejectionMultiplier = Math.min(endpoint.ejectionMultiplier, Math.ceil(maxEjectForMs / Math.max(1, ejectForMs)))
    endpoint.ejections++
    endpoint.ejectedAt = now
    endpoint.ejectedUntil = now + forMs
    this.nextRestoreAt = Math.min(this.nextRestoreAt, endpoint.ejectedUntil)
    const failures = endpoint.consecutiveFailures
    this.group.setEjected(endpoint, true)
    this.listener.ejected(endpoint, { reason: `${failures} failures in a row`, forMs, failures })
  }

  private restore(endpoint: Endpoint, now: number): void {
    endpoint.consecutiveFailures = 0
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    this.group.setEjected(endpoint, false)
    this.listener.restored(endpoint, { afterMs: now - endpoint.ejectedAt })
  }
}

/** Two that fail for good take turns no faster, and the walk over all endpoints stays rare. */
const EXCHANGE_EVERY_MS = 1_000

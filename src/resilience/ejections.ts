import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'

/** Hears of endpoints that go and come back. */
export interface OutlierListener {
  ejected(endpoint: Endpoint, detail: { reason: string; forMs: number; failures: number }): void
  restored(endpoint: Endpoint, detail: { afterMs: number }): void
  /** A rule found it to be an outlier, whether it is ejected for that or not. */
  detected?(endpoint: Endpoint, detail: { reason: string }): void
}

/**
 * Takes endpoints out of use and lets them back, by whichever rules. What an ejection is stands on the endpoint itself, so that it goes on
 * when other rules take over.
 */
export class Ejections {
  readonly group: EndpointGroup
  private readonly listener: OutlierListener

  constructor(group: EndpointGroup, listener: OutlierListener) {
    this.group = group
    this.listener = listener
  }

  found(endpoint: Endpoint, reason: string): void {
    this.listener.detected?.(endpoint, { reason })
  }

  eject(endpoint: Endpoint, reason: string, now: number, forMs: number, failures: number): void {
    endpoint.ejections++
    endpoint.ejectedAt = now
    endpoint.ejectedUntil = now + forMs
    endpoint.ejectionReason = reason
    endpoint.recovering = false
    this.group.setEjected(endpoint, true)
    this.listener.ejected(endpoint, { reason, forMs, failures })
  }

  /** Its time is over: the next call may try it, one at a time. */
  recover(endpoint: Endpoint): void {
    endpoint.recovering = true
    endpoint.probedAt = Number.NaN
    this.group.awaitProbe(endpoint)
  }

  restore(endpoint: Endpoint, now: number): void {
    endpoint.consecutiveFailures = 0
    endpoint.recovering = false
    endpoint.ejectedUntil = Math.min(endpoint.ejectedUntil, now)
    endpoint.warmFrom = now
    this.group.setEjected(endpoint, false)
    this.listener.restored(endpoint, { afterMs: now - endpoint.ejectedAt })
  }
}

/** Whether `endpoint` waits for a probe that may still come: one that nobody ever told the end of must not keep it out for good. */
export function awaitsProbe(endpoint: Endpoint, now: number): boolean {
  return endpoint.recovering && !(now - endpoint.probedAt > PROBE_LEASE_MS)
}

/** How long a probe may be under way before another is sent beside it. */
export const PROBE_LEASE_MS = 60_000
export const PROBE_FAILED = 'the probe after its ejection failed'

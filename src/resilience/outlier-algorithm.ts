import type { Endpoint } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import type { OutlierDetectionSettings } from '../model/outlier-detection.ts'

/** Rules by which endpoints are ejected, and by which they come back. {@link OutlierDetector} asks one of them. */
export interface OutlierAlgorithm {
  /** So many endpoints may be out at once. */
  readonly most: number
  /** What ejects, and for how long, in words. */
  readonly rule: string
  /** Applies to the living state; false when the settings are of another algorithm. */
  reconfigure(settings: OutlierDetectionSettings, now: number): boolean
  /**
   * How a try ended.
   * @param startedAt clock time at which it began
   * @param timed false when its latency proves nothing, because our own event loop was blocked meanwhile
   */
  observe(endpoint: Endpoint, outcome: Outcome, now: number, startedAt: number, timed: boolean): void
  /** Time is looked at: lets those back whose ejection is over. One comparison when nothing is due. */
  restoreDue(now: number): void
  /** Endpoints came or went: one that returns may have an ejection to end. */
  endpointsChanged(): void
  /** The probe of an endpoint succeeded, and it is back. */
  restored(endpoint: Endpoint, now: number): void
  /** The probe of an endpoint failed. */
  ejectAgain(endpoint: Endpoint, now: number): void
  /** An active check found an ejected endpoint in order. */
  checkPassed(endpoint: Endpoint, now: number): void
}

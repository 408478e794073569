/**
 * How long one endpoint takes to answer, and how often it fails, as its load is judged by: the peak of late, worn down by time
 * (Finagle's and Linkerd's peak EWMA). A failure is no latency: one that comes fast must not make its endpoint attractive.
 */
export class LatencyRecord {
  /** Milliseconds, as of `at`. */
  private peakMs = 0
  /** Share of failures of late, 0–1, as of `at`. */
  private failing = 0
  private at: number
  /** Nobody got an answer yet, nor a failure. */
  unknown = true
  /** Clock time until which the endpoint asked to be spared. */
  private sparedUntil = Number.NEGATIVE_INFINITY

  constructor(now: number) {
    this.at = now
  }

  /** An answer took `latencyMs`: a longer one than expected counts whole and at once, a shorter one as time passes. */
  answered(latencyMs: number, decayMs: number, now: number): void {
    const kept = this.wear(decayMs, now)
    const latency = Math.max(latencyMs, SHORTEST_MS)
    this.unknown = false
    this.peakMs = latency > this.peakMs ? latency : this.peakMs + (1 - kept) * latency
    this.failing *= 1 - FAILURE_SHARE
  }

  /** Somebody waited for `latencyMs` and left: it would have taken longer. */
  atLeast(latencyMs: number, decayMs: number, now: number): void {
    this.wear(decayMs, now)
    if (latencyMs > this.peakMs) this.peakMs = latencyMs
  }

  /** A try failed after `latencyMs`. */
  failed(latencyMs: number, decayMs: number, now: number): void {
    this.atLeast(Math.max(latencyMs, SHORTEST_MS), decayMs, now)
    this.unknown = false
    this.failing += FAILURE_SHARE * (1 - this.failing)
  }

  /** The endpoint asks to be spared for `forMs`, of which at most five minutes are granted. */
  spare(forMs: number, now: number): void {
    this.sparedUntil = Math.max(this.sparedUntil, now + Math.min(forMs, MAX_SPARED_MS))
  }

  /**
   * What one more call is expected to take, in milliseconds, with what failures and a wish to be spared add to it.
   * @param busy tries are under way: what was long not heard of is worn down to nothing, which is for one call to look at, not for all
   */
  costMs(decayMs: number, now: number, busy: boolean): number {
    let kept = now > this.at ? Math.exp((this.at - now) / decayMs) : 1
    if (busy && kept < FORGOTTEN) kept = 1
    const failing = this.failing * kept
    return this.peakMs * kept + PENALTY_MS * failing * failing + (now < this.sparedUntil ? PENALTY_MS : 0)
  }

  /** Wears everything down to `now`; gives the part that is left. */
  private wear(decayMs: number, now: number): number {
    const kept = now > this.at ? Math.exp((this.at - now) / decayMs) : 1
    this.peakMs *= kept
    this.failing *= kept
    if (now > this.at) this.at = now
    return kept
  }
}

/** Weight of one outcome in the share of failures. */
const FAILURE_SHARE = 0.1
/** What an endpoint costs more that only fails, or asks to be spared (Linkerd's penalty). Squared by the share: a few failures cost little. */
const PENALTY_MS = 5_000
/** So little is left of a peak after three times the decay. */
const FORGOTTEN = 0.05
/** Linkerd's bound of a `Retry-After`. */
const MAX_SPARED_MS = 300_000
/** Nothing is as quick as an endpoint that nobody asked yet. */
const SHORTEST_MS = 0.001

import type { RateMeter, TokenBucketSettings } from './token-bucket.ts'

/**
 * The generic cell rate algorithm (ITU-T I.371), as Linkerd's limits and `governor` count: all it remembers is one number, the time at
 * which the next call would be due if calls came exactly at the rate. A call may come before that time by what the burst tolerates.
 * It decides as a {@link TokenBucket} of the same rate and burst does; there is no fraction of a token that adds up to nearly one.
 */
export class Gcra implements RateMeter {
  settings: TokenBucketSettings
  /** Theoretical arrival time of the next call; what lies behind `now` means that nothing is owed. */
  due: number
  /** Milliseconds between calls at the rate. */
  private gapMs = 0
  /** How far ahead `due` may lie for one more call. */
  private toleranceMs = 0

  /** @param spent calls that it begins with as if they had been made */
  constructor(settings: TokenBucketSettings, now: number, spent = 0) {
    this.settings = settings
    this.measure()
    this.due = now + spent * this.gapMs
  }

  /** Lets one call go; false when it comes too early. */
  take(now: number): boolean {
    if (this.due - now > this.toleranceMs + ROUNDING_MS) return false
    this.due = Math.max(this.due, now) + this.gapMs
    return true
  }

  /** Calls that may go at once. */
  left(now: number): number {
    const owedMs = Math.max(0, this.due - now)
    return Math.max(0, Math.floor((this.toleranceMs + this.gapMs - owedMs + ROUNDING_MS) / this.gapMs))
  }

  /** Milliseconds until one call may go; 0 when it may now. */
  waitMs(now: number): number {
    const early = this.due - now - this.toleranceMs
    return early <= ROUNDING_MS ? 0 : early
  }

  spent(now: number): number {
    return Math.max(0, this.due - now) / this.gapMs
  }

  /** Applies to the living state: what was spent stays spent, counted in calls. */
  reconfigure(settings: TokenBucketSettings, now: number): void {
    const spent = this.spent(now)
    this.settings = settings
    this.measure()
    this.due = now + spent * this.gapMs
  }

  private measure(): void {
    this.gapMs = 1 / this.settings.ratePerMs
    this.toleranceMs = (this.settings.burst - 1) * this.gapMs
  }
}

/** Clocks that have run for weeks count in steps of this size: whoever waits exactly `waitMs` must get his. */
const ROUNDING_MS = 1e-6

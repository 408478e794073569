import type { Call } from '../core/call.ts'
import type { Described, Description } from '../core/described.ts'
import { SlidingWindow } from '../core/window.ts'

/** How much extra load re-sends may make. */
export interface BudgetSettings {
  /** Share of first tries that may be sent again, 0–100. */
  readonly budgetPercent: number
  /** Re-sends allowed per second however few calls there are. */
  readonly budgetMinPerSecond: number
}

/**
 * Bounds re-sends and hedges of a service: within 10 s at most max(10 × minPerSecond, percent of first tries). It is what
 * keeps an outage from being multiplied by everybody's retries. No 10 s that end with a re-send hold more than that.
 */
export class RetryBudget implements Described {
  readonly name = 'retry-budget'
  readonly section = 'retry'
  private settings: BudgetSettings
  private readonly firstTries: SlidingWindow
  /**
   * Re-sends by the second they were sent in. The running second is only partly past, so ten buckets would forget some after
   * little more than 9 s, and two bursts could fall into one window: hence an eleventh.
   */
  private readonly resends = new Float64Array(RESEND_BUCKETS)
  private resent = 0
  private newest: number

  constructor(settings: BudgetSettings, now: number) {
    this.settings = settings
    this.firstTries = new SlidingWindow(WINDOW_MS, 1, now)
    this.newest = Math.floor(now / BUCKET_MS)
  }

  /** Applies to the living state: what was sent stays counted. */
  reconfigure(settings: BudgetSettings): void {
    this.settings = settings
  }

  /** A first try was sent. */
  deposit(now: number): void {
    this.firstTries.add(0, now)
  }

  /** Takes leave for one re-send; false when the budget does not allow it. */
  withdraw(now: number): boolean {
    this.forget(now)
    if (this.resent + 1 > this.allowed(now)) return false
    this.resent++
    const slot = this.newest % RESEND_BUCKETS
    this.resends[slot] = (this.resends[slot] as number) + 1
    return true
  }

  describe({ startedAt: now }: Call): Description {
    this.forget(now)
    const { budgetPercent, budgetMinPerSecond } = this.settings
    const allowed = Math.floor(this.allowed(now))
    const used = allowed === 0 ? 100 : Math.round((100 * this.resent) / allowed)
    const because = `within 10s at most ${budgetPercent} % of ${this.firstTries.sum(0, now)} first tries, and always ${budgetMinPerSecond} a second`
    return { state: `${used} % used: ${this.resent} of ${allowed} re-sends`, because }
  }

  private allowed(now: number): number {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    return Math.max((WINDOW_MS / 1_000) * budgetMinPerSecond, (budgetPercent / 100) * this.firstTries.sum(0, now))
  }

  private forget(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS)
    const passed = Math.min(bucket - this.newest, RESEND_BUCKETS)
    for (let step = 1; step <= passed; step++) {
      const slot = (this.newest + step) % RESEND_BUCKETS
      this.resent -= this.resends[slot] as number
      this.resends[slot] = 0
    }
    if (passed > 0) this.newest = bucket
  }
}

const WINDOW_MS = 10_000
const BUCKET_MS = 1_000
const RESEND_BUCKETS = WINDOW_MS / BUCKET_MS + 1

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
export class RetryBudget {
  private settings: BudgetSettings
  private readonly firstTries: SlidingWindow
  private readonly resends: SlidingWindow

  constructor(settings: BudgetSettings, now: number) {
    this.settings = settings
    this.firstTries = new SlidingWindow(WINDOW_MS, 1, now)
    // The running bucket is only partly past: nine full ones must hold 10 s, or two bursts could fall into one window.
    this.resends = new SlidingWindow((WINDOW_MS * 10) / 9, 1, now)
  }

  reconfigure(settings: BudgetSettings): void {
    this.settings = settings
  }

  /** A first try was sent. */
  deposit(now: number): void {
    this.firstTries.add(0, now)
  }

  /** Takes leave for one re-send; false when the budget does not allow it. */
  withdraw(now: number): boolean {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    const allowed = Math.max((WINDOW_MS / 1_000) * budgetMinPerSecond, (budgetPercent / 100) * this.firstTries.sum(0, now))
    if (this.resends.sum(0, now) + 1 > allowed) return false
    this.resends.add(0, now)
    return true
  }
}

const WINDOW_MS = 10_000

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
 * keeps an outage from being multiplied by everybody's retries.
 */
export class RetryBudget {
  private settings: BudgetSettings
  private readonly window: SlidingWindow

  constructor(settings: BudgetSettings, now: number) {
    this.settings = settings
    this.window = new SlidingWindow(WINDOW_MS, 2, now)
  }

  reconfigure(settings: BudgetSettings): void {
    this.settings = settings
  }

  /** A first try was sent. */
  deposit(now: number): void {
    this.window.add(FIRST_TRIES, now)
  }

  /** Takes leave for one re-send; false when the budget does not allow it. */
  withdraw(now: number): boolean {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    const allowed = Math.max((WINDOW_MS / 1_000) * budgetMinPerSecond, (budgetPercent / 100) * this.window.sum(FIRST_TRIES, now))
    if (this.window.sum(RESENDS, now) + 1 > allowed) return false
    this.window.add(RESENDS, now)
    return true
  }
}

const WINDOW_MS = 10_000
const FIRST_TRIES = 0
const RESENDS = 1

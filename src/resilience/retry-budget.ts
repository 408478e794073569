import { SlidingWindow } from '../core/window.ts'
import { BUDGET_WINDOW_MS, SentWindow } from './sent-window.ts'

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
  /** First tries ever sent. */
  deposits = 0
  private settings: BudgetSettings
  private readonly firstTries: SlidingWindow
  private readonly resends: SentWindow

  constructor(settings: BudgetSettings, now: number) {
    this.settings = settings
    this.firstTries = new SlidingWindow(BUDGET_WINDOW_MS, 1, now)
    this.resends = new SentWindow(now)
  }

  /** Applies to the living state: what was sent stays counted. */
  reconfigure(settings: BudgetSettings): void {
    this.settings = settings
  }

  /** A first try was sent. */
  deposit(now: number): void {
    this.deposits++
    this.firstTries.add(0, now)
  }

  /** First tries of the last ten seconds. */
  recent(now: number): number {
    return this.firstTries.sum(0, now)
  }

  /** Takes leave for one re-send; false when the budget does not allow it. */
  withdraw(now: number): boolean {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    const allowed = Math.max((BUDGET_WINDOW_MS / 1_000) * budgetMinPerSecond, (budgetPercent / 100) * this.recent(now))
    if (this.resends.count(now) + 1 > allowed) return false
    this.resends.add()
    return true
  }
}

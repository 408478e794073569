import type { Call } from '../core/call.ts'
import type { Described, Description } from '../core/described.ts'
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
export class RetryBudget implements Described {
  readonly name = 'retry-budget'
  readonly section = 'retry'
  /** First tries ever sent. */
  deposits = 0
  private settings: BudgetSettings
  private readonly firstTries: SlidingWindow
  private readonly resends: SentWindow

  constructor(settings: BudgetSettings, now: number) {
    this.settings = settings
    this.firstTries = new SlidingWindow(BUDGET_WINDOW_MS, 1)
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
    if (this.resends.count(now) + 1 > this.allowed(now)) return false
    this.resends.add()
    return true
  }

  describe({ startedAt: now }: Call): Description {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    const sent = this.resends.count(now)
    const allowed = Math.floor(this.allowed(now))
    const used = allowed === 0 ? 100 : Math.round((100 * sent) / allowed)
    const because = `within 10s at most ${budgetPercent} % of ${this.recent(now)} first tries, and always ${budgetMinPerSecond} a second`
    return { state: `${used} % used: ${sent} of ${allowed} re-sends`, because }
  }

  private allowed(now: number): number {
    const { budgetPercent, budgetMinPerSecond } = this.settings
    return Math.max((BUDGET_WINDOW_MS / 1_000) * budgetMinPerSecond, (budgetPercent / 100) * this.recent(now))
  }
}

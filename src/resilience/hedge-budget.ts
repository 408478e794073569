import type { RetryBudget } from './retry-budget.ts'
import { SentWindow } from './sent-window.ts'

/**
 * Bounds what hedges cost: each first try saves up a share of a hedge, and a hedge needs a whole one. So they are never more than that
 * share of the first tries, at a call a minute as at a thousand a second; nor are they within any 10 s, except that one may always be
 * sent that was saved up. A hedge is a re-send too, and needs leave of the {@link RetryBudget} besides.
 */
export class HedgeBudget {
  private share: number
  private readonly resends: RetryBudget
  private readonly sent: SentWindow
  /** Hedges that first tries have saved up and nobody sent; at most those of 10 s, and one. */
  private saved = 0
  /** First tries that have saved up. */
  private seen: number

  /**
   * @param extraLoadPercent hedges for each hundred first tries
   * @param resends counts the first tries, and bounds re-sends of all kinds
   */
  constructor(extraLoadPercent: number, resends: RetryBudget, now: number) {
    this.share = extraLoadPercent / 100
    this.resends = resends
    this.sent = new SentWindow(now)
    this.seen = resends.deposits
  }

  /** Applies to the living state: what was sent, and what was saved up, stays counted. */
  reconfigure(extraLoadPercent: number): void {
    this.save()
    this.share = extraLoadPercent / 100
  }

  /** Takes leave for one hedge; false when one of the budgets does not allow it. */
  withdraw(now: number): boolean {
    const { resends, share } = this
    if (share === 0) return false
    this.save()
    const room = Math.max(1, share * resends.recent(now))
    this.saved = Math.min(this.saved, room)
    if (this.saved < 1 - ROUNDING || this.sent.count(now) + 1 > room || !resends.withdraw(now)) return false
    this.saved -= 1
    this.sent.add()
    return true
  }

  private save(): void {
    const { deposits } = this.resends
    this.saved += this.share * (deposits - this.seen)
    this.seen = deposits
  }
}

/** Twenty times 0.05 is less than one. */
const ROUNDING = 1e-6

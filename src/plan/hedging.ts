import { DEFAULT_HEDGE, type HedgeSettings } from '../model/hedge.ts'
import { HedgePolicy } from '../resilience/hedge.ts'
import { HedgeBudget } from '../resilience/hedge-budget.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import { TryTimes } from '../resilience/try-times.ts'

/**
 * What hedging knows of one service: what it may cost, and how long first tries take, those of each rule apart, since what is slow for one
 * route is quick for another. It outlives what is pushed.
 */
export class Hedging {
  private readonly budget: HedgeBudget
  private readonly own = new TryTimes()
  private readonly ofRules = new WeakMap<object, TryTimes>()

  constructor(settings: HedgeSettings | false, resends: RetryBudget, now: number) {
    this.budget = new HedgeBudget(percentOf(settings), resends, now)
  }

  reconfigure(settings: HedgeSettings | false): void {
    this.budget.reconfigure(percentOf(settings))
  }

  /** @param rule stays the same when the rule is pushed anew; undefined for calls that no rule sends */
  policy(settings: HedgeSettings | false, rule?: object): HedgePolicy | undefined {
    return settings === false ? undefined : new HedgePolicy(settings, rule === undefined ? this.own : this.timesOf(rule), this.budget)
  }

  private timesOf(rule: object): TryTimes {
    let times = this.ofRules.get(rule)
    if (times === undefined) {
      times = new TryTimes()
      this.ofRules.set(rule, times)
    }
    return times
  }
}

/** A rule may hedge where its service does not. */
function percentOf(settings: HedgeSettings | false): number {
  return (settings || DEFAULT_HEDGE).extraLoadPercent
}

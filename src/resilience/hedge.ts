import type { Call } from '../core/call.ts'
import type { HedgeSettings } from '../model/hedge.ts'
import type { HedgeBudget } from './hedge-budget.ts'
import type { TryTimes } from './try-times.ts'

/** Why no other endpoint is asked beside a slow one. */
export type NoHedgeReason = 'not-idempotent' | 'max' | 'pushback' | 'not-replayable' | 'deadline' | 'no-endpoint' | 'limit' | 'budget'

/** What the decision depends on besides the call. */
export interface HedgeContext {
  readonly now: number
  /** Hedges that this call has sent. */
  readonly hedges: number
  /** An answer of this call asked for no further try. */
  readonly pushedBack: boolean
  /** All of the body is there to be sent beside a try that is still sending it. */
  readonly replayable: boolean
  /** An endpoint in use that the call did not try, and a connection to it, is to be had. */
  readonly hasEndpoint: boolean
  /** A limit on re-sends at the same time allows one more. */
  readonly mayResend: boolean
}

/**
 * Decides when a call asks another endpoint because the first is slow, and whether it may. It watches the time of the many to know who is
 * late, and pays for it out of a budget (Dean and Barroso, *The Tail at Scale*; Finagle's backup requests; gRFC A6).
 */
export class HedgePolicy {
  readonly settings: HedgeSettings
  private readonly times: TryTimes
  private readonly budget: HedgeBudget
  private readonly percent: number | undefined
  private knownMs: number | undefined = undefined
  private lookAt = Number.NEGATIVE_INFINITY

  /** @param times of the calls that this policy is for: where others are far quicker or slower, theirs say nothing */
  constructor(settings: HedgeSettings, times: TryTimes, budget: HedgeBudget) {
    const { after } = settings
    this.settings = settings
    this.times = times
    this.budget = budget
    this.percent = typeof after === 'string' ? Number(after.slice(1)) : undefined
  }

  /** Milliseconds that a try is waited for; undefined: for ever, or as long as too little is known. Looked up anew every 2 s. */
  delayMs(now: number): number | undefined {
    const { after } = this.settings
    if (this.percent === undefined) return typeof after === 'number' ? after : undefined
    if (now >= this.lookAt) {
      this.lookAt = now + LOOK_EVERY_MS
      this.knownMs = this.times.percentile(this.percent, now)
    }
    return this.knownMs
  }

  /** A first try was answered after so long, or lost to its hedge. */
  took(latencyMs: number, now: number): void {
    if (this.percent !== undefined) this.times.add(latencyMs, now)
  }

  /** Why `call` may not be hedged now; undefined when it may, and then the budgets are charged. */
  refusal(call: Call, context: HedgeContext): NoHedgeReason | undefined {
    if (!call.idempotent) return 'not-idempotent'
    if (context.hedges >= this.settings.max) return 'max'
    if (context.pushedBack) return 'pushback'
    if (!context.replayable) return 'not-replayable'
    if (context.now >= call.deadline) return 'deadline'
    if (!context.hasEndpoint) return 'no-endpoint'
    if (!context.mayResend) return 'limit'
    return this.budget.withdraw(context.now) ? undefined : 'budget'
  }
}

const LOOK_EVERY_MS = 2_000

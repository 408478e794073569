import type { Call } from '../core/call.ts'
import { isUnavailableStatus } from '../core/classifier.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import type { RetryCondition } from '../model/names.ts'
import type { RetrySettings } from '../model/resources.ts'
import type { RetryBudget } from './retry-budget.ts'

/** Why a call is not tried again. */
export type NoRetryReason =
  | 'not-retryable'
  | 'retried'
  | 'not-idempotent'
  | 'attempts'
  | 'limit'
  | 'budget'
  | 'deadline'
  | 'not-replayable'
  | 'pushback'

/** Once more, or not, and `because` of what. `movedOn`: the try before never got a connection, so this one cost neither budget nor backoff. */
export type RetryDecision =
  | { readonly again: true; readonly delayMs: number; readonly movedOn: boolean; readonly because: string }
  | { readonly again: false; readonly why: NoRetryReason; readonly because: string }

/** What the decision depends on besides the call and its outcome. */
export interface RetryContext {
  readonly now: number
  /** Re-sends allowed for this call. */
  readonly attempts: number
  /** An endpoint is left that this call did not try. */
  readonly hasUntried: boolean
  /** The body can be sent again. */
  readonly replayable: boolean
  /** A limit on re-sends at the same time allows one more. Default true. */
  readonly mayResend?: boolean
  /** An answer of this call asked for no further try. Default false. */
  readonly pushedBack?: boolean
}

/** Decides whether a call is tried again (RFC 9110 §9.2.2 for what may be). */
export class RetryPolicy {
  private readonly settings: RetrySettings
  private readonly on: ReadonlySet<RetryCondition>
  private readonly budget: RetryBudget
  private readonly random: Random
  /** Whether a try that ran out of time may be sent again; if not, it is given all the time that there is. */
  private readonly coversTimeouts: boolean

  constructor(settings: RetrySettings, budget: RetryBudget, random: Random) {
    this.settings = settings
    this.on = new Set(settings.on)
    this.budget = budget
    this.random = random
    this.coversTimeouts = this.on.has('timeout') || this.on.has('5xx')
  }

  next(call: Call, outcome: Outcome, context: RetryContext): RetryDecision {
    const judged = this.judge(call, outcome, context)
    if (!judged.again || judged.movedOn) return judged
    const delayMs = this.delay(outcome, call.tries - 1 - call.moves)
    if (context.now + delayMs >= call.deadline) return DEADLINE
    if (context.mayResend === false) return LIMIT
    if (!this.budget.withdraw(context.now)) return BUDGET
    return { again: true, delayMs, movedOn: false, because: judged.because }
  }

  /** What the settings say of such a failure, before backoff, limits and budget: it takes nothing and draws nothing. */
  judge(call: Call, outcome: Outcome, context: RetryContext): RetryDecision {
    if (mayRepeatUnseen(call, outcome, context)) return context.now < call.deadline ? UNSEEN : DEADLINE
    if (this.mayMoveOn(call, outcome, context)) return context.now < call.deadline ? MOVE_ON : DEADLINE
    if (outcome.verdict === 'ignored') return NOT_RETRYABLE
    if (!this.covers(outcome)) return NOT_RETRYABLE
    if (context.pushedBack === true || (outcome.pushbackMs ?? 0) < 0) return PUSHBACK
    if (!call.idempotent && !outcome.unsent) return NOT_IDEMPOTENT
    if (call.tries - 1 - call.moves >= context.attempts) return ATTEMPTS
    if (outcome.retried === true && !this.settings.repeatRetried) return RETRIED
    if (!context.replayable) return NOT_REPLAYABLE
    return outcome.unsent ? UNSENT : REPEATABLE
  }

  /** How long a try may take that begins with `remainingMs` left: the configured bound, or what remains shared among the tries that are left. */
  tryTimeoutMs(remainingMs: number, idempotent: boolean, resendsLeft: number): number {
    const { perTryTimeoutMs } = this.settings
    if (perTryTimeoutMs !== undefined) return Math.min(perTryTimeoutMs, remainingMs)
    return idempotent && this.coversTimeouts ? remainingMs / (resendsLeft + 1) : remainingMs
  }

  /** Whether such an end of a try is worth another one, if the call bears it and there is room. */
  covers({ kind, status, unsent, rateLimited }: Outcome): boolean {
    const { on } = this
    // Who is sent away for asking too often must not ask more often for it.
    if (rateLimited === true) return on.has('envoy-ratelimited')
    const anyFailure = on.has('5xx')
    switch (kind) {
      case 'connect':
      case 'tls':
        return on.has('connect-failure') || anyFailure
      case 'reset':
        // A stream refused before it was processed (RFC 9113 §8.7) breaks as a reset of which nothing was executed.
        return on.has('reset') || anyFailure || (unsent && on.has('refused-stream'))
      case 'timeout':
        return on.has('timeout') || anyFailure
      case undefined:
        return status >= 500 && (anyFailure || (on.has('gateway-error') && isUnavailableStatus(status)))
      default:
        return false
    }
  }

  /** What the service asks for, or else the backoff. gRPC's pushback is exact; where limits are reset all must not come back at once. */
  private delay({ pushbackMs, retryAfterMs }: Outcome, resends: number): number {
    if (pushbackMs !== undefined) return pushbackMs
    if (retryAfterMs !== undefined && this.settings.rateLimitedBackoff !== undefined) return retryAfterMs * (1 + this.random() / 2)
    return Math.max(this.backoff(resends), retryAfterMs ?? 0)
  }

  /** Full jitter: anywhere between nothing and the grown bound, so that callers who failed together return apart. */
  private backoff(resends: number): number {
    const { backoffBaseMs, backoffMaxMs } = this.settings
    return this.random() * Math.min(backoffBaseMs * 2 ** resends, backoffMaxMs)
  }

  /**
   * No connection came about, so nothing was sent and nothing is amplified: the next endpoint gets the call at once. A
   * refusal costs nothing, so a call may meet many of them; a connect that had to time out costs its wait.
   */
  private mayMoveOn(call: Call, outcome: Outcome, { hasUntried, attempts }: RetryContext): boolean {
    if (!outcome.unsent || !hasUntried || attempts === 0) return false
    // Local ports run out per address that is dialled, and an address of a family that this machine lacks is no shortage at all.
    if (outcome.kind !== 'connect' && outcome.kind !== 'tls' && outcome.kind !== 'local') return false
    return call.moves < (outcome.latencyMs < QUICK_REFUSAL_MS ? MAX_QUICK_MOVES : MAX_SLOW_MOVES)
  }
}

/**
 * A server refused it before it began with it, or went away before that (RFC 9113 §8.7): nothing was executed, so this is no retry. As in
 * gRPC it happens also where retries are off.
 */
function mayRepeatUnseen(call: Call, { kind, unsent }: Outcome, { replayable }: RetryContext): boolean {
  return kind === 'reset' && unsent && replayable && call.moves < MAX_SLOW_MOVES
}

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PUT', 'DELETE'])

/** Whether a second execution of `method` does no harm by definition: the safe methods, PUT and DELETE. */
export function isIdempotentMethod(method: string): boolean {
  // Nearly all of them: comparing costs less than a look into the set.
  return method === 'GET' || IDEMPOTENT_METHODS.has(method)
}

const QUICK_REFUSAL_MS = 50
const MAX_QUICK_MOVES = 16
const MAX_SLOW_MOVES = 3

const UNSENT = yes('tried again: nothing of it had been sent')
const REPEATABLE = yes('tried again: a second execution does no harm')
const MOVE_ON: RetryDecision = Object.freeze({
  again: true,
  delayMs: 0,
  movedOn: true,
  because: 'moved on: no connection came about, and another endpoint is left',
})

const UNSEEN: RetryDecision = Object.freeze({
  again: true,
  delayMs: 0,
  movedOn: true,
  because: 'sent again: the server had not begun with it',
})

function yes(because: string): RetryDecision & { readonly again: true } {
  return Object.freeze({ again: true, delayMs: 0, movedOn: false, because })
}

function no(why: NoRetryReason, because: string): RetryDecision {
  return Object.freeze({ again: false, why, because })
}

const NOT_RETRYABLE = no('not-retryable', 'not retried: nothing in retry.on covers it')
const RETRIED = no('retried', 'not retried: the service says that it tried again itself, nearer to what failed')
const NOT_IDEMPOTENT = no(
  'not-idempotent',
  'not retried: it may have been executed, and the call is not idempotent (set Idempotency-Key or idempotent: true)',
)
const ATTEMPTS = no('attempts', 'retry.attempts are used up')
const LIMIT = no('limit', 'not retried: limits.maxRetries is reached')
const BUDGET = no('budget', 'not retried: the retry budget is used up')
const DEADLINE = no('deadline', 'not retried: the deadline comes first')
const PUSHBACK = no('pushback', 'not retried: the service asked for no further try')
const NOT_REPLAYABLE = no('not-replayable', 'not retried: more of the body was sent than is kept for a re-send')

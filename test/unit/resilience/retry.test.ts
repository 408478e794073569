import { describe, expect, it } from 'vitest'
import type { Call } from '../../../src/core/call.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { RetrySettings } from '../../../src/model/resources.ts'
import { isIdempotentMethod, type RetryContext, RetryPolicy } from '../../../src/resilience/retry.ts'
import { RetryBudget } from '../../../src/resilience/retry-budget.ts'
import { BROKEN, callOf, OK, outcomeOf, REFUSED, RESET, UNAVAILABLE } from '../../support/sample.ts'

const CONTEXT: RetryContext = { now: 0, attempts: 2, hasUntried: true, replayable: true }
const TIMED_OUT = outcomeOf({ verdict: 'failure', kind: 'timeout', unavailable: true })
const SLOW_CONNECT = outcomeOf({ ...REFUSED, latencyMs: 2_000 })

function decide(call: Partial<Call>, outcome: Outcome, context: Partial<RetryContext> = {}, settings: Partial<RetrySettings> = {}) {
  const merged = { ...DEFAULT_POLICY.retry, ...settings }
  return new RetryPolicy(merged, new RetryBudget(merged, 0), () => 0.5).next(callOf(call), outcome, { ...CONTEXT, ...context })
}

const POST = { method: 'POST', idempotent: false }
const UNSEEN = outcomeOf({ verdict: 'failure', kind: 'reset', unsent: true })
const SHORTAGE = outcomeOf({ verdict: 'ignored', kind: 'local', unsent: true })

describe('once more?', () => {
  it.each<[string, Partial<Call>, Outcome, Partial<RetryContext>, object]>([
    ['a 503 of a GET', {}, UNAVAILABLE, {}, { again: true, delayMs: 12.5, movedOn: false }],
    ['a second 503: the bound has doubled', { tries: 2 }, UNAVAILABLE, {}, { again: true, delayMs: 25 }],
    ['attempts used up', { tries: 3 }, UNAVAILABLE, {}, { again: false, why: 'attempts' }],
    ['moves are no attempts', { tries: 3, moves: 2 }, UNAVAILABLE, {}, { again: true }],
    ['a 500', {}, BROKEN, {}, { again: false, why: 'not-retryable' }],
    ['a success', {}, OK, {}, { again: false, why: 'not-retryable' }],
    ['a reset of a GET', {}, RESET, {}, { again: true }],
    ['a reset of a POST', POST, RESET, {}, { again: false, why: 'not-idempotent' }],
    ['a 503 of a POST', POST, UNAVAILABLE, {}, { again: false, why: 'not-idempotent' }],
    ['a try that timed out', {}, TIMED_OUT, {}, { again: true }],
    ['a try that timed out, of a POST', POST, TIMED_OUT, {}, { again: false, why: 'not-idempotent' }],
    ['a body that is gone', {}, RESET, { replayable: false }, { again: false, why: 'not-replayable' }],
    ['a refused connect: on, at no price', {}, REFUSED, {}, { again: true, delayMs: 0, movedOn: true }],
    ['a refused connect of a POST', POST, REFUSED, {}, { again: true, movedOn: true }],
    ['refused, and nobody left: a retry like any other', {}, REFUSED, { hasUntried: false }, { again: true, movedOn: false }],
    ['refused of a POST, and nobody left', POST, REFUSED, { hasUntried: false }, { again: true, movedOn: false }],
    ['refused again and again', { tries: 10, moves: 9 }, REFUSED, {}, { again: true, movedOn: true }],
    ['refused too often', { tries: 17, moves: 16 }, REFUSED, {}, { again: true, movedOn: false }],
    ['a slow connect, the third move', { tries: 3, moves: 2 }, SLOW_CONNECT, {}, { again: true, movedOn: true }],
    ['a slow connect, no fourth', { tries: 4, moves: 3 }, SLOW_CONNECT, {}, { again: true, movedOn: false }],
    ['what a server did not begin with, of a POST', POST, UNSEEN, {}, { again: true, delayMs: 0, movedOn: true }],
    ['that, and nobody else is left', POST, UNSEEN, { hasUntried: false }, { again: true, movedOn: true }],
    ['that, with retries switched off', POST, UNSEEN, { attempts: 0 }, { again: true, movedOn: true }],
    ['that, of a server that goes away', POST, outcomeOf({ ...UNSEEN, verdict: 'ignored' }), {}, { again: true, movedOn: true }],
    ['that, a fourth time', { ...POST, tries: 4, moves: 3 }, UNSEEN, {}, { again: true, movedOn: false }],
    ['that, with a body that is gone', POST, UNSEEN, { replayable: false }, { again: false, why: 'not-replayable' }],
    ['that, past the deadline', { deadline: 5 }, UNSEEN, { now: 5 }, { again: false, why: 'deadline' }],
    ['retries switched off', {}, REFUSED, { attempts: 0 }, { again: false, why: 'attempts' }],
    ['past the deadline', { deadline: 5 }, UNAVAILABLE, { now: 0 }, { again: false, why: 'deadline' }],
    ['moving on past the deadline', { deadline: 5 }, REFUSED, { now: 6 }, { again: false, why: 'deadline' }],
    ['Retry-After', {}, outcomeOf({ ...UNAVAILABLE, retryAfterMs: 2_000 }), {}, { again: true, delayMs: 2_000 }],
    ['Retry-After beyond the deadline', {}, outcomeOf({ ...UNAVAILABLE, retryAfterMs: 20_000 }), {}, { again: false, why: 'deadline' }],
    ['the caller left', {}, outcomeOf({ verdict: 'ignored', kind: 'aborted' }), {}, { again: false, why: 'not-retryable' }],
    ['our own shortage towards one address: on to another', {}, SHORTAGE, {}, { again: true, movedOn: true }],
    ['our own shortage, and nobody left', {}, SHORTAGE, { hasUntried: false }, { again: false, why: 'not-retryable' }],
    ['nonsense on the wire', {}, outcomeOf({ verdict: 'failure', kind: 'protocol' }), {}, { again: false, why: 'not-retryable' }],
  ])('%s', (_, call, outcome, context, decision) => expect(decide(call, outcome, context)).toMatchObject(decision))

  it('5xx covers every failure, as Envoy counts', () => {
    for (const outcome of [BROKEN, UNAVAILABLE, RESET, TIMED_OUT])
      expect(decide({}, outcome, {}, { on: ['5xx'] })).toMatchObject({ again: true })
  })

  it('only what `on` names is repeated', () => {
    expect(decide({}, UNAVAILABLE, {}, { on: ['reset'] })).toMatchObject({ why: 'not-retryable' })
    expect(decide({}, RESET, {}, { on: ['gateway-error'] })).toMatchObject({ why: 'not-retryable' })
  })

  it('the budget is asked last, so that nothing is taken for a retry that does not happen', () => {
    const settings = { ...DEFAULT_POLICY.retry, budgetPercent: 0, budgetMinPerSecond: 0.1 }
    const budget = new RetryBudget(settings, 0)
    const policy = new RetryPolicy(settings, budget, () => 0)
    expect(policy.next(callOf(POST), RESET, CONTEXT)).toMatchObject({ why: 'not-idempotent' })
    expect(policy.next(callOf(), RESET, CONTEXT)).toMatchObject({ again: true })
    expect(policy.next(callOf(), RESET, CONTEXT)).toMatchObject({ why: 'budget' })
  })

  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY'])('%s is idempotent', (method) =>
    expect(isIdempotentMethod(method)).toBe(true),
  )
  it.each(['POST', 'PATCH', 'get', 'CONNECT'])('%s is not', (method) => expect(isIdempotentMethod(method)).toBe(false))
})

describe('the budget', () => {
  it('allows ten a second however few calls there are', () => {
    const budget = new RetryBudget({ budgetPercent: 20, budgetMinPerSecond: 10 }, 0)
    const allowed = Array.from({ length: 200 }, () => budget.withdraw(0)).filter(Boolean).length
    expect(allowed).toBe(100)
  })

  it('allows a fifth of many calls, and slides', () => {
    const budget = new RetryBudget({ budgetPercent: 20, budgetMinPerSecond: 0 }, 0)
    for (let call = 0; call < 1_000; call++) budget.deposit(0)
    expect(Array.from({ length: 500 }, () => budget.withdraw(0)).filter(Boolean)).toHaveLength(200)
    expect(budget.withdraw(11_000)).toBe(false)
    budget.reconfigure({ budgetPercent: 0, budgetMinPerSecond: 1 })
    expect(budget.withdraw(11_000)).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../../src/core/outcome.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { RetrySettings } from '../../../src/model/resources.ts'
import { RetryPolicy } from '../../../src/resilience/retry.ts'
import { RetryBudget } from '../../../src/resilience/retry-budget.ts'
import { BROKEN, callOf, OK, REFUSED, UNAVAILABLE } from '../../support/sample.ts'

const CONTEXT = { now: 0, attempts: 2, hasUntried: true, replayable: true }

function decide(outcome: Outcome, change: Partial<RetrySettings> = {}, call = callOf()) {
  const settings = { ...DEFAULT_POLICY.retry, budgetPercent: 0, budgetMinPerSecond: 0.1, ...change }
  const budget = new RetryBudget(settings, 0)
  const decision = new RetryPolicy(settings, budget, () => 0).next(call, outcome, CONTEXT)
  return { decision, left: budget.withdraw(0) }
}

describe('what the service says it tried again itself', () => {
  const marked: Outcome = { ...UNAVAILABLE, retried: true }

  it('is not sent again, and costs no budget', () => {
    const { decision, left } = decide(marked)
    expect(decision).toMatchObject({ again: false, why: 'retried' })
    expect(left).toBe(true)
  })

  it('is sent again where that is asked for', () => {
    const { decision, left } = decide(marked, { repeatRetried: true })
    expect(decision).toMatchObject({ again: true, movedOn: false })
    expect(left).toBe(false)
  })

  it.each<[string, Outcome, Parameters<typeof callOf>[0], object]>([
    ['a success', { ...OK, retried: true }, {}, { why: 'not-retryable' }],
    ['a failure that is never retried', { ...BROKEN, retried: true }, {}, { why: 'not-retryable' }],
    ['a call that may not be repeated', marked, { idempotent: false }, { why: 'not-idempotent' }],
    ['a call whose attempts are used up', marked, { tries: 3 }, { why: 'attempts' }],
    ['a connection that never came about', { ...REFUSED, retried: true }, {}, { again: true, movedOn: true }],
  ])('changes nothing for %s', (_, outcome, call, decision) => expect(decide(outcome, {}, callOf(call)).decision).toMatchObject(decision))
})

import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE, type HedgeSettings } from '../../../src/model/hedge.ts'
import { type HedgeContext, HedgePolicy } from '../../../src/resilience/hedge.ts'
import { HedgeBudget } from '../../../src/resilience/hedge-budget.ts'
import { RetryBudget } from '../../../src/resilience/retry-budget.ts'
import { TryTimes } from '../../../src/resilience/try-times.ts'
import { callOf } from '../../support/sample.ts'

const CONTEXT: HedgeContext = { now: 0, hedges: 0, pushedBack: false, replayable: true, hasEndpoint: true, mayResend: true }

function budgetOf(firstTries: number, percent = 5, minPerSecond = 10) {
  const resends = new RetryBudget({ budgetPercent: 20, budgetMinPerSecond: minPerSecond }, 0)
  const budget = new HedgeBudget(percent, resends, 0)
  for (let call = 0; call < firstTries; call++) resends.deposit(0)
  return { budget, resends }
}
const policyOf = (settings: Partial<HedgeSettings> = {}, budget = budgetOf(100).budget, times = new TryTimes()) =>
  new HedgePolicy({ ...DEFAULT_HEDGE, ...settings }, times, budget)
const taken = (budget: HedgeBudget, now: number): number => Array.from({ length: 50 }, () => budget.withdraw(now)).filter(Boolean).length

describe('may it be hedged?', () => {
  it.each<[string, Partial<HedgeContext>, object, string | undefined]>([
    ['a GET', {}, {}, undefined],
    ['a POST', {}, { idempotent: false }, 'not-idempotent'],
    ['as often as it may', { hedges: 1 }, {}, 'max'],
    ['an answer said: no further try', { pushedBack: true }, {}, 'pushback'],
    ['a body that is still being read', { replayable: false }, {}, 'not-replayable'],
    ['too late', { now: 20 }, { deadline: 20 }, 'deadline'],
    ['nobody else to ask', { hasEndpoint: false }, {}, 'no-endpoint'],
    ['limits.maxRetries', { mayResend: false }, {}, 'limit'],
  ])('%s', (_, context, call, why) => expect(policyOf().refusal(callOf(call), { ...CONTEXT, ...context })).toBe(why))

  it('only what is sent is paid for', () => {
    const { budget } = budgetOf(20)
    const policy = policyOf({}, budget)
    expect(policy.refusal(callOf(), { ...CONTEXT, hasEndpoint: false })).toBe('no-endpoint')
    expect([policy.refusal(callOf(), CONTEXT), policy.refusal(callOf(), CONTEXT)]).toEqual([undefined, 'budget'])
  })
})

describe('how long a try is waited for', () => {
  it('a duration is a duration, and false is for ever', () => {
    expect([policyOf({ after: 200 }).delayMs(0), policyOf({ after: false }).delayMs(0)]).toEqual([200, undefined])
  })

  it.each<[HedgeSettings['after'], number]>([
    ['p50', 20],
    ['p95', 20],
    ['p99', 100],
    ['p99.9', 1_000],
  ])('%s is known after %d answers', (after, needed) => {
    const times = new TryTimes()
    const policy = policyOf({ after }, undefined, times)
    for (let answer = 1; answer < needed; answer++) policy.took(10, 0)
    expect(policy.delayMs(0)).toBeUndefined()
    policy.took(10, 0)
    // Looked up anew every two seconds.
    expect([policy.delayMs(1_999), policy.delayMs(2_000)]).toEqual([undefined, 2 ** (14 / 4)])
  })

  it('it is at most a fifth above the percentile, never below it, and 1 ms at least', () => {
    const times = new TryTimes()
    for (let ms = 1; ms <= 100; ms++) times.add(ms, 0)
    for (const percent of [50, 75, 90, 95, 99]) {
      expect(times.percentile(percent, 0)).toBeGreaterThanOrEqual(percent)
      expect(times.percentile(percent, 0)).toBeLessThanOrEqual(percent * 1.2)
    }
    const quick = new TryTimes()
    for (let call = 0; call < 100; call++) quick.add(0.1, 0)
    expect(quick.percentile(95, 0)).toBe(1)
  })

  it('forgets what is 30 s old', () => {
    const times = new TryTimes()
    for (let call = 0; call < 100; call++) times.add(500, 0)
    for (let call = 0; call < 100; call++) times.add(5, 20_000)
    expect(times.percentile(95, 20_000)).toBeGreaterThan(400)
    expect(times.percentile(95, 33_000)).toBeLessThan(7)
    expect(times.percentile(95, 60_000)).toBeUndefined()
  })
})

describe('what hedges may cost', () => {
  it.each([
    [19, 0],
    [20, 1],
    [100, 5],
    [1_000, 50],
  ])('after %d first tries: %d hedges', (firstTries, hedges) => expect(taken(budgetOf(firstTries, 5, 100).budget, 0)).toBe(hedges))

  it('at a call in ten seconds one of twenty is hedged', () => {
    const { budget, resends } = budgetOf(0)
    let sent = 0
    for (let call = 0; call < 200; call++) {
      resends.deposit(call * 10_000)
      if (budget.withdraw(call * 10_000)) sent++
    }
    expect(sent).toBe(10)
  })

  it('what nobody used is not saved up for later', () => {
    const { budget } = budgetOf(10_000, 5, 1_000)
    expect(taken(budget, 60_000)).toBe(1)
  })

  it('hedges take from the budget of retries, and heed it', () => {
    const { budget, resends } = budgetOf(1_000, 50, 0)
    expect(Array.from({ length: 150 }, () => resends.withdraw(0)).filter(Boolean)).toHaveLength(150)
    expect(taken(budget, 0)).toBe(50)
    expect(resends.withdraw(0)).toBe(false)
  })

  it('0 % is none, and another share holds from then on', () => {
    const { budget, resends } = budgetOf(1_000, 0)
    expect(taken(budget, 0)).toBe(0)
    budget.reconfigure(10)
    expect(taken(budget, 0)).toBe(0)
    for (let call = 0; call < 100; call++) resends.deposit(0)
    expect(taken(budget, 0)).toBe(10)
  })
})

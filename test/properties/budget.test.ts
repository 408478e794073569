import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HedgeBudget } from '../../src/resilience/hedge-budget.ts'
import { RetryBudget } from '../../src/resilience/retry-budget.ts'

describe('the budget, to the millisecond', () => {
  it('no ten seconds that end with a re-send hold more than it allows', () => {
    const event = fc.tuple(fc.constantFrom('first', 'resend', 'burst'), fc.integer({ min: 0, max: 4_000 }))
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 120 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 5 }),
        (events, percent, min) => {
          const budget = new RetryBudget({ budgetPercent: percent, budgetMinPerSecond: min }, 0)
          const firsts: number[] = []
          const resends: number[] = []
          let now = 0
          for (const [kind, wait] of events) {
            now += wait
            if (kind === 'first') {
              budget.deposit(now)
              firsts.push(now)
              continue
            }
            for (let left = kind === 'burst' ? 60 : 1; left > 0 && budget.withdraw(now); left--) {
              resends.push(now)
              const within = (times: readonly number[]): number => times.filter((time) => time > now - 10_000).length
              expect(within(resends)).toBeLessThanOrEqual(Math.max(10 * min, (percent / 100) * within(firsts)) + 1e-9)
            }
          }
        },
      ),
    )
  })

  it('a burst late in a second does not make room for another nine seconds later', () => {
    const budget = new RetryBudget({ budgetPercent: 0, budgetMinPerSecond: 10 }, 0)
    const burst = (now: number): number => Array.from({ length: 150 }, () => budget.withdraw(now)).filter(Boolean).length
    expect([burst(999), burst(10_000), burst(10_998), burst(11_000)]).toEqual([100, 0, 0, 100])
  })
})

describe('the budget of hedges', () => {
  it('over any time they are at most their share of the first tries; within ten seconds too, or one', () => {
    const event = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 6_000 }))
    fc.assert(
      fc.property(fc.array(event, { maxLength: 150 }), fc.integer({ min: 0, max: 30 }), (events, percent) => {
        const resends = new RetryBudget({ budgetPercent: 100, budgetMinPerSecond: 1_000 }, 0)
        const budget = new HedgeBudget(percent, resends, 0)
        const firsts: number[] = []
        const hedges: number[] = []
        let now = 0
        for (const [calls, wait] of events) {
          now += wait
          for (let call = 0; call < calls; call++) {
            resends.deposit(now)
            firsts.push(now)
            if (!budget.withdraw(now)) continue
            hedges.push(now)
            const within = (times: readonly number[]): number => times.filter((time) => time > now - 10_000).length
            expect(hedges.length).toBeLessThanOrEqual((percent / 100) * firsts.length + 1e-3)
            expect(within(hedges)).toBeLessThanOrEqual(Math.max(1, (percent / 100) * within(firsts)) + 1e-9)
          }
        }
      }),
    )
  })
})

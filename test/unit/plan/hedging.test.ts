import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE } from '../../../src/model/hedge.ts'
import { Hedging } from '../../../src/plan/hedging.ts'
import { RetryBudget } from '../../../src/resilience/retry-budget.ts'
import { callOf } from '../../support/sample.ts'

const context = { now: 0, hedges: 0, pushedBack: false, replayable: true, hasEndpoint: true, mayResend: true }

function hedging(settings: ConstructorParameters<typeof Hedging>[0] = DEFAULT_HEDGE) {
  const resends = new RetryBudget({ budgetPercent: 20, budgetMinPerSecond: 10 }, 0)
  return { resends, hedging: new Hedging(settings, resends, 0) }
}

describe('what hedging knows of a service', () => {
  it('outlives the policies that are pushed', () => {
    const { hedging: living } = hedging()
    for (let call = 0; call < 50; call++) living.policy(DEFAULT_HEDGE)?.took(100, 0)
    const other = { ...DEFAULT_HEDGE, after: 'p50' as const }
    expect(living.policy(other)?.delayMs(0)).toBeGreaterThanOrEqual(100)
  })

  it('keeps the times of each rule apart, whatever is pushed', () => {
    const { hedging: living } = hedging()
    const [quick, slow] = [{}, {}]
    for (let call = 0; call < 50; call++) {
      living.policy(DEFAULT_HEDGE, quick)?.took(5, 0)
      living.policy(DEFAULT_HEDGE, slow)?.took(500, 0)
    }
    expect(living.policy(DEFAULT_HEDGE, quick)?.delayMs(0)).toBeLessThan(7)
    expect(living.policy(DEFAULT_HEDGE, slow)?.delayMs(0)).toBeGreaterThanOrEqual(500)
    expect(living.policy(DEFAULT_HEDGE)?.delayMs(0)).toBeUndefined()
  })

  it('has one budget for all rules, 5 % where only they hedge', () => {
    const { hedging: living, resends } = hedging(false)
    for (let call = 0; call < 40; call++) resends.deposit(0)
    const refusals = [{}, {}, {}].map((rule) => living.policy(DEFAULT_HEDGE, rule)?.refusal(callOf(), context))
    expect([living.policy(false), refusals]).toEqual([undefined, [undefined, undefined, 'budget']])
  })

  it('another share holds for what comes', () => {
    const { hedging: living, resends } = hedging()
    living.reconfigure({ ...DEFAULT_HEDGE, extraLoadPercent: 50 })
    for (let call = 0; call < 4; call++) resends.deposit(0)
    const ask = () => living.policy(DEFAULT_HEDGE)?.refusal(callOf(), context)
    expect([ask(), ask(), ask()]).toEqual([undefined, undefined, 'budget'])
  })
})

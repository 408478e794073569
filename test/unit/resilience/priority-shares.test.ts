import { describe, expect, it } from 'vitest'
import type { Priority } from '../../../src/core/call.ts'
import type { Permit } from '../../../src/core/gate.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_ADAPTIVE_CONCURRENCY } from '../../../src/model/adaptive-concurrency.ts'
import { AdaptiveConcurrency } from '../../../src/resilience/adaptive-concurrency.ts'
import { OK } from '../../support/sample.ts'

/** A limit of twenty. */
function gate() {
  const time = { now: 0 }
  const made = new AdaptiveConcurrency('orders', { ...DEFAULT_ADAPTIVE_CONCURRENCY, algorithm: 'vegas' }, { time, random: seededRandom(1) })
  const permits: Permit[] = []
  /** How many of so many are let go. */
  const ask = (priority: Priority | undefined, times = 40): number => {
    let taken = 0
    for (let call = 0; call < times; call++) {
      const answer = made.admit(priority === undefined ? undefined : { priority })
      if (answer.refused === true) continue
      permits.push(answer)
      taken++
    }
    return taken
  }
  const end = (): void => permits.splice(0).forEach((permit) => void permit.settle({ ...OK, verdict: 'ignored' }))
  return { made, time, ask, end }
}

describe('an adaptive limit', () => {
  it('refuses the most urgent calls last', () => {
    const { ask, end } = gate()
    ask('high', 1)
    expect([ask('low'), ask('normal'), ask('high')]).toEqual([15, 2, 2])
    end()
    expect([ask('high'), ask('normal'), ask('low')]).toEqual([20, 0, 0])
  })

  it.each<[Priority | undefined]>([['low'], ['normal'], ['high'], [undefined]])(
    'is all for calls that are %s where there are no others',
    (priority) => {
      expect(gate().ask(priority)).toBe(20)
    },
  )

  it('holds nothing back any more ten seconds after the last one came that was more urgent', () => {
    const { ask, end, time } = gate()
    expect([ask('normal', 1), ask('low')]).toEqual([1, 15])
    end()
    time.now = 9_999
    expect(ask('low')).toBe(16)
    end()
    time.now = 10_000
    expect(ask('low')).toBe(20)
  })

  it('says so, in refusals and in what it is', () => {
    const { ask, made } = gate()
    ask('high', 1)
    ask('normal', 17)
    expect(made.describe()).toEqual({
      state: '18 of 20 calls in flight',
      because: 'by vegas; calls of normal priority up to 18, of low up to 16',
      admits: false,
    })
    const { reason } = made.admit({ priority: 'normal' }) as { reason: string }
    expect(reason).toBe('adaptiveConcurrency of orders is reached: 18 calls in flight, the last 2 of 20 are for more urgent ones')
    ask('high', 2)
    expect((made.admit({ priority: 'high' }) as { reason: string }).reason).toBe(
      'adaptiveConcurrency of orders is reached: 20 calls in flight',
    )
    expect(made.admit({ priority: 'high' })).toBe(made.admit({ priority: 'high' }))
  })
})

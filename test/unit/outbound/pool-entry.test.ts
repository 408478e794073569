import { describe, expect, it } from 'vitest'
import type { Pool } from '../../../src/outbound/pool.ts'
import { PoolEntry } from '../../../src/outbound/pool-entry.ts'
import type { Wire } from '../../../src/outbound/wire.ts'
import type { ConnectionLimit } from '../../../src/resilience/connection-limit.ts'

const poolWith = (stats: Partial<Pool['stats']>): Pool =>
  ({ stats: { connected: 0, free: 0, pending: 0, running: 0, ...stats } }) as unknown as Pool

/** An entry whose pool was replaced at 0, and what was retired of it. */
function replaced(former: Partial<Pool['stats']>, present: Partial<Pool['stats']>) {
  const retired: Pool[] = []
  const before = poolWith(former)
  const now = poolWith(present)
  const entry = new PoolEntry({} as Wire, {} as ConnectionLimit, before, 0, undefined, (pool) => void retired.push(pool))
  entry.succeed(now, 0)
  return { entry, before, now, retired }
}

describe('a hand-over', () => {
  it.each<[string, Partial<Pool['stats']>, Partial<Pool['stats']>, 'before' | 'now']>([
    ['opens the first connection', { connected: 8 }, {}, 'now'],
    ['stays with the former while one is opened', { connected: 8 }, { pending: 1 }, 'before'],
    ['takes what is free', { connected: 8 }, { connected: 1, free: 1, pending: 1 }, 'now'],
    ['opens one more when all are busy', { connected: 8 }, { connected: 2, running: 2 }, 'now'],
    ['does not wait for a former that has nothing connected', { connected: 0 }, { pending: 1 }, 'now'],
  ])('%s', (_, former, present, which) => {
    const made = replaced(former, present)
    expect(made.entry.take(1_000)).toBe(made[which])
    expect(made.retired).toEqual([])
    expect(made.entry.pools).toEqual([made.now, made.before])
  })

  it('ends after five seconds, by a call or by a sweep', () => {
    for (const end of ['take', 'sweep'] as const) {
      const { entry, now, before, retired } = replaced({ connected: 8 }, { pending: 1 })
      entry.sweep(4_999)
      expect(entry.take(4_999)).toBe(before)
      entry[end](5_000)
      expect(retired).toEqual([before])
      expect(entry.take(5_001)).toBe(now)
      expect(entry.pools).toEqual([now])
    }
  })

  it('never keeps two former pools', () => {
    const { entry, before, now, retired } = replaced({ connected: 8 }, { connected: 3 })
    const next = poolWith({})
    entry.succeed(next, 1_000)
    expect([retired, entry.pools]).toEqual([[before], [next, now]])
    expect([entry.isFormer(now), entry.isFormer(next)]).toEqual([true, false])
  })

  it('is idle when nobody called and nothing is under way', () => {
    const { entry } = replaced({}, { running: 1 })
    expect(entry.isIdle(10_000, 5_000)).toBe(false)
    const still = replaced({}, {}).entry
    expect([still.isIdle(5_000, 5_000), still.isIdle(5_001, 5_000)]).toEqual([false, true])
  })
})

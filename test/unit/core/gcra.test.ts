import { describe, expect, it } from 'vitest'
import { Gcra } from '../../../src/core/gcra.ts'

/** `requests` in a second, `burst` at once. */
const gcra = (requests: number, burst: number) => new Gcra({ ratePerMs: requests / 1_000, burst }, 0)

function taken(meter: Gcra, now: number, tries = 100): number {
  let count = 0
  for (let each = 0; each < tries; each++) if (meter.take(now)) count++
  return count
}

describe('GCRA', () => {
  it('lets the burst go, then one at a time, and says when', () => {
    const meter = gcra(10, 5)
    expect([meter.left(0), meter.waitMs(0), taken(meter, 0), meter.left(0)]).toEqual([5, 0, 5, 0])
    expect(meter.waitMs(0)).toBe(100)
    expect(meter.waitMs(60)).toBe(40)
    expect([taken(meter, 99), taken(meter, 100), taken(meter, 100)]).toEqual([0, 1, 0])
    expect([taken(meter, 350), taken(meter, 10_000)]).toEqual([2, 5])
  })

  it('remembers one number: when the next call is due', () => {
    const meter = gcra(10, 5)
    meter.take(0)
    expect(meter.due).toBe(100)
    meter.take(40)
    expect(meter.due).toBe(200)
    meter.take(1_000)
    expect(meter.due).toBe(1_100)
  })

  it('tolerates a second, as Linkerd does, when the burst is what the rate gives in one', () => {
    const meter = gcra(7, 7)
    expect([taken(meter, 0), taken(meter, 999.9), taken(meter, 1_000)]).toEqual([7, 6, 1])
  })

  it('whoever waits exactly as long as it says gets his, after months too', () => {
    const now = 1e10
    for (const requests of [3, 7, 999, 12_345]) {
      const meter = new Gcra({ ratePerMs: requests / 1_000, burst: 3 }, now)
      taken(meter, now)
      for (let at = now, turn = 0; turn < 100; turn++) {
        at += meter.waitMs(at)
        expect(meter.take(at)).toBe(true)
      }
    }
  })

  it('a push refills nothing: what was spent stays spent, counted in calls', () => {
    const meter = gcra(1, 10)
    taken(meter, 0, 6)
    meter.reconfigure({ ratePerMs: 1, burst: 8 }, 0)
    expect([meter.left(0), meter.spent(0)]).toEqual([2, 6])
    meter.reconfigure({ ratePerMs: 0.001, burst: 4 }, 0)
    expect([meter.left(0), meter.waitMs(0)]).toEqual([0, 3_000])
  })
})

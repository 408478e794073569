import { describe, expect, it } from 'vitest'
import { backoffMs, jittered } from '../../../src/core/backoff.ts'
import { Loop } from '../../../src/core/loop.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** Everything that promises have to do; p-retry is loaded at the first round, so it takes real turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a control loop', () => {
  it('goes on at its interval, backs off while it fails, begins anew after a success, and stops', async () => {
    const clock = new VirtualClock()
    const begun: number[] = []
    const failures: unknown[] = []
    let fails = false
    await import('p-retry')
    const loop = new Loop({
      clock,
      random: () => 1,
      backoff: { baseMs: 1_000, maxMs: 4_000 },
      round: async () => {
        begun.push(clock.now())
        // What p-retry would take for a mistake in the code, and give up on.
        if (fails) throw new TypeError('broken')
        return 10_000
      },
      failed: (error) => {
        failures.push(error)
        return failures.length === 5 ? 60_000 : undefined
      },
    })
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 500) {
        clock.advance(500)
        await settle()
      }
    }
    await settle()
    await pass(10_000)
    fails = true
    await pass(26_000)
    // 1, 2, 4, 4 s after each failure.
    expect(begun).toEqual([0, 10_000, 20_000, 21_000, 23_000, 27_000, 31_000])
    expect(failures[0]).toBeInstanceOf(TypeError)
    fails = false
    await pass(50_000)
    expect(begun.slice(7)).toEqual([])
    await pass(20_000)
    expect(begun.slice(7)).toEqual([91_000, 101_000])
    loop.stop()
    expect(clock.timers).toBe(0)
    await pass(60_000)
    expect(begun).toHaveLength(9)
  })

  it.each([
    [1, 0, 500],
    [1, 1, 1_000],
    [3, 1, 4_000],
    [5, 0.5, 7_500],
    [1_000_000, 1, 10_000],
  ])('after %s failures and with random %s it waits %s ms', (failures, random, ms) => {
    expect(backoffMs(failures, { baseMs: 1_000, maxMs: 10_000 }, () => random)).toBe(ms)
  })

  it('jitter is ten percent to both sides', () => {
    expect([0, 0.5, 1].map((random) => jittered(1_000, () => random))).toEqual([900, 1_000, 1_100])
  })
})

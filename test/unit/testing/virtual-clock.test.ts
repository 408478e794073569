import { describe, expect, it } from 'vitest'
import { seededRandom, VirtualClock } from '../../../src/testing/index.ts'

describe('the virtual clock', () => {
  it('fires in the order of times, and at one time in the order of setting', () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    for (const [name, delay] of Object.entries({ c: 20, a: 10, d: 20, b: 10, late: 31 }))
      clock.setTimer(() => fired.push(`${name}@${clock.now()}`), delay)
    clock.advance(30)
    expect(fired).toEqual(['a@10', 'b@10', 'c@20', 'd@20'])
    expect([clock.now(), clock.timers]).toEqual([30, 1])
  })

  it('what a timer sets fires in the same advance when its time comes', () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    const again = (): void => {
      fired.push(clock.now())
      clock.setTimer(again, 10)
    }
    clock.setTimer(again, 10)
    clock.advance(35)
    expect(fired).toEqual([10, 20, 30])
  })

  it('a timer that was cancelled does not fire, also when another cancels it at its own time', () => {
    const clock = new VirtualClock()
    const fired: string[] = []
    clock.setTimer(() => second.cancel(), 10)
    const second = clock.setTimer(() => fired.push('second'), 10)
    second.cancel()
    second.cancel()
    clock.advance(20)
    expect([fired, clock.timers]).toEqual([[], 0])
  })

  it('keeps the order among a thousand that come and go', () => {
    const clock = new VirtualClock()
    const random = seededRandom(3)
    const expected: number[] = []
    const fired: number[] = []
    for (let count = 0; count < 1_000; count++) {
      const delay = Math.floor(random() * 500)
      const timer = clock.setTimer(() => fired.push(delay), delay)
      if (random() < 0.4) timer.cancel()
      else expected.push(delay)
    }
    clock.advance(500)
    expect(fired).toEqual(expected.sort((a, b) => a - b))
  })
})

import { describe, expect, it } from 'vitest'
import type { Priority } from '../../../src/core/call.ts'
import { IGNORED } from '../../../src/core/outcome.ts'
import { DEFAULT_THROTTLE, type ThrottleSettings } from '../../../src/model/throttle.ts'
import { rejectShare, Throttle } from '../../../src/resilience/throttle.ts'
import { callOf, OK, UNAVAILABLE } from '../../support/sample.ts'

function throttleWith(change: Partial<ThrottleSettings> = {}) {
  const time = { now: 0 }
  const random = { next: 0 }
  const settings = { ...DEFAULT_THROTTLE, ...change }
  const throttle = new Throttle('orders', settings, time, () => random.next)
  const ended = (successes: number, failures: number): void => {
    for (let call = 0; call < successes; call++) throttle.settle(OK)
    for (let call = 0; call < failures; call++) throttle.settle(UNAVAILABLE)
  }
  /** Whether a call that draws this is sent. */
  const sends = (drawn: number, priority: Priority = 'normal'): boolean => {
    random.next = drawn
    return throttle.admit(callOf({ priority })).refused !== true
  }
  return { throttle, time, settings, ended, sends }
}

describe('the share that is refused', () => {
  it.each([
    [100, 100, 0],
    [100, 95, 0],
    [100, 90, 0.0521],
    [100, 50, 0.469],
    [100, 0, 0.8],
    [0, 0, 0],
    [1, 0, 0.5],
  ])("of %d calls %d succeeded: %d, as Envoy's", (requests, successes, share) =>
    expect(rejectShare(requests, successes, DEFAULT_THROTTLE)).toBeCloseTo(share, 3),
  )

  it('aggression bends it, and the most of it is bounded', () => {
    expect(rejectShare(100, 50, { ...DEFAULT_THROTTLE, aggression: 2 })).toBeCloseTo(Math.sqrt(0.469), 3)
    expect(rejectShare(100, 50, { ...DEFAULT_THROTTLE, aggression: 0.5 })).toBeCloseTo(0.469 ** 2, 3)
    expect(rejectShare(100, 0, { ...DEFAULT_THROTTLE, maxRejectPercent: 30 })).toBe(0.3)
    // The K of Google's book is 100 ÷ successPercent.
    expect(rejectShare(100, 40, { ...DEFAULT_THROTTLE, successPercent: 50 })).toBeCloseTo(20 / 101, 9)
  })
})

describe('a throttle', () => {
  it('refuses by chance, says why, and counts nothing of what it refused', () => {
    const { throttle, ended, sends } = throttleWith()
    ended(50, 50)
    expect([sends(0.46), sends(0.48)]).toEqual([false, true])
    expect(throttle.admit(callOf()).refused).toBeUndefined()
    expect(throttle.stats()).toEqual({ requests: 100, successes: 50, rejectPercent: 46.9, refused: 1 })
    expect(throttle.describe()).toEqual({ state: 'refuses 46.9 % of calls', because: '50 of 100 succeeded', admits: undefined })
    sends(0)
    expect(throttle.stats()).toMatchObject({ requests: 100, refused: 2 })
  })

  it('what is nobody’s fault counts for nothing', () => {
    const { throttle } = throttleWith()
    throttle.settle(IGNORED)
    expect(throttle.stats()).toMatchObject({ requests: 0, rejectPercent: 0 })
  })

  it('spares high priority until more than half is refused, and low priority goes first', () => {
    const { ended, sends } = throttleWith()
    ended(50, 50)
    expect([sends(0, 'high'), sends(0.79, 'low'), sends(0.81, 'low')]).toEqual([true, false, true])
    ended(0, 50)
    // Now 0.645 of normal ones.
    expect([sends(0.28, 'high'), sends(0.3, 'high'), sends(0.64), sends(0.65)]).toEqual([false, true, false, true])
  })

  it('forgets after its window', () => {
    const { throttle, time, ended, sends } = throttleWith()
    ended(0, 100)
    expect(sends(0.79)).toBe(false)
    time.now = 33_000
    expect([sends(0), throttle.stats().requests]).toEqual([true, 0])
  })

  it('leaves alone what is hardly called', () => {
    const { ended, sends } = throttleWith({ minPerSecond: 5 })
    ended(0, 149)
    expect(sends(0)).toBe(true)
    ended(0, 1)
    expect(sends(0)).toBe(false)
  })

  it('a push keeps what was counted', () => {
    const { throttle, settings, ended } = throttleWith()
    ended(50, 50)
    throttle.reconfigure({ ...settings, windowMs: 10_000, maxRejectPercent: 10 })
    expect(throttle.stats()).toEqual({ requests: 100, successes: 50, rejectPercent: 10, refused: 0 })
  })
})

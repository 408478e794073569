import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/core/clock.ts'
import { TimerWheel, WheelEntry } from '../../../src/core/timer-wheel.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

class Wait extends WheelEntry {
  readonly firedAt: number[] = []
  private readonly hear: ((now: number) => void) | undefined
  constructor(hear?: (now: number) => void) {
    super()
    this.hear = hear
  }
  override onTime(now: number): void {
    this.firedAt.push(now)
    this.hear?.(now)
  }
}

describe('the timer wheel', () => {
  it.each([0, 1, 9, 10, 11, 499, 5_110, 5_120, 5_130, 60_000, 1_000_000])(
    'a wait of %d ms ends at the first tick at or after it',
    (delay) => {
      const clock = new VirtualClock()
      const wheel = new TimerWheel(clock)
      const wait = new Wait()
      wheel.set(wait, delay)
      clock.advance(delay - 1)
      expect(wait.firedAt).toEqual([])
      clock.advance(21)
      expect(wait.firedAt).toHaveLength(1)
      expect(wait.firedAt[0]).toBeGreaterThanOrEqual(delay)
      expect(wait.firedAt[0]).toBeLessThanOrEqual(delay + 20)
    },
  )

  it('what one entry throws neither stops the others nor the clock', () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock)
    const broken = (): never => {
      throw new Error('broken')
    }
    const [before, after, later] = [new Wait(), new Wait(), new Wait()]
    for (const wait of [before, new Wait(broken), after]) wheel.set(wait, 10)
    wheel.set(later, 100)
    expect(() => clock.advance(20)).toThrow('broken')
    clock.advance(120)
    expect([before, after, later].map(({ firedAt }) => firedAt.length)).toEqual([1, 1, 1])
  })

  it('timers that are always late do not add up', () => {
    const clock = new VirtualClock()
    const late: Clock = {
      now: () => clock.now(),
      wallTime: () => 0,
      setTimer: (fire, delay) => clock.setTimer(fire, Math.ceil(delay) + 2.3),
      afterPoll: (fire) => fire(),
    }
    const wheel = new TimerWheel(late)
    const waits = [100, 1_000, 4_000, 10_000, 30_000].map((at) => ({ at, wait: new Wait() }))
    for (const { at, wait } of waits) wheel.set(wait, at)
    clock.advance(31_000)
    for (const { at, wait } of waits) {
      expect(wait.firedAt).toHaveLength(1)
      expect(wait.firedAt[0] as number).toBeGreaterThanOrEqual(at)
      expect(wait.firedAt[0] as number).toBeLessThanOrEqual(at + 14)
    }
  })

  it('a wait that is put in between two ticks is not a tick longer for it', () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock)
    wheel.set(new Wait(), 5_000)
    for (let step = 0; step < 200; step++) {
      clock.advance(3.7)
      const wait = new Wait()
      wheel.read()
      const at = clock.now() + 37 + step / 7
      wheel.set(wait, at)
      clock.advance(100)
      expect((wait.firedAt[0] as number) - at).toBeGreaterThanOrEqual(-1e-4)
      expect((wait.firedAt[0] as number) - at).toBeLessThanOrEqual(10 + 1e-4)
    }
  })

  it('ticks only while something waits', () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock)
    const wait = new Wait()
    expect(clock.timers).toBe(0)
    wheel.set(wait, 100)
    expect(clock.timers).toBe(1)
    wheel.remove(wait)
    clock.advance(20)
    expect(clock.timers).toBe(0)
    // After an idle hour the first wait is as exact as ever.
    clock.advance(3_600_000)
    wheel.set(wait, clock.now() + 50)
    clock.advance(70)
    expect(wait.firedAt).toHaveLength(1)
  })

  it('moving, removing and adding inside onTime does no harm', () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock)
    const others = Array.from({ length: 5 }, () => new Wait())
    const first = new Wait((now) => {
      for (const other of others.slice(0, 3)) wheel.remove(other)
      wheel.set(others[3] as Wait, now + 500)
    })
    for (const other of others) wheel.set(other, 100)
    wheel.set(first, 100)
    clock.advance(130)
    expect(others.map(({ firedAt }) => firedAt.length)).toEqual([0, 0, 0, 0, 1])
    clock.advance(500)
    expect(others[3]?.firedAt).toHaveLength(1)
    expect(wheel.size).toBe(0)
  })

  it('many random waits: each fires once, never early, at most two ticks late', () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock)
    const waits = Array.from({ length: 2_000 }, (_, index) => ({ wait: new Wait(), at: (index * 7_919) % 20_000 }))
    for (const { wait, at } of waits) wheel.set(wait, at)
    expect(wheel.entries()).toHaveLength(2_000)
    clock.advance(20_050)
    for (const { wait, at } of waits) {
      expect(wait.firedAt).toHaveLength(1)
      expect((wait.firedAt[0] as number) - at).toBeGreaterThanOrEqual(0)
      expect((wait.firedAt[0] as number) - at).toBeLessThanOrEqual(20)
    }
  })

  it('after a stall the events that wait in the kernel go first', () => {
    const clock = new VirtualClock()
    const order: string[] = []
    const stalled: Clock = {
      now: () => clock.now(),
      wallTime: () => 0,
      setTimer: (fire, delay) => clock.setTimer(fire, delay + 2_000),
      afterPoll: (fire) => {
        order.push('poll')
        fire()
      },
    }
    const wheel = new TimerWheel(stalled)
    const answered = new Wait(() => order.push('deadline'))
    wheel.set(answered, 100)
    clock.advance(2_100)
    expect(order).toEqual(['poll', 'deadline'])
  })
})

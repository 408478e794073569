import { describe, expect, it } from 'vitest'
import { Readiness } from '../../../src/inbound/readiness.ts'
import { WarmUp } from '../../../src/inbound/warm-up.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** Readiness that waits for `other` and for the first checks, as the mesh puts it together. */
function warming(timeoutMs = 10_000) {
  const clock = new VirtualClock()
  const other: string[] = []
  const unchecked: string[] = []
  const told: boolean[] = []
  let asked = 0
  const readiness: Readiness = new Readiness(() => {}, { asked: () => void asked++, over: () => warmUp.close() })
  const warmUp = new WarmUp({ clock, timeoutMs, unchecked: () => unchecked, over: () => readiness.check() })
  readiness.require(() => [...other, ...warmUp.missing(other.length === 0)])
  readiness.onChange((ready) => told.push(ready))
  return { clock, other, unchecked, told, readiness, asked: () => asked }
}

const ORDERS = 'orders: 2 of 3 endpoints not checked yet'

describe('readiness and the first checks', () => {
  it('names who was not checked yet beside what else is missing, and is ready when nobody is left', () => {
    const { clock, other, unchecked, told, readiness, asked } = warming()
    other.push('registry')
    unchecked.push(ORDERS)
    expect(readiness.look()).toEqual({ ready: false, state: 'starting', missing: ['registry', ORDERS] })
    other.length = 0
    expect(readiness.look().missing).toEqual([ORDERS])
    expect([asked(), clock.timers]).toEqual([2, 1])
    unchecked.length = 0
    readiness.check()
    expect(readiness.look()).toEqual({ ready: true, state: 'ready', missing: [] })
    expect([told, asked(), clock.timers]).toEqual([[true], 2, 0])
  })

  it('waits no longer than its time, counted from when nothing else was missing', () => {
    const { clock, other, unchecked, told, readiness } = warming()
    other.push('registry')
    unchecked.push(ORDERS)
    readiness.check()
    clock.advance(60_000)
    expect([readiness.ready, clock.timers]).toEqual([false, 0])
    other.length = 0
    readiness.check()
    clock.advance(9_999)
    expect(told).toEqual([])
    clock.advance(1)
    expect([told, readiness.look().state]).toEqual([[true], 'ready'])
  })

  it('its time is not given again: who keeps coming new does not hold it', () => {
    const { clock, unchecked, readiness } = warming()
    for (let turn = 0; turn < 10; turn++) {
      unchecked[0] = `service ${turn}: 1 of 1 endpoints not checked yet`
      expect(readiness.ready).toBe(false)
      clock.advance(1_000)
    }
    expect(readiness.ready).toBe(true)
  })

  it('0 means that it does not wait', () => {
    const { unchecked, readiness } = warming(0)
    unchecked.push(ORDERS)
    expect(readiness.ready).toBe(true)
  })

  it('nothing is left of it when the process leaves before it was ready', () => {
    const { clock, unchecked, readiness } = warming()
    unchecked.push(ORDERS)
    readiness.check()
    expect(clock.timers).toBe(1)
    readiness.become('draining')
    expect(clock.timers).toBe(0)
  })
})

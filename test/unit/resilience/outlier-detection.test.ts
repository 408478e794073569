import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { OutlierSettings } from '../../../src/model/outlier-detection.ts'
import { OutlierDetector } from '../../../src/resilience/outlier-detection.ts'
import { BROKEN, endpointsOf, OK, outcomeOf, REFUSED } from '../../support/sample.ts'

const SETTINGS: OutlierSettings = {
  consecutiveFailures: 5,
  ejectForMs: 30_000,
  maxEjectForMs: 300_000,
  maxEjectedPercent: 50,
  intervalMs: 10_000,
  failurePercent: false,
  latency: false,
  minRequests: 20,
  compare: 'relative',
}

function make(count: number, settings: Partial<typeof SETTINGS> = {}) {
  const set = new EndpointSet(50, Math.random)
  const endpoints = endpointsOf(count)
  set.replace(endpoints)
  const events: string[] = []
  const detector = new OutlierDetector({ ...SETTINGS, ...settings }, set, {
    ejected: ({ id }, { forMs }) => events.push(`-${id} ${forMs}`),
    restored: ({ id }) => events.push(`+${id}`),
  })
  const fail = (endpoint: Endpoint, times: number, now: number): void => {
    for (let time = 0; time < times; time++) detector.observe(endpoint, BROKEN, now)
  }
  return { set, endpoints, detector, events, fail, first: endpoints[0] as Endpoint }
}

describe('outlier detection', () => {
  it('ejects after five failures in a row, no success between', () => {
    const { detector, first, fail } = make(3)
    fail(first, 4, 0)
    detector.observe(first, OK, 0)
    fail(first, 4, 0)
    expect(first.ejected).toBe(false)
    detector.observe(first, outcomeOf({ verdict: 'ignored' }), 0)
    fail(first, 1, 0)
    expect(first.ejected).toBe(true)
  })

  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [10, 5],
  ])('of %d endpoints at most %d are out', (count, out) => {
    const { endpoints, fail, set } = make(count)
    for (const endpoint of endpoints) fail(endpoint, 5, 0)
    expect(set.ejected).toBe(out)
    expect(endpoints.filter(({ ejected }) => ejected)).toHaveLength(out)
  })

  it('never ejects at 0 percent', () => {
    const { endpoints, fail, set } = make(10, { maxEjectedPercent: 0 })
    for (const endpoint of endpoints) fail(endpoint, 50, 0)
    expect(set.ejected).toBe(0)
  })

  it('lets it be probed after its time, and ejects it longer each time the probe fails', () => {
    const { detector, first, fail, events } = make(3)
    let now = 0
    for (const forMs of [30_000, 60_000, 90_000]) {
      fail(first, 5, now)
      now += forMs - 1
      detector.restoreDue(now)
      expect(first.recovering).toBe(false)
      now += 1
      detector.restoreDue(now)
      expect(first.recovering).toBe(true)
    }
    expect(events.filter((event) => event.startsWith('-')).map((event) => Number(event.split(' ')[1]))).toEqual([30_000, 60_000, 90_000])
  })

  it('grows to five minutes, and no further', () => {
    const { detector, first, fail } = make(3)
    let now = 0
    for (let round = 0; round < 15; round++) {
      fail(first, 5, now)
      expect(first.ejectedUntil - now).toBe(Math.min(30_000 * (round + 1), 300_000))
      now = first.ejectedUntil
      detector.restoreDue(now)
    }
  })

  it('takes the growth back, a step for each quiet interval', () => {
    const { detector, first, fail } = make(3)
    fail(first, 5, 0)
    detector.restoreDue(30_000)
    fail(first, 5, 30_000)
    detector.restoreDue(90_000)
    detector.observe(first, OK, 90_000)
    fail(first, 5, 90_000 + 20_000)
    expect(first.ejectedUntil).toBe(110_000 + 30_000)
  })

  it('late failures of tries that began before do not prolong it', () => {
    const { first, fail } = make(3)
    fail(first, 5, 0)
    fail(first, 50, 10_000)
    expect(first.ejectedUntil).toBe(30_000)
    expect(first.ejections).toBe(1)
  })

  it('at the cap, one that fails now takes the place of the one that is out longest', () => {
    const { endpoints, fail, events } = make(4)
    const [a, b, c] = endpoints as [Endpoint, Endpoint, Endpoint]
    fail(a, 5, 0)
    fail(b, 5, 500)
    fail(c, 5, 4_000)
    expect(endpoints.map(({ ejected }) => ejected)).toEqual([false, true, true, false])
    fail(a, 5, 4_999)
    expect(a.ejected).toBe(false)
    fail(a, 1, 5_000)
    expect(endpoints.map(({ ejected }) => ejected)).toEqual([true, false, true, false])
    expect(events.map((event) => event.split(' ')[0])).toEqual(
      [a, b].map(({ id }) => `-${id}`).concat(`+${a.id}`, `-${c.id}`, `+${b.id}`, `-${a.id}`),
    )
  })

  it('refused connects take nobody’s place: moving on is free', () => {
    const { endpoints, detector, fail, first } = make(3)
    fail(first, 5, 0)
    for (let time = 0; time < 50; time++) detector.observe(endpoints[1] as Endpoint, REFUSED, 4_000)
    expect(endpoints.map(({ ejected }) => ejected)).toEqual([true, false, false])
  })

  it('one that was ejected a moment ago keeps its place', () => {
    const { endpoints, fail } = make(3)
    fail(endpoints[0] as Endpoint, 5, 0)
    fail(endpoints[1] as Endpoint, 50, 900)
    expect(endpoints.map(({ ejected }) => ejected)).toEqual([true, false, false])
  })

  it('switched off, everybody comes back', () => {
    const { detector, first, fail, set } = make(3)
    fail(first, 5, 0)
    detector.reconfigure(false, 1_000)
    expect([first.ejected, set.ejected]).toEqual([false, 0])
    fail(first, 50, 2_000)
    expect(first.ejected).toBe(false)
  })

  it('an endpoint that left while it was ejected comes back ejected, and is let in when its time is over', () => {
    const { detector, endpoints, first, fail, set } = make(3)
    fail(first, 5, 0)
    first.removedAt = 1_000
    set.replace(endpoints.slice(1))
    detector.endpointsChanged()
    detector.restoreDue(5_000)
    first.removedAt = undefined
    set.replace(endpoints)
    detector.endpointsChanged()
    detector.restoreDue(20_000)
    expect(set.ejected).toBe(1)
    expect(first.recovering).toBe(false)
    detector.restoreDue(30_000)
    expect(first.recovering).toBe(true)
    detector.observe(first, OK, 30_000)
    expect(set.ejected).toBe(0)
  })
})

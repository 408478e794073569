import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../src/balancing/index.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { OutlierSettings } from '../../src/model/outlier-detection.ts'
import { OutlierDetector } from '../../src/resilience/outlier-detection.ts'
import { endpointsOf, OK, outcomeOf } from '../support/sample.ts'

const SETTINGS: OutlierSettings = {
  consecutiveFailures: 3,
  ejectForMs: 5_000,
  maxEjectForMs: 20_000,
  maxEjectedPercent: 50,
  intervalMs: 10_000,
  failurePercent: false,
  latency: false,
  minRequests: 20,
  compare: 'relative',
}

function make(size: number, settings = SETTINGS) {
  const set = new EndpointSet(50, seededRandom(1))
  set.replace(endpointsOf(size))
  const ejections: { endpoint: Endpoint; at: number; forMs: number }[] = []
  const time = { now: 0 }
  const detector = new OutlierDetector(settings, set, {
    ejected: (endpoint, { forMs }) => ejections.push({ endpoint, at: time.now, forMs }),
    restored() {},
  })
  const fail = (endpoint: Endpoint, latencyMs = 0): void =>
    detector.observe(endpoint, outcomeOf({ verdict: 'failure', status: 503, latencyMs }), time.now)
  return { set, detector, ejections, time, fail }
}

describe('outlier detection', () => {
  it('ejections stay within their bounds, are never extended, and end on time', () => {
    const event = fc.record({ which: fc.nat(), ok: fc.boolean(), wait: fc.integer({ min: 0, max: 9_000 }), latencyMs: fc.nat(30_000) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(100), fc.array(event, { maxLength: 250 }), (size, maxEjectedPercent, events) => {
        const { set, detector, ejections, time, fail } = make(size, { ...SETTINGS, maxEjectedPercent })
        const cap = size < 2 || maxEjectedPercent === 0 ? 0 : Math.max(1, Math.floor((size * maxEjectedPercent) / 100))
        for (const { which, ok, wait, latencyMs } of events) {
          time.now += wait
          detector.restoreDue(time.now)
          const endpoint = set.all[which % size] as Endpoint
          const until = endpoint.ejected ? endpoint.ejectedUntil : undefined
          if (ok) detector.observe(endpoint, OK, time.now)
          else fail(endpoint, latencyMs)
          if (until !== undefined && until > time.now) expect(endpoint.ejectedUntil).toBe(until)
          expect(set.ejected).toBeLessThanOrEqual(cap)
          for (const each of set.all) if (each.ejected && !each.recovering) expect(each.ejectedUntil).toBeGreaterThan(time.now)
        }
        for (const { forMs } of ejections) {
          expect(forMs).toBeGreaterThanOrEqual(SETTINGS.ejectForMs)
          expect(forMs).toBeLessThanOrEqual(SETTINGS.maxEjectForMs)
        }
      }),
    )
  })

  it('failures of tries that began before the last ejection do not eject again', () => {
    const { set, detector, ejections, time, fail } = make(2)
    const endpoint = set.all[0] as Endpoint
    for (let failure = 0; failure < 3; failure++) fail(endpoint)
    time.now = 5_000
    detector.restoreDue(time.now)
    for (let late = 0; late < 10; late++) fail(endpoint, 5_001)
    expect([endpoint.recovering, ejections.length]).toEqual([true, 1])
    detector.observe(endpoint, OK, time.now)
    for (let late = 0; late < 10; late++) fail(endpoint, 5_001)
    expect([endpoint.ejected, endpoint.consecutiveFailures, ejections.length]).toEqual([false, 0, 1])
    for (let fresh = 0; fresh < 3; fresh++) fail(endpoint, 10)
    expect(ejections.map(({ forMs }) => forMs)).toEqual([5_000, 10_000])
  })

  it('switched off, it brings back also one that was away at that moment', () => {
    const { set, detector, fail } = make(2)
    const [a, b] = set.all as [Endpoint, Endpoint]
    for (let failure = 0; failure < 3; failure++) fail(a)
    a.removedAt = 0
    set.replace([b])
    detector.reconfigure(false, 0)
    a.removedAt = undefined
    set.replace([a, b])
    detector.endpointsChanged()
    detector.restoreDue(1)
    expect([a.ejected, set.ejected]).toEqual([false, 0])
  })
})

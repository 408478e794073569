import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { type EnvoyOutlierSettings, EnvoyOutliers } from '../../../src/resilience/envoy-outliers.ts'
import { type GrpcOutlierSettings, GrpcOutliers } from '../../../src/resilience/grpc-outliers.ts'
import { successRateThreshold } from '../../../src/resilience/outlier-buckets.ts'
import { BROKEN, endpointsOf, OK, outcomeOf, REFUSED, UNAVAILABLE } from '../../support/sample.ts'

const SILENT = { ejected() {}, restored() {} }

function groupOf(count: number) {
  const set = new EndpointSet(0, seededRandom(1))
  set.replace(endpointsOf(count))
  return set
}

function envoy(count: number, settings: Partial<EnvoyOutlierSettings> = {}) {
  const set = groupOf(count)
  const detector = new EnvoyOutliers(settings, set, SILENT, seededRandom(1))
  const first = set.all[0] as Endpoint
  const fail = (endpoint: Endpoint, times: number, now = 0, outcome = BROKEN): void => {
    for (let time = 0; time < times; time++) detector.observe(endpoint, outcome, now)
  }
  return { set, detector, first, fail }
}

function grpc(count: number, settings: Partial<GrpcOutlierSettings>) {
  const set = groupOf(count)
  return { set, detector: new GrpcOutliers(settings, set, SILENT, seededRandom(1)) }
}

/** So many of a hundred answers of each endpoint are failures. */
function hundred(set: EndpointSet, observe: (endpoint: Endpoint, ok: boolean) => void, failures: readonly number[]): void {
  for (const [index, endpoint] of set.all.entries())
    for (let answer = 0; answer < 100; answer++) observe(endpoint, answer >= (failures[index] ?? 0))
}

describe('outlier detection as Envoy does it', () => {
  it('the threshold of {50, 100, 100, 100, 100} is 52', () => {
    expect(successRateThreshold([50, 100, 100, 100, 100], 1_900)).toBeCloseTo(52, 10)
  })

  it.each([
    [2, 0, 1],
    [5, 0, 1],
    [9, 0, 1],
    [10, 1, 1],
    [19, 1, 2],
    [20, 2, 2],
  ])('of %d endpoints at the default of 10 percent %d may be out, in gRPC %d', (count, inEnvoy, inGrpc) => {
    const { set, fail } = envoy(count)
    for (const endpoint of set.all) fail(endpoint, 5)
    expect(set.ejected).toBe(inEnvoy)
    const other = grpc(count, { failurePercentage: { minimumHosts: 1 } })
    hundred(other.set, (endpoint, ok) => other.detector.observe(endpoint, ok ? OK : BROKEN), new Array(count).fill(100))
    other.detector.sweep(10_000)
    expect(other.set.ejected).toBe(inGrpc)
  })

  it('always one, where that is asked for', () => {
    const { set, fail, detector } = envoy(2, { alwaysEjectOneHost: true })
    for (const endpoint of set.all) fail(endpoint, 5)
    expect([set.ejected, detector.detected, detector.overflows]).toEqual([1, 2, 1])
  })

  it('a gateway failure is a 5xx as well, a 500 ends a row of them, and a success ends both', () => {
    const gateway = { enforcingConsecutive5xx: 0, enforcingConsecutiveGatewayFailure: 100, maxEjectionPercent: 50 }
    const { first, fail, detector } = envoy(4, gateway)
    fail(first, 4, 0, UNAVAILABLE)
    fail(first, 1)
    fail(first, 4, 0, REFUSED)
    expect([first.ejected, detector.detected]).toEqual([false, 1])
    fail(first, 1, 0, outcomeOf({ verdict: 'failure', kind: 'timeout' }))
    expect(first.ejected).toBe(true)
    const { first: other, fail: failOther } = envoy(4, { maxEjectionPercent: 50 })
    failOther(other, 4)
    failOther(other, 1, 0, OK)
    failOther(other, 4)
    expect(other.ejected).toBe(false)
  })

  it('ejections grow by the base, end at a sweep, and shrink with every quiet interval', () => {
    const { detector, first, fail } = envoy(10)
    const lengths: number[] = []
    let now = 0
    for (let round = 0; round < 12; round++) {
      fail(first, 5, now)
      lengths.push(first.ejectedUntil - now)
      now = first.ejectedUntil
      detector.sweep(now - 1)
      expect(first.ejected).toBe(true)
      detector.sweep(now)
      expect(first.ejected).toBe(false)
    }
    expect(lengths.slice(0, 3)).toEqual([30_000, 60_000, 90_000])
    expect(lengths.slice(9)).toEqual([300_000, 300_000, 300_000])
    // Eleven steps are the most; ten quiet intervals leave one.
    for (let quiet = 1; quiet <= 10; quiet++) detector.sweep(now + quiet * 10_000)
    fail(first, 5, now + 100_000)
    expect(first.ejectedUntil - now - 100_000).toBe(60_000)
  })

  it.each([
    ['at the threshold, in Envoy', 85, true, false],
    ['beyond it', 86, true, true],
    ['below', 84, false, false],
  ])('failure percentage %s', (_, failures, inEnvoy, inGrpc) => {
    const { set, detector } = envoy(10, { enforcingSuccessRate: 0, enforcingFailurePercentage: 100, consecutive5xx: 1_000 })
    hundred(set, (endpoint, ok) => detector.observe(endpoint, ok ? OK : BROKEN, 0), [failures])
    detector.sweep(10_000)
    expect(set.all[0]?.ejected).toBe(inEnvoy)
    const other = grpc(10, { failurePercentage: {} })
    hundred(other.set, (endpoint, ok) => other.detector.observe(endpoint, ok ? OK : BROKEN), [failures])
    other.detector.sweep(10_000)
    expect(other.set.all[0]?.ejected).toBe(inGrpc)
  })

  it.each([5, 6, 7, 8, 9])('two dead of %d hide each other from the success rate', (count) => {
    const { set, detector } = envoy(count, { maxEjectionPercent: 100, consecutive5xx: 1_000 })
    hundred(set, (endpoint, ok) => detector.observe(endpoint, ok ? OK : BROKEN, 0), [100, 100])
    detector.sweep(10_000)
    expect(set.ejected).toBe(0)
  })

  it.each([
    [5, 32],
    [50, 99],
  ])('of %d equal healthy endpoints it flags one in about %d of 100 sweeps, as gRPC does', (count, percent) => {
    const random = seededRandom(2)
    const { set, detector } = envoy(count, { enforcingSuccessRate: 0 })
    const other = grpc(count, { successRate: { enforcementPercentage: 0 } })
    const sweeps = 600
    let flagged = 0
    let inGrpc = 0
    for (let sweep = 1; sweep <= sweeps; sweep++) {
      for (const [index, endpoint] of set.all.entries()) {
        for (let answer = 0; answer < 100; answer++) {
          const outcome = random() < 0.001 ? BROKEN : OK
          detector.observe(endpoint, outcome, 0)
          other.detector.observe(other.set.all[index] as Endpoint, outcome)
        }
      }
      const before = [detector.detected, other.detector.detected]
      detector.sweep(sweep * 10_000)
      other.detector.sweep(sweep * 10_000)
      if (detector.detected > (before[0] as number)) flagged++
      if (other.detector.detected > (before[1] as number)) inGrpc++
    }
    expect(Math.abs((flagged * 100) / sweeps - percent)).toBeLessThan(7)
    expect(inGrpc).toBe(flagged)
  })

  it('refuses a longest ejection below the first, and takes a longer first one for both', () => {
    expect(() => envoy(2, { baseEjectionMs: 5_000, maxEjectionMs: 1_000 })).toThrow(
      'maxEjectionMs: expected at least baseEjectionMs (5000)',
    )
    const { first, fail } = envoy(10, { baseEjectionMs: 400_000 })
    fail(first, 5)
    expect(first.ejectedUntil).toBe(400_000)
  })
})

describe('outlier detection as gRPC does it', () => {
  it('without an algorithm nothing happens, and too few endpoints are not judged', () => {
    for (const [count, settings] of [
      [10, {}],
      [4, { successRate: {}, failurePercentage: {} }],
    ] as const) {
      const { set, detector } = grpc(count, settings)
      hundred(set, (endpoint, ok) => detector.observe(endpoint, ok ? OK : BROKEN), [100])
      detector.sweep(10_000)
      expect(set.ejected).toBe(0)
    }
  })

  it('an ejection ends at the sweep after its time, and a quiet sweep takes a step of the growth back', () => {
    const { set, detector } = grpc(10, { successRate: {} })
    const first = set.all[0] as Endpoint
    const ejectAt = (now: number): number => {
      hundred(set, (endpoint, ok) => detector.observe(endpoint, ok ? OK : BROKEN), [100])
      detector.sweep(now)
      return first.ejectedUntil - now
    }
    expect(ejectAt(10_000)).toBe(30_000)
    detector.sweep(39_999)
    expect(first.ejected).toBe(true)
    detector.sweep(40_000)
    expect(first.ejected).toBe(false)
    expect(ejectAt(50_000)).toBe(60_000)
    for (const now of [110_000, 120_000, 130_000]) detector.sweep(now)
    expect(ejectAt(140_000)).toBe(30_000)
  })
})

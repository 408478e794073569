import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import { Endpoint } from '../../../src/core/endpoint.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { seededRandom } from '../../../src/core/random.ts'
import {
  DEFAULT_ENVOY_OUTLIERS,
  DEFAULT_GRPC_FAILURE_PERCENTAGE,
  DEFAULT_GRPC_SUCCESS_RATE,
  type EnvoyOutlierSettings,
  type GrpcOutlierSettings,
} from '../../../src/model/outlier-detection.ts'
import { EnvoyOutliers } from '../../../src/resilience/envoy-outliers.ts'
import { GrpcOutliers } from '../../../src/resilience/grpc-outliers.ts'
import { successRateThreshold } from '../../../src/resilience/outlier-buckets.ts'
import { BROKEN, endpointsOf, OK, outcomeOf, REFUSED, RESET, specOf, UNAVAILABLE } from '../../support/sample.ts'

const TIMEOUT = outcomeOf({ verdict: 'failure', kind: 'timeout', unavailable: true })
const NO_RATE = { ...DEFAULT_ENVOY_OUTLIERS.successRate, enforcingPercent: 0 }
const RATE = DEFAULT_GRPC_SUCCESS_RATE
const FAILURE = DEFAULT_GRPC_FAILURE_PERCENTAGE

function groupOf(endpoints: readonly Endpoint[]) {
  const set = new EndpointSet(0, seededRandom(1))
  set.replace([...endpoints])
  const said: string[] = []
  return { set, said, listener: { ejected: (_: Endpoint, { reason }: { reason: string }) => void said.push(reason), restored() {} } }
}

function envoy(count: number, settings: Partial<EnvoyOutlierSettings> = {}, random = seededRandom(1)) {
  const { set, said, listener } = groupOf(endpointsOf(count))
  const detector = new EnvoyOutliers(settings, set, listener, random)
  detector.restoreDue(0)
  const first = set.all[0] as Endpoint
  const fail = (endpoint: Endpoint, times: number, now = 0, outcome: Outcome = BROKEN): void => {
    for (let time = 0; time < times; time++) detector.observe(endpoint, outcome, now)
  }
  return { set, detector, first, fail, said }
}

function grpc(count: number, settings: Partial<GrpcOutlierSettings>, endpoints: readonly Endpoint[] = endpointsOf(count)) {
  const { set, said, listener } = groupOf(endpoints)
  const detector = new GrpcOutliers(settings, set, listener, seededRandom(1))
  detector.restoreDue(0)
  return { set, detector, said }
}

/** So many of a hundred answers of each endpoint are failures, at `now`. */
function hundred({ set, detector }: ReturnType<typeof grpc> | ReturnType<typeof envoy>, failures: readonly number[], now = 0): void {
  for (const [index, endpoint] of set.all.entries())
    for (let answer = 0; answer < 100; answer++) detector.observe(endpoint, answer >= (failures[index] ?? 0) ? OK : BROKEN, now)
}

describe('outlier detection as Envoy does it', () => {
  it('the threshold of {50, 100, 100, 100, 100} is 52', () => {
    expect(successRateThreshold([50, 100, 100, 100, 100], 1_900)).toBeCloseTo(52, 10)
    const made = envoy(5, { maxEjectedPercent: 20, consecutive5xx: 1_000 })
    hundred(made, [50])
    made.detector.restoreDue(10_000)
    expect(made.said).toEqual(['50 % of 100 answers succeeded, the bound is 52 % (successRate.stdevFactor: 1900)'])
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
    const other = grpc(count, { failurePercentage: { ...FAILURE, minimumHosts: 1 } })
    hundred(other, new Array(count).fill(100))
    other.detector.restoreDue(10_000)
    expect(other.set.ejected).toBe(inGrpc)
  })

  it('always one, where that is asked for', () => {
    const { set, fail, detector } = envoy(2, { alwaysEjectOneHost: true })
    for (const endpoint of set.all) fail(endpoint, 5)
    expect([set.ejected, detector.detected, detector.overflows]).toEqual([1, 2, 1])
  })

  it('a gateway failure is a 5xx as well, a 500 ends a row of them, and a success ends both', () => {
    const gateway = { enforcingConsecutive5xxPercent: 0, enforcingConsecutiveGatewayFailurePercent: 100, maxEjectedPercent: 50 }
    const { first, fail, detector, said } = envoy(4, gateway)
    fail(first, 4, 0, UNAVAILABLE)
    fail(first, 1)
    fail(first, 4, 0, REFUSED)
    expect([first.ejected, detector.detected]).toEqual([false, 1])
    fail(first, 1, 0, TIMEOUT)
    expect(said).toEqual(['5 gateway failures in a row (consecutiveGatewayFailure: 5)'])
    const { first: other, fail: failOther } = envoy(4, { maxEjectedPercent: 50 })
    failOther(other, 4)
    failOther(other, 1, 0, OK)
    failOther(other, 4)
    expect(other.ejected).toBe(false)
  })

  it.each([
    ['refused', REFUSED],
    ['reset', RESET],
    ['out of time', TIMEOUT],
  ])('a try that was %s is a gateway failure (503, 504), unless errors are split', (_, outcome) => {
    const gateway = { enforcingConsecutiveGatewayFailurePercent: 100, enforcingConsecutive5xxPercent: 0, maxEjectedPercent: 50 }
    const { fail, first } = envoy(4, gateway)
    fail(first, 5, 0, outcome)
    expect(first.ejected).toBe(true)
    const split = envoy(4, { ...gateway, enforcingConsecutiveLocalOriginFailurePercent: 0, splitExternalLocalOriginErrors: true })
    split.fail(split.first, 50, 0, outcome)
    expect(split.first.ejected).toBe(false)
  })

  it('an answer that breaks off counts with its status, and as broken', () => {
    const { fail, first } = envoy(4, { maxEjectedPercent: 50 })
    // Each head that comes ends the row that its end begins.
    fail(first, 50, 0, outcomeOf({ verdict: 'failure', status: 200, kind: 'reset' }))
    expect(first.ejected).toBe(false)
    fail(first, 2, 0, outcomeOf({ verdict: 'failure', status: 500, kind: 'reset' }))
    expect(first.ejected).toBe(true)
  })

  it('a row of any length is no row at 0', () => {
    const { fail, first, detector } = envoy(4, { maxEjectedPercent: 50, consecutive5xx: 0, consecutiveGatewayFailure: 0 })
    fail(first, 99, 0, UNAVAILABLE)
    expect([first.ejected, detector.detected]).toEqual([false, 0])
  })

  it('ejections grow by the base, end at a sweep, and shrink with every quiet interval', () => {
    const { detector, first, fail } = envoy(10)
    const lengths: number[] = []
    let now = 0
    for (let round = 0; round < 12; round++) {
      fail(first, 5, now)
      lengths.push(first.ejectedUntil - now)
      now = first.ejectedUntil
      detector.restoreDue(now - 1)
      expect(first.ejected).toBe(true)
      detector.restoreDue(now)
      expect(first.ejected).toBe(false)
    }
    expect(lengths.slice(0, 3)).toEqual([30_000, 60_000, 90_000])
    expect(lengths.slice(9)).toEqual([300_000, 300_000, 300_000])
    // Eleven steps are the most; ten quiet intervals leave one.
    for (let quiet = 1; quiet <= 10; quiet++) detector.restoreDue(now + quiet * 10_000)
    fail(first, 5, now + 100_000)
    expect(first.ejectedUntil - now - 100_000).toBe(60_000)
  })

  it.each([1, 2, 3, 7, 40])('%d intervals that nobody saw end are made up for', (missed) => {
    const seen = envoy(10)
    const unseen = envoy(10)
    for (const { fail, first, detector } of [seen, unseen]) {
      for (const at of [0, 30_000]) {
        fail(first, 5, at)
        detector.restoreDue(at + 30_000)
      }
      detector.restoreDue(90_000)
    }
    const until = 90_000 + missed * 10_000 + 5
    for (let now = 100_000; now <= until; now += 10_000) seen.detector.restoreDue(now)
    unseen.detector.restoreDue(until)
    const state = ({ first }: typeof seen): unknown[] => [first.ejected, first.ejectionMultiplier]
    expect(state(unseen)).toEqual(state(seen))
    expect(state(unseen)).toEqual([false, Math.max(0, 2 - missed)])
  })

  it('jitter comes on top of the longest ejection too', () => {
    const { first, fail } = envoy(10, { maxEjectionMs: 30_000, maxEjectionJitterMs: 5_000 }, () => 0.999)
    fail(first, 5)
    expect(first.ejectedUntil).toBe(35_000 - 5)
    const still = envoy(10, { enforcingConsecutive5xxPercent: 99 }, () => 0.995)
    still.fail(still.first, 5)
    expect([still.first.ejected, still.detector.detected]).toEqual([false, 1])
  })

  it.each([
    ['at the threshold, in Envoy', 85, true, false],
    ['beyond it', 86, true, true],
    ['below', 84, false, false],
  ])('failure percentage %s', (_, failures, inEnvoy, inGrpc) => {
    const made = envoy(10, {
      successRate: NO_RATE,
      failurePercentage: { ...DEFAULT_ENVOY_OUTLIERS.failurePercentage, enforcingPercent: 100 },
      consecutive5xx: 1_000,
    })
    hundred(made, [failures])
    made.detector.restoreDue(10_000)
    expect(made.set.all[0]?.ejected).toBe(inEnvoy)
    const other = grpc(10, { failurePercentage: FAILURE })
    hundred(other, [failures])
    other.detector.restoreDue(10_000)
    expect(other.set.all[0]?.ejected).toBe(inGrpc)
  })

  it.each([5, 6, 7, 8, 9])('two dead of %d hide each other from the success rate', (count) => {
    const made = envoy(count, { maxEjectedPercent: 100, consecutive5xx: 1_000 })
    hundred(made, [100, 100])
    made.detector.restoreDue(10_000)
    expect(made.set.ejected).toBe(0)
  })

  it('a longer first ejection counts for the longest as well', () => {
    const { first, fail } = envoy(10, { baseEjectionMs: 400_000 })
    fail(first, 5)
    expect(first.ejectedUntil).toBe(400_000)
  })

  it('a check that passes brings an endpoint back at once, unless that is switched off', () => {
    for (const successfulActiveHealthCheckUnejectHost of [true, false]) {
      const { first, fail, detector } = envoy(10, { successfulActiveHealthCheckUnejectHost })
      fail(first, 5)
      detector.checkPassed(first, 1_000)
      expect(first.ejected).toBe(!successfulActiveHealthCheckUnejectHost)
    }
  })
})

describe('errors of local origin, split off', () => {
  const SPLIT = { splitExternalLocalOriginErrors: true, maxEjectedPercent: 50 }

  it('five refusals in a row eject, an answer of 500 between them ends the row', () => {
    const { first, fail, said } = envoy(4, SPLIT)
    fail(first, 4, 0, REFUSED)
    fail(first, 1)
    fail(first, 4, 0, REFUSED)
    expect(first.ejected).toBe(false)
    fail(first, 1, 0, REFUSED)
    expect(said).toEqual(['5 failures of local origin in a row (consecutiveLocalOriginFailure: 5)'])
  })

  it('refusals are no answers: a row of 500 goes on over them', () => {
    const { first, fail, said } = envoy(4, SPLIT)
    for (let round = 0; round < 5; round++) {
      fail(first, 1)
      fail(first, 2, 0, REFUSED)
    }
    expect(said).toEqual(['5 failures in a row (consecutive5xx: 5)'])
  })

  it('every connection that came about ends the row, so that resets one after the other never make one', () => {
    const { first, fail } = envoy(4, SPLIT)
    fail(first, 50, 0, RESET)
    expect(first.ejected).toBe(false)
  })

  it('they have a success rate and a failure percentage of their own', () => {
    const { failurePercentage } = DEFAULT_ENVOY_OUTLIERS
    const quiet = { ...SPLIT, consecutiveLocalOriginFailure: 0 }
    const rated = envoy(10, quiet)
    const counted = envoy(10, {
      ...quiet,
      successRate: { ...NO_RATE, enforcingLocalOriginPercent: 0 },
      failurePercentage: { ...failurePercentage, enforcingLocalOriginPercent: 100 },
    })
    for (const { set, detector, first } of [rated, counted]) {
      for (const endpoint of set.all)
        for (let call = 0; call < 100; call++) detector.observe(endpoint, endpoint === first && call < 90 ? REFUSED : OK, 0)
      detector.restoreDue(10_000)
      expect(set.ejected).toBe(1)
    }
    expect([...rated.said, ...counted.said]).toEqual([
      '10 % of 100 tries kept their connection, the bound is 39.7 % (successRate.stdevFactor: 1900)',
      '10 % of 100 tries kept their connection, 90 % failed (failurePercentage.thresholdPercent: 85)',
    ])
  })
})

describe('outlier detection as gRPC does it', () => {
  it('without an algorithm nothing happens, and too few endpoints are not judged', () => {
    for (const [count, settings] of [
      [10, {}],
      [4, { successRate: RATE, failurePercentage: FAILURE }],
    ] as const) {
      const made = grpc(count, settings)
      hundred(made, [100])
      made.detector.restoreDue(10_000)
      expect(made.set.ejected).toBe(0)
    }
  })

  it.each([
    ['volume is short', 99, 0],
    ['volume is enough', 100, 1],
  ])('%s', (_, requests, ejected) => {
    const { set, detector } = grpc(10, { successRate: RATE })
    for (const [index, endpoint] of set.all.entries())
      for (let answer = 0; answer < requests; answer++) detector.observe(endpoint, index === 0 ? BROKEN : OK, 0)
    detector.restoreDue(10_000)
    expect(set.ejected).toBe(ejected)
  })

  it('each priority has a share of its own', () => {
    const endpoints = Array.from({ length: 10 }, (_, index) => new Endpoint('orders', specOf(index + 1, { priority: index < 5 ? 0 : 1 })))
    const made = grpc(10, { failurePercentage: FAILURE }, endpoints)
    hundred(made, [100, 100, 0, 0, 0, 100, 100])
    made.detector.restoreDue(10_000)
    expect(endpoints.map(({ ejected }) => (ejected ? 1 : 0)).join('')).toBe('1000010000')
  })

  it('an ejection ends at the sweep after its time, and a quiet sweep takes a step of the growth back', () => {
    const made = grpc(10, { successRate: RATE })
    const { set, detector } = made
    const first = set.all[0] as Endpoint
    const ejectAt = (now: number): number => {
      hundred(made, [100], now - 10_000)
      detector.restoreDue(now)
      return first.ejectedUntil - now
    }
    expect(ejectAt(10_000)).toBe(30_000)
    detector.restoreDue(39_999)
    expect(first.ejected).toBe(true)
    detector.restoreDue(40_000)
    expect(first.ejected).toBe(false)
    expect(ejectAt(50_000)).toBe(60_000)
    for (const now of [110_000, 120_000, 130_000]) detector.restoreDue(now)
    expect(ejectAt(140_000)).toBe(30_000)
  })

  it('a passed check changes nothing', () => {
    const made = grpc(10, { successRate: RATE })
    hundred(made, [100])
    made.detector.restoreDue(10_000)
    made.detector.checkPassed(made.set.all[0] as Endpoint, 11_000)
    expect(made.set.ejected).toBe(1)
  })
})

describe.each([
  [5, 32],
  [50, 99],
])('%d equal healthy endpoints, 100 requests with 0.1 %% errors', (count, percent) => {
  it(`Envoy flags one in about ${percent} of 100 sweeps, and gRPC the same`, () => {
    const random = seededRandom(2)
    const { set, detector } = envoy(count, { successRate: NO_RATE })
    const other = grpc(count, { successRate: { ...RATE, enforcementPercent: 0 } })
    const sweeps = 600
    let flagged = 0
    let inGrpc = 0
    for (let sweep = 1; sweep <= sweeps; sweep++) {
      for (const [index, endpoint] of set.all.entries()) {
        for (let answer = 0; answer < 100; answer++) {
          const outcome = random() < 0.001 ? BROKEN : OK
          detector.observe(endpoint, outcome, (sweep - 1) * 10_000)
          other.detector.observe(other.set.all[index] as Endpoint, outcome, (sweep - 1) * 10_000)
        }
      }
      const before = [detector.detected, other.detector.detected]
      detector.restoreDue(sweep * 10_000)
      other.detector.restoreDue(sweep * 10_000)
      if (detector.detected > (before[0] as number)) flagged++
      if (other.detector.detected > (before[1] as number)) inGrpc++
    }
    expect(Math.abs((flagged * 100) / sweeps - percent)).toBeLessThan(7)
    expect(inGrpc).toBe(flagged)
  })
})

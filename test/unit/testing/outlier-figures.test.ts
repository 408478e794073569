import { describe, expect, it } from 'vitest'
import type { OutlierDetectionOptions } from '../../../src/index.ts'
import { failing, logNormal, type SimulatedEndpoint, type SimulationReport, simulate, steady } from '../../../src/testing/index.ts'

const INTERVAL_MS = 10_000
const ALGORITHMS = ['inmesh', 'envoy', 'grpc'] as const
type Algorithm = (typeof ALGORITHMS)[number]

/** Its rules as they are by default, all of gRPC's; and the same where more than a tenth may be out. */
const DEFAULTS: Record<Algorithm, OutlierDetectionOptions> = {
  inmesh: {},
  envoy: { algorithm: 'envoy' },
  grpc: { algorithm: 'grpc', successRate: {}, failurePercentage: {} },
}

/** Everybody gets a hundred requests and a few in each interval, for as long as `intervals`. */
function load(endpoints: SimulatedEndpoint[], intervals: number, outlierDetection: OutlierDetectionOptions, seed = 1): SimulationReport {
  return simulate({
    endpoints,
    perSecond: (endpoints.length * 104) / (INTERVAL_MS / 1_000),
    forMs: intervals * INTERVAL_MS + 100,
    arrivals: 'even',
    seed,
    policy: { balancing: { policy: 'round-robin' }, circuitBreaker: false, retry: { attempts: 0 }, outlierDetection },
  })
}

const healthy = { profile: failing(0.001, steady(5), 500) }
const dead = { profile: steady(5, 500), bad: true }

/** Percent of the sweeps in which a rule found one that is in order; nobody is ejected, so that every sweep has all of them before it. */
function flagged(count: number, algorithm: Algorithm, sweeps: number): number {
  const dry: Record<Algorithm, OutlierDetectionOptions> = {
    inmesh: {},
    envoy: { algorithm: 'envoy', successRate: { enforcingPercent: 0 } },
    grpc: { algorithm: 'grpc', successRate: { enforcementPercent: 0 } },
  }
  const { detections } = load(new Array(count).fill(healthy), sweeps, dry[algorithm])
  return (new Set(detections.map(({ at }) => Math.floor(at / INTERVAL_MS))).size * 100) / sweeps
}

describe('equal healthy endpoints, 100 requests each in 10 s, 0.1 % errors', () => {
  it.each([
    [2, 100],
    [3, 100],
    [5, 100],
    [10, 60],
    [50, 30],
  ])('of %d ours finds none in %d sweeps', (count, sweeps) => {
    expect(flagged(count, 'inmesh', sweeps)).toBe(0)
  })

  it.each([
    [3, 5],
    [5, 100],
    [10, 100],
  ])('of %d that are hedged, with %d of a hundred more, ours finds one in at most 1 of 100 sweeps', (count, extraLoadPercent) => {
    const sweeps = 100
    const { detections, amplification } = simulate({
      endpoints: new Array(count).fill({ profile: failing(0.001, logNormal({ p50Ms: 10, p99Ms: 100 }), 500) }),
      perSecond: count * 10,
      forMs: sweeps * INTERVAL_MS,
      policy: { balancing: { policy: 'round-robin' }, circuitBreaker: false, hedge: { after: 'p75', extraLoadPercent } },
    })
    expect(amplification).toBeGreaterThan(1.03)
    expect(new Set(detections.map(({ at }) => Math.floor(at / INTERVAL_MS))).size).toBeLessThanOrEqual(sweeps / 100)
  })

  // As known of Envoy's rule: 32 % of the sweeps with five, 99 % with fifty, none with fewer than five.
  it.each([
    [2, 40, 0, 0],
    [3, 40, 0, 0],
    [5, 200, 22, 42],
    [50, 40, 90, 100],
  ])("of %d Envoy's and gRPC's success rate finds one in as many of %d sweeps as is known of it", (count, sweeps, least, most) => {
    for (const algorithm of ['envoy', 'grpc'] as const) {
      const percent = flagged(count, algorithm, sweeps)
      expect(percent).toBeGreaterThanOrEqual(least)
      expect(percent).toBeLessThanOrEqual(most)
    }
  })
})

describe('dead endpoints', () => {
  it.each([
    [1, 2, { inmesh: 1, envoy: 0, grpc: 0 }],
    [1, 3, { inmesh: 1, envoy: 0, grpc: 0 }],
    [2, 5, { inmesh: 2, envoy: 0, grpc: 1 }],
    [2, 9, { inmesh: 2, envoy: 0, grpc: 1 }],
    [2, 20, { inmesh: 2, envoy: 2, grpc: 2 }],
  ])('%d dead of %d: how many of them are out within two sweeps', (count, total, out) => {
    const endpoints = Array.from({ length: total }, (_, index) => (index < count ? dead : healthy))
    for (const algorithm of ALGORITHMS) {
      const { ejections, falseEjections } = load(endpoints, 2, DEFAULTS[algorithm])
      expect([algorithm, new Set(ejections.map(({ endpoint }) => endpoint)).size, falseEjections]).toEqual([algorithm, out[algorithm], 0])
      for (const { at } of ejections) expect(at).toBeLessThanOrEqual(2 * INTERVAL_MS + 100)
    }
  })
})

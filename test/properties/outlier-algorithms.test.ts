import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../src/balancing/index.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../src/model/defaults.ts'
import {
  DEFAULT_ENVOY_OUTLIERS,
  DEFAULT_GRPC_FAILURE_PERCENTAGE,
  DEFAULT_GRPC_OUTLIERS,
  DEFAULT_GRPC_SUCCESS_RATE,
  type OutlierDetectionSettings,
} from '../../src/model/outlier-detection.ts'
import { OutlierDetector } from '../../src/resilience/outlier-detection.ts'
import { BROKEN, endpointsOf, OK, outcomeOf, REFUSED } from '../support/sample.ts'

const VOLUME = { minimumHosts: 2, requestVolume: 3 }
const ALGORITHMS = {
  inmesh: { ...DEFAULT_POLICY.outlierDetection, consecutiveFailures: 3, ejectForMs: 5_000, minRequests: 5 },
  envoy: {
    ...DEFAULT_ENVOY_OUTLIERS,
    consecutive5xx: 3,
    baseEjectionMs: 5_000,
    splitExternalLocalOriginErrors: true,
    successRate: { ...DEFAULT_ENVOY_OUTLIERS.successRate, ...VOLUME },
    failurePercentage: { ...DEFAULT_ENVOY_OUTLIERS.failurePercentage, ...VOLUME, enforcingPercent: 100, enforcingLocalOriginPercent: 100 },
  },
  grpc: {
    ...DEFAULT_GRPC_OUTLIERS,
    baseEjectionMs: 5_000,
    successRate: { ...DEFAULT_GRPC_SUCCESS_RATE, ...VOLUME },
    failurePercentage: { ...DEFAULT_GRPC_FAILURE_PERCENTAGE, ...VOLUME, thresholdPercent: 50 },
  },
} as const satisfies Record<string, OutlierDetectionSettings>

/** How many may be out of `size`. */
const MOST: Record<keyof typeof ALGORITHMS, (size: number, percent: number) => number> = {
  inmesh: (size, percent) => (size < 2 || percent === 0 ? 0 : Math.max(1, Math.floor((size * percent) / 100))),
  envoy: (size, percent) => Math.floor((size * percent) / 100),
  // It stops once so many are out, which is one later.
  grpc: (size, percent) => (percent === 0 ? 0 : Math.min(size, Math.ceil((size * percent) / 100))),
}

const OUTCOMES = [OK, OK, OK, BROKEN, BROKEN, REFUSED, outcomeOf({ verdict: 'ignored', kind: 'aborted', latencyMs: 2_000 })]
const events = fc.array(
  fc.record({
    which: fc.nat(),
    how: fc.nat(),
    wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 60_000 })),
  }),
  { maxLength: 400 },
)

/** Lets the events happen to a set whose endpoints stand in this order; asks `look` after each. */
function run(
  settings: OutlierDetectionSettings,
  endpoints: readonly Endpoint[],
  order: readonly Endpoint[],
  happen: readonly { which: number; how: number; wait: number }[],
  look: (set: EndpointSet) => void = () => {},
): string {
  const set = new EndpointSet(50, seededRandom(1))
  set.replace([...order])
  const told: string[] = []
  let now = 0
  const detector = new OutlierDetector(
    settings,
    set,
    {
      ejected: ({ id, ejectedUntil }, { reason }) => told.push(`${now} -${id} ${reason} ${ejectedUntil}`),
      restored: ({ id }) => told.push(`${now} +${id}`),
    },
    undefined,
    seededRandom(1),
  )
  for (const { which, how, wait } of happen) {
    now += wait
    detector.restoreDue(now)
    look(set)
    detector.observe(endpoints[which % endpoints.length] as Endpoint, OUTCOMES[how % OUTCOMES.length] as typeof OK, now)
    look(set)
  }
  return told.sort().join('\n')
}

describe.each(Object.keys(ALGORITHMS) as (keyof typeof ALGORITHMS)[])('%s', (algorithm) => {
  it('never ejects more than maxEjectedPercent, and counts right', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(100), events, (size, maxEjectedPercent, happen) => {
        const endpoints = endpointsOf(size)
        run({ ...ALGORITHMS[algorithm], maxEjectedPercent }, endpoints, endpoints, happen, (set) => {
          expect(set.ejected).toBeLessThanOrEqual(MOST[algorithm](size, maxEjectedPercent))
          expect(set.ejected).toBe(set.all.filter(({ ejected }) => ejected).length)
        })
      }),
    )
  })

  it('the order in which endpoints are listed decides nothing, as long as all may be out', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), events, fc.nat(), (size, happen, turn) => {
        const settings = { ...ALGORITHMS[algorithm], maxEjectedPercent: 100 }
        const [a, b] = [endpointsOf(size), endpointsOf(size)]
        const at = turn % size
        const turned = [...b.slice(at), ...b.slice(0, at)].reverse()
        expect(run(settings, b, turned, happen)).toBe(run(settings, a, a, happen))
      }),
    )
  })
})

describe('one of two', () => {
  it('may always go by our rules, at any maxEjectedPercent above 0', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (maxEjectedPercent) => {
        const endpoints = endpointsOf(2)
        const happen = Array.from({ length: 12 }, (_, index) => ({ which: index % 2, how: index % 2 === 0 ? 3 : 0, wait: 1 }))
        expect(run({ ...ALGORITHMS.inmesh, maxEjectedPercent }, endpoints, endpoints, happen)).toContain(`-${endpoints[0]?.id}`)
      }),
    )
  })
})

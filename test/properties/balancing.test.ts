import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeastRequest, LoadWeights, PeakEwma, ReportedRoundRobin, RoundRobin } from '../../src/balancing/index.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { DEFAULT_LOAD_REPORTS } from '../../src/model/defaults.ts'
import { callOf, endpointsOf, outcomeOf } from '../support/sample.ts'

const seed = fc.integer({ min: 0, max: 2 ** 31 })

describe('fairness', () => {
  it('round robin: no two endpoints are ever more than one pick apart', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 400 }), seed, (size, picks, start) => {
        const endpoints = endpointsOf(size)
        const balancer = new RoundRobin(seededRandom(start))
        for (let pick = 0; pick < picks; pick++) (balancer.pick(endpoints) as Endpoint).tries++
        const counts = endpoints.map(({ tries }) => tries)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('least request: the fullest of n stays within log log n of the mean', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), seed, (size, start) => {
        const endpoints = endpointsOf(size)
        const balancer = new LeastRequest(seededRandom(start))
        const perEndpoint = 20
        for (let pick = 0; pick < size * perEndpoint; pick++) (balancer.pick(endpoints) as Endpoint).inflight++
        // Azar et al.: mean + log2 log2 n + O(1), whatever the number of picks; 6 is far out in its tail.
        expect(Math.max(...endpoints.map(({ inflight }) => inflight))).toBeLessThanOrEqual(perEndpoint + 6)
      }),
    )
  })

  it('least request: shares follow the weights', () => {
    const endpoints = endpointsOf(3)
    for (const [index, endpoint] of endpoints.entries()) endpoint.spec = { ...endpoint.spec, weight: index + 1 }
    const balancer = new LeastRequest(seededRandom(5))
    for (let pick = 0; pick < 6_000; pick++) (balancer.pick(endpoints) as Endpoint).inflight++
    for (const [index, { inflight }] of endpoints.entries()) expect(Math.abs(inflight - 1_000 * (index + 1))).toBeLessThan(40)
  })

  it('peak EWMA: equals get equal shares, and slower ones less', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 2, max: 50 }), seed, (size, factor, start) => {
        const endpoints = endpointsOf(size)
        const balancer = new PeakEwma(seededRandom(start))
        const answer = (latencyMs: number) => outcomeOf({ verdict: 'success', status: 200, latencyMs })
        const [slow] = endpoints as [Endpoint]
        for (let pick = 0; pick < size * 100; pick++) {
          const picked = balancer.pick(endpoints, callOf({ tries: 0, startedAt: pick })) as Endpoint
          picked.tries++
          balancer.observe(picked, answer(picked === slow ? 10 * factor : 10), pick)
        }
        const others = endpoints.slice(1).map(({ tries }) => tries)
        // Each comes up in 2 of n draws and wins half of them; a hundred on average, binomial.
        expect(slow.tries).toBeLessThan(60)
        if (size > 2) expect(Math.min(...others)).toBeGreaterThan(slow.tries)
        expect(Math.max(...others) / Math.max(1, Math.min(...others))).toBeLessThan(size === 2 ? 2 : 2.5)
      }),
      { numRuns: 30 },
    )
  })

  it('weights from reported load: over many picks each gets its share, within one round', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 10, max: 90 }), { minLength: 2, maxLength: 12 }), seed, (utilizations, start) => {
        const endpoints = endpointsOf(utilizations.length)
        const weights = new LoadWeights({ ...DEFAULT_LOAD_REPORTS, blackoutMs: 0 })
        for (const [index, endpoint] of endpoints.entries())
          weights.heard(endpoint, `TEXT rps_fractional=100,cpu_utilization=${(utilizations[index] as number) / 100}`, undefined, 0)
        const balancer = new ReportedRoundRobin(seededRandom(start), weights, 1_000)
        const call = callOf({ tries: 0, startedAt: 0 })
        const picks = 2_000
        for (let pick = 0; pick < picks; pick++) (balancer.pick(endpoints, call) as Endpoint).tries++
        const sum = utilizations.reduce((total, utilization) => total + 1 / utilization, 0)
        for (const [index, { tries }] of endpoints.entries())
          expect(Math.abs(tries - picks / (utilizations[index] as number) / sum)).toBeLessThan(picks * 0.01 + 3)
      }),
      { numRuns: 50 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeastRequest, RoundRobin } from '../../src/balancing/index.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { endpointsOf } from '../support/sample.ts'

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
})

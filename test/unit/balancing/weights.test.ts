import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BoundedLoad,
  EndpointSet,
  HashPolicy,
  LeastRequest,
  LoadWeights,
  loadXxHash64,
  Maglev,
  PeakEwma,
  ReportedRoundRobin,
  RingHash,
  RoundRobin,
  SlowStart,
  WeightedRoundRobin,
} from '../../../src/balancing/index.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_LOAD_REPORTS } from '../../../src/model/defaults.ts'
import { callOf, endpointsOf } from '../../support/sample.ts'

function weighted(weights: readonly number[]): Endpoint[] {
  const endpoints = endpointsOf(weights.length)
  for (const [index, endpoint] of endpoints.entries()) endpoint.spec = { ...endpoint.spec, weight: weights[index] as number }
  return endpoints
}

const seed = fc.integer({ min: 0, max: 2 ** 31 })

describe('weighted round robin', () => {
  it('over every cycle from the start each gets exactly its weight', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), seed, (weights, start) => {
        const endpoints = weighted(weights)
        const balancer = new WeightedRoundRobin(seededRandom(start))
        const cycle = weights.reduce((sum, weight) => sum + weight, 0)
        for (let round = 1; round <= 3; round++) {
          for (let pick = 0; pick < cycle; pick++) (balancer.pick(endpoints) as Endpoint).tries++
          expect(endpoints.map(({ tries }) => tries)).toEqual(weights.map((weight) => weight * round))
        }
      }),
    )
  })

  it.each([
    // Who is due first: deadlines at the multiples of 1 ÷ weight.
    [[5, 3], 'ABAABA'],
    [[5, 3, 2], 'ABACABA'],
    [[7, 2, 1], 'AAABAAA'],
    [[1, 4], 'BBB'],
  ])('earliest deadline first, of weights %j: %s', (weights, expected) => {
    const endpoints = weighted(weights)
    // Everybody begins at the end of his first turn, as in Envoy.
    const balancer = new WeightedRoundRobin(() => 1 - 2 ** -53)
    const order = Array.from(expected, () => 'ABC'[endpoints.indexOf(balancer.pick(endpoints) as Endpoint)])
    expect(order.join('')).toBe(expected)
  })

  it('spreads the heavy one out', () => {
    const endpoints = weighted([5, 1, 1])
    const balancer = new WeightedRoundRobin(seededRandom(4))
    const heavy = Array.from({ length: 700 }, () => balancer.pick(endpoints) === endpoints[0])
    const longest = heavy.reduce(({ run, most }, is) => ({ run: is ? run + 1 : 0, most: Math.max(most, is ? run + 1 : 0) }), {
      run: 0,
      most: 0,
    })
    expect(longest.most).toBeLessThanOrEqual(5)
  })

  it('who stays keeps his turn when others come and go', () => {
    const endpoints = weighted([1, 1, 1, 1])
    const balancer = new WeightedRoundRobin(seededRandom(4))
    for (let pick = 0; pick < 4_000; pick++) {
      const present = pick % 2 === 0 ? endpoints : endpoints.slice(0, 3)
      ;(balancer.pick(present) as Endpoint).tries++
    }
    for (const { tries } of endpoints.slice(0, 3)) expect(tries).toBeGreaterThan(1_000)
    expect(
      Math.max(...endpoints.slice(0, 3).map(({ tries }) => tries)) - Math.min(...endpoints.slice(0, 3).map(({ tries }) => tries)),
    ).toBeLessThan(5)
  })

  it('processes that start together do not march in step', () => {
    const endpoints = weighted([3, 3, 3, 3])
    const starts = new Set(Array.from({ length: 30 }, (_, start) => new WeightedRoundRobin(seededRandom(start)).pick(endpoints)?.id))
    expect(starts.size).toBe(4)
  })
})

describe('weighted least request', () => {
  it('keeps the shares also when nobody has anything under way', () => {
    const endpoints = weighted([6, 3, 1])
    const balancer = new LeastRequest(seededRandom(7))
    for (let pick = 0; pick < 10_000; pick++) (balancer.pick(endpoints) as Endpoint).tries++
    for (const { tries, spec } of endpoints) expect(Math.abs(tries - spec.weight * 1_000)).toBeLessThan(150)
  })

  it('keeps load ÷ weight even when much is under way', () => {
    const endpoints = weighted([100, 10, 1])
    const balancer = new LeastRequest(seededRandom(7))
    for (let pick = 0; pick < 11_100; pick++) (balancer.pick(endpoints) as Endpoint).inflight++
    for (const { inflight, spec } of endpoints) expect(Math.abs(inflight - spec.weight * 100) / (spec.weight * 100)).toBeLessThan(0.25)
  })
})

describe('slow start', () => {
  it.each([
    // Envoy's own table for a window of 60 s.
    [1, 0, 0.1],
    [1, 6, 0.1],
    [1, 15, 0.25],
    [1, 30, 0.5],
    [1, 45, 0.75],
    [1, 60, 1],
    // At least a millisecond, and no second, as its code has it.
    [2, 0, 0.1],
    [2, 6, 0.316],
    [2, 15, 0.5],
    [2, 30, Math.SQRT1_2],
    [2, 45, 0.866],
    [2, 60, 1],
  ])('aggression %d after %d s: %d of its weight', (aggression, seconds, share) => {
    const [endpoint] = endpointsOf(1) as [Endpoint]
    endpoint.warmFrom = 5_000
    const slowStart = new SlowStart({ windowMs: 60_000, minWeightPercent: 10, aggression })
    expect(slowStart.share(endpoint, 5_000 + seconds * 1_000)).toBeCloseTo(share, 3)
  })

  const slowStart = new SlowStart({ windowMs: 30_000, minWeightPercent: 10, aggression: 1 })
  it.each([
    ['least-request', new LeastRequest(seededRandom(1), slowStart)],
    ['round-robin', new RoundRobin(seededRandom(1), slowStart)],
    ['weighted-round-robin', new WeightedRoundRobin(seededRandom(1), slowStart)],
  ])('%s: a cold endpoint gets its part of its share, and the whole of it after the window', (_, balancer) => {
    const endpoints = endpointsOf(5)
    const [cold] = endpoints as [Endpoint]
    cold.warmFrom = 0
    const share = (now: number): number => {
      const call = callOf({ tries: 0, startedAt: now })
      let picks = 0
      for (let pick = 0; pick < 10_000; pick++) if (balancer.pick(endpoints, call) === cold) picks++
      return picks / 10_000
    }
    // 0.1 of one share beside four whole ones.
    expect(share(0)).toBeCloseTo(0.1 / 4.1, 1)
    expect(share(0)).toBeGreaterThan(0.005)
    expect(share(15_000)).toBeGreaterThan(0.06)
    expect(share(15_000)).toBeLessThan(0.15)
    expect(share(30_000)).toBeCloseTo(0.2, 1)
  })

  it('where all are cold all are used', () => {
    const endpoints = endpointsOf(3)
    for (const endpoint of endpoints) endpoint.warmFrom = 0
    for (const balancer of [new LeastRequest(seededRandom(1), slowStart), new RoundRobin(seededRandom(1), slowStart)]) {
      const picked = new Set(Array.from({ length: 300 }, () => balancer.pick(endpoints, callOf({ tries: 0, startedAt: 1 }))?.id))
      expect(picked.size).toBe(3)
    }
  })

  it('no pick of an ejected or unhealthy endpoint unless in panic, whatever the policy', async () => {
    const hash = await loadXxHash64()
    const parts = { hash, policy: new HashPolicy(hash, [], seededRandom(1), ''), bounded: new BoundedLoad(1) }
    const event = fc.tuple(fc.nat(), fc.constantFrom('eject', 'restore', 'sick', 'well', 'degraded'))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(event, { maxLength: 100 }), fc.nat(8), seed, (size, events, which, start) => {
        const random = seededRandom(start)
        const set = new EndpointSet(50, random)
        const endpoints = endpointsOf(size)
        set.replace(endpoints)
        const balancer = [
          new LeastRequest(random),
          new LeastRequest(random, slowStart),
          new RoundRobin(random, slowStart),
          new WeightedRoundRobin(random),
          new PeakEwma(random),
          new PeakEwma(random, slowStart),
          new ReportedRoundRobin(random, new LoadWeights(DEFAULT_LOAD_REPORTS), 1_000),
          new Maglev(parts, 101),
          new RingHash(parts, { minSize: 64, maxSize: 1_024 }),
        ][which] as LeastRequest
        for (const [index, what] of events) {
          const endpoint = endpoints[index % size] as Endpoint
          if (what === 'eject' || what === 'restore') set.setEjected(endpoint, what === 'eject')
          else set.setHealth(endpoint, what === 'sick', what === 'degraded')
          const picked = set.pick(balancer, callOf({ tries: 0 }), 0) as Endpoint
          expect(picked).toBeDefined()
          const out = endpoints.filter((each) => each.ejected || each.unhealthy).length
          expect(set.panic).toBe((size - out) * 2 < size)
          if (!set.panic) expect(picked.ejected || picked.unhealthy).toBe(false)
          expect(set.ejected).toBe(endpoints.filter(({ ejected }) => ejected).length)
        }
      }),
    )
  })
})

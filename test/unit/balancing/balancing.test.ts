import { describe, expect, it } from 'vitest'
import {
  type Balancer,
  createBalancer,
  EndpointSet,
  LeastRequest,
  loadXxHash64,
  RandomBalancer,
  ReportedRoundRobin,
  RoundRobin,
  WeightedRoundRobin,
} from '../../../src/balancing/index.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_LOAD_REPORTS } from '../../../src/model/defaults.ts'
import { callOf, endpointsOf } from '../../support/sample.ts'

const FIRST = callOf({ tries: 0 })

function count(picks: number, pick: () => Endpoint | undefined): number[] {
  const counts = new Map<string, number>()
  for (let index = 0; index < picks; index++) {
    const { id } = pick() as Endpoint
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return [...counts.values()].sort((a, b) => a - b)
}

describe('balancers', () => {
  it('round robin is exact, wherever it starts', () => {
    const endpoints = endpointsOf(7)
    for (const seed of [1, 2, 3]) {
      const balancer = new RoundRobin(seededRandom(seed))
      expect(count(700, () => balancer.pick(endpoints))).toEqual(Array(7).fill(100))
    }
  })

  it('round robin clients do not march in step', () => {
    const endpoints = endpointsOf(10)
    const starts = new Set(Array.from({ length: 50 }, (_, seed) => new RoundRobin(seededRandom(seed)).pick(endpoints)?.id))
    expect(starts.size).toBeGreaterThan(5)
  })

  it('random spreads', () => {
    const endpoints = endpointsOf(10)
    const balancer = new RandomBalancer(seededRandom(1))
    const counts = count(10_000, () => balancer.pick(endpoints))
    expect(counts).toHaveLength(10)
    expect(counts[0]).toBeGreaterThan(850)
  })

  it('least request takes the less loaded of two', () => {
    const endpoints = endpointsOf(2)
    const [busy, idle] = endpoints as [Endpoint, Endpoint]
    busy.inflight = 5
    const balancer = new LeastRequest(seededRandom(1))
    expect(count(100, () => balancer.pick(endpoints))).toEqual([100])
    expect(balancer.pick(endpoints)).toBe(idle)
    busy.spec = { ...busy.spec, weight: 10 }
    idle.inflight = 1
    expect(balancer.pick([...endpoints])).toBe(busy)
  })

  it('least request looks further before one more connection is opened, and takes the least of what it saw', () => {
    const endpoints = endpointsOf(20)
    for (const endpoint of endpoints) {
      endpoint.connections = 1
      endpoint.inflight = 1
    }
    const [idle] = endpoints.slice(7) as [Endpoint]
    idle.inflight = 0
    const share = (): number => {
      const balancer = new LeastRequest(seededRandom(2))
      return count(4_000, () => balancer.pick(endpoints)).at(-1) ?? 0
    }
    // Among four pairs of 20 the idle one is by 1 - (18/20)^4 of the draws, among one by 2/20.
    expect(share() / 4_000).toBeCloseTo(1 - 0.9 ** 4, 1)
    for (const endpoint of endpoints) if (endpoint !== idle) endpoint.connections = 2
    expect(share() / 4_000).toBeCloseTo(0.1, 1)
    // Where nothing is known of connections it draws one pair, whatever is under way.
    for (const endpoint of endpoints) endpoint.connections = 0
    expect(share() / 4_000).toBeCloseTo(0.1, 1)
  })

  it('least request spreads 200 calls over 50 far more evenly than chance', () => {
    /** Largest minus smallest load, averaged over many moments. */
    const spread = (balancer: Balancer): number => {
      const endpoints = endpointsOf(50)
      const queue: Endpoint[] = []
      let sum = 0
      for (let call = 0; call < 20_000; call++) {
        const picked = balancer.pick(endpoints, FIRST) as Endpoint
        picked.inflight++
        queue.push(picked)
        if (queue.length > 200) (queue.shift() as Endpoint).inflight--
        const loads = endpoints.map(({ inflight }) => inflight)
        sum += Math.max(...loads) - Math.min(...loads)
      }
      return sum / 20_000
    }
    expect(spread(new LeastRequest(seededRandom(3)))).toBeLessThan(spread(new RandomBalancer(seededRandom(3))) * 0.6)
  })

  it.each(['round-robin', 'weighted-round-robin', 'random', 'least-request', 'peak-ewma', 'ring-hash', 'maglev'] as const)(
    '%s: none of none, one of one',
    async (policy) => {
      const balancer = createBalancer(policy, Math.random, { hash: await loadXxHash64() })
      const [only] = endpointsOf(1)
      expect(balancer.name).toBe(policy)
      expect(balancer.pick([], FIRST)).toBeUndefined()
      expect(balancer.pick([only as Endpoint], FIRST)).toBe(only)
    },
  )
})

describe('the balancer that configuration names', () => {
  it('needs a hash where it hashes', () => {
    for (const policy of ['ring-hash', 'maglev'] as const) expect(() => createBalancer(policy, Math.random)).toThrow('loadXxHash64')
  })

  it('weighs by reported load where that is asked for', () => {
    expect(createBalancer('weighted-round-robin', Math.random)).toBeInstanceOf(WeightedRoundRobin)
    expect(createBalancer('weighted-round-robin', Math.random, { loadReports: DEFAULT_LOAD_REPORTS })).toBeInstanceOf(ReportedRoundRobin)
  })
})

describe('the endpoint set', () => {
  function make(size: number, panicPercent = 50) {
    const set = new EndpointSet(panicPercent, seededRandom(5))
    const endpoints = endpointsOf(size)
    set.replace(endpoints)
    return { set, endpoints, balancer: new RoundRobin(() => 0) }
  }

  it('never picks an ejected endpoint for a first try', () => {
    const { set, endpoints, balancer } = make(4)
    set.setEjected(endpoints[1] as Endpoint, true)
    expect(count(300, () => set.pick(balancer, FIRST, 0))).toEqual([100, 100, 100])
    expect(set.usable).toHaveLength(3)
  })

  it('keeps the array that picks read, until something changes', () => {
    const { set, endpoints } = make(4)
    const before = set.usable
    expect(set.usable).toBe(before)
    set.setEjected(endpoints[0] as Endpoint, true)
    expect(set.usable).not.toBe(before)
    set.setEjected(endpoints[0] as Endpoint, true)
    expect(set.ejected).toBe(1)
  })

  it('panics below its share, and then uses all but those that refused lately', () => {
    const { set, endpoints, balancer } = make(4)
    for (const endpoint of endpoints.slice(0, 3)) set.setEjected(endpoint, true)
    expect(set.panic).toBe(true)
    expect(count(400, () => set.pick(balancer, FIRST, 0))).toEqual([100, 100, 100, 100])
    ;(endpoints[0] as Endpoint).connectFailedAt = 500
    expect(count(400, () => set.pick(balancer, FIRST, 600))).toHaveLength(3)
    expect(count(400, () => set.pick(balancer, FIRST, 1_600))).toHaveLength(4)
    for (const endpoint of endpoints) endpoint.connectFailedAt = 2_000
    expect(set.pick(balancer, FIRST, 2_100)).toBeDefined()
  })

  it('panicPercent 0: never', () => {
    const { set, endpoints, balancer } = make(2, 0)
    for (const endpoint of endpoints) set.setEjected(endpoint, true)
    expect(set.panic).toBe(false)
    expect(set.pick(balancer, FIRST, 0)).toBeUndefined()
    set.reconfigure(50)
    expect(set.panic).toBe(true)
  })

  it('a further try takes one that was not tried, the promising first, then the ejected, then any', () => {
    const { set, endpoints, balancer } = make(4)
    const [a, b, c, d] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
    set.setEjected(d, true)
    b.connectFailedAt = 0
    expect(set.pick(balancer, callOf({}, [a]), 100)).toBe(c)
    expect(set.pick(balancer, callOf({}, [a, c]), 100)).toBe(b)
    expect(set.pick(balancer, callOf({}, [a, b, c]), 100)).toBe(d)
    expect(set.hasUntried(callOf({}, [a, b, c]))).toBe(true)
    expect(set.hasUntried(callOf({}, [a, b, c, d]))).toBe(false)
    expect(set.pick(balancer, callOf({}, [a, b, c, d]), 100)).toBeDefined()
  })

  it('what one endpoint sheds is spread over all others', () => {
    const { set, endpoints, balancer } = make(10)
    const counts = count(9_000, () => set.pick(balancer, callOf({}, [endpoints[0] as Endpoint]), 0))
    expect(counts).toHaveLength(9)
    expect(counts[0]).toBeGreaterThan(800)
  })
})

import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { EndpointSet, HashPolicy, loadXxHash64, Maglev, RingHash, type XxHash64 } from '../../src/balancing/index.ts'
import { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { callOf, specOf } from '../support/sample.ts'

let hash: XxHash64
beforeAll(async () => {
  hash = await loadXxHash64()
})

const KEYS = Array.from({ length: 1_000 }, (_, index) => callOf({ tries: 0, hashKey: `key-${index}` }))

function balancerOf(name: 'ring-hash' | 'maglev', minSize = 4_096) {
  const parts = { hash, policy: new HashPolicy(hash, [], seededRandom(1), '') }
  return name === 'maglev' ? new Maglev(parts, 10_007) : new RingHash(parts, { minSize, maxSize: 8_388_608 })
}

function endpointsOf(weights: readonly number[]): Endpoint[] {
  return weights.map(
    (weight, index) => new Endpoint('orders', specOf(index + 1, { weight, id: `${index}`, address: `10.0.${index}.1:80` })),
  )
}

/** Where each key leads. */
function placesOf(name: 'ring-hash' | 'maglev', endpoints: readonly Endpoint[]): (Endpoint | undefined)[] {
  const balancer = balancerOf(name)
  return KEYS.map((call) => balancer.pick(endpoints, call))
}

const names = ['ring-hash', 'maglev'] as const

describe.each(names)('%s', (name) => {
  it('when k of n endpoints leave, only their keys move, as far as it is promised', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 1, max: 3 }), fc.nat(), (n, k, which) => {
        const endpoints = endpointsOf(Array.from({ length: n }, () => 1))
        const gone = new Set(Array.from({ length: k }, (_, index) => endpoints[(which + index * 7) % n]))
        const before = placesOf(name, endpoints)
        const after = placesOf(
          name,
          endpoints.filter((endpoint) => !gone.has(endpoint)),
        )
        const moved = before.filter((place, index) => place !== after[index]).length
        const theirs = before.filter((place) => gone.has(place)).length
        // Whatever the others gain in slots to fill the table, they take from each other as well.
        expect((moved - theirs) / KEYS.length).toBeLessThanOrEqual(0.06 + gone.size / n)
        expect(moved / KEYS.length).toBeLessThanOrEqual((gone.size / n) * 2 + 0.1)
      }),
      { numRuns: 30 },
    )
  })

  it('an ejected one is never picked unless in panic, and whoever is not ejected keeps his keys', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.array(fc.tuple(fc.nat(), fc.boolean()), { maxLength: 40 }), (n, events) => {
        const set = new EndpointSet(50, seededRandom(1))
        const endpoints = endpointsOf(Array.from({ length: n }, () => 1))
        set.replace(endpoints)
        const balancer = balancerOf(name)
        const calls = KEYS.slice(0, 20)
        const home = calls.map((call) => set.pick(balancer, call, 0) as Endpoint)
        for (const [index, out] of events) {
          set.setEjected(endpoints[index % n] as Endpoint, out)
          for (const [at, call] of calls.entries()) {
            const picked = set.pick(balancer, call, 0) as Endpoint
            if (set.panic || !(home[at] as Endpoint).ejected) expect(picked).toBe(home[at])
            else expect(picked.ejected).toBe(false)
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  it('shares follow the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 }), (weights) => {
        const endpoints = endpointsOf(weights)
        const sum = weights.reduce((total, weight) => total + weight, 0)
        const places = placesOf(name, endpoints)
        for (const [index, endpoint] of endpoints.entries()) {
          const share = places.filter((place) => place === endpoint).length / KEYS.length
          const wanted = (weights[index] as number) / sum
          // Thousand keys: a standard deviation of 1.6 % at most, and what a ring of 4,096 entries strays.
          expect(Math.abs(share - wanted)).toBeLessThan(name === 'maglev' ? 0.07 : 0.12)
        }
      }),
      { numRuns: 30 },
    )
  })
})

describe('a ring in which each endpoint keeps its hashes', () => {
  it('moves the keys of those who left, and no others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (n, which) => {
        const endpoints = endpointsOf(Array.from({ length: n }, () => 1))
        const gone = endpoints[which % n]
        const staying = endpoints.filter((endpoint) => endpoint !== gone)
        const [before, after] = [balancerOf('ring-hash', 1), balancerOf('ring-hash', 1)]
        for (const call of KEYS.slice(0, 200)) {
          const place = before.pick(endpoints, call)
          if (place !== gone) expect(after.pick(staying, call)).toBe(place)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('priorities', () => {
  it('a key has its place in each priority, and comes back with it', () => {
    const endpoints = endpointsOf(Array.from({ length: 10 }, () => 1))
    for (const [index, endpoint] of endpoints.entries()) endpoint.spec = { ...endpoint.spec, priority: index < 5 ? 0 : 1 }
    const set = new EndpointSet(50, seededRandom(1))
    set.replace(endpoints)
    for (const name of names) {
      const balancer = balancerOf(name)
      const places = (): (Endpoint | undefined)[] => KEYS.slice(0, 50).map((call) => set.pick(balancer, call, 0))
      const first = places()
      // The same as a service that has the first priority only.
      expect(first).toEqual(KEYS.slice(0, 50).map((call) => balancerOf(name).pick(endpoints.slice(0, 5), call)))
      const behind = KEYS.slice(0, 50).map((call) => balancerOf(name).pick(endpoints.slice(5), call))
      for (const endpoint of endpoints.slice(0, 3)) set.setEjected(endpoint, true)
      // Two of five carry 56 %: a key stays where it was, or walks on there, or has its place in the second priority.
      const divided = places()
      for (const [index, place] of divided.entries()) {
        if (place?.spec.priority === 1) expect(place).toBe(behind[index])
        else expect(place).toBe(first[index]?.ejected === false ? first[index] : endpoints.find((each) => each === place && !each.ejected))
      }
      expect(places()).toEqual(divided)
      const stayed = divided.filter((place) => place?.spec.priority === 0).length
      expect([stayed > 15, stayed < 42]).toEqual([true, true])
      for (const endpoint of endpoints.slice(3, 5)) set.setEjected(endpoint, true)
      expect(places()).toEqual(behind)
      for (const endpoint of endpoints.slice(0, 5)) set.setEjected(endpoint, false)
      expect(places()).toEqual(first)
    }
  })
})

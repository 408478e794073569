import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointSet, RandomBalancer } from '../../src/balancing/index.ts'
import { type LevelCount, priorityLoads } from '../../src/balancing/spread/priority-load.ts'
import { zoneShares } from '../../src/balancing/spread/zone-shares.ts'
import { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../src/model/defaults.ts'
import { callOf, specOf } from '../support/sample.ts'

const level: fc.Arbitrary<LevelCount> = fc
  .record({ healthy: fc.nat(20), degraded: fc.nat(20), out: fc.nat(20) })
  .map(({ healthy, degraded, out }) => ({ healthy, degraded, total: healthy + degraded + out }))
const levels = fc.array(level, { minLength: 1, maxLength: 6 })
const settings = fc.record({ overprovisioningPercent: fc.integer({ min: 100, max: 300 }), panicPercent: fc.nat(100) })

describe('load of priorities', () => {
  it('all shares together are 100, in whole numbers', () => {
    fc.assert(
      fc.property(levels, settings, (counts, how) => {
        const loads = priorityLoads(counts, how).flatMap(({ healthy, degraded }) => [healthy, degraded])
        expect(loads.every((load) => Number.isInteger(load) && load >= 0)).toBe(true)
        expect(loads.reduce((sum, load) => sum + load, 0)).toBe(100)
      }),
    )
  })

  it('a level without usable endpoints gets nothing while another has some, unless it panics', () => {
    fc.assert(
      fc.property(levels, settings, (counts, how) => {
        fc.pre(counts.some(({ healthy, degraded }) => healthy + degraded > 0))
        for (const [index, load] of priorityLoads(counts, how).entries()) {
          const { healthy, degraded } = counts[index] as LevelCount
          if (load.panic) continue
          if (healthy === 0) expect(load.healthy).toBe(0)
          if (degraded === 0) expect(load.degraded).toBe(0)
        }
      }),
    )
  })

  it('one more endpoint in order never takes calls away from its level or from those before it', () => {
    fc.assert(
      fc.property(levels, fc.nat(5), settings, (counts, at, how) => {
        const index = at % counts.length
        const { healthy, degraded, total } = counts[index] as LevelCount
        fc.pre(healthy + degraded < total)
        const more = counts.map((each, place) => (place === index ? { ...each, healthy: healthy + 1 } : each))
        const before = priorityLoads(counts, how)
        const after = priorityLoads(more, how)
        // Where all panic shares go by another rule.
        fc.pre(![before, after].some((loads) => loads.every(({ panic }) => panic)))
        // Rounding gives what is left to the first, which may be somebody else afterwards.
        expect((after[index]?.healthy ?? 0) + 1).toBeGreaterThanOrEqual(Math.min(before[index]?.healthy ?? 0, 100 - counts.length))
        const behind = (loads: typeof before) => loads.slice(index + 1).reduce((sum, { healthy: load }) => sum + load, 0)
        expect(behind(after)).toBeLessThanOrEqual(behind(before) + counts.length)
      }),
    )
  })
})

describe('zones', () => {
  const zones = fc.array(fc.record({ capacity: fc.nat(50), callers: fc.nat(50) }), { minLength: 2, maxLength: 6 })

  it('with every zone routing like this, no zone gets more than its part of the capacity', () => {
    fc.assert(
      fc.property(zones, (all) => {
        fc.pre(all.some(({ capacity }) => capacity > 0) && all.some(({ callers }) => callers > 0))
        const capacity = all.reduce((sum, zone) => sum + zone.capacity, 0)
        const callers = all.reduce((sum, zone) => sum + zone.callers, 0)
        const loads = all.map(() => 0)
        for (const [own, zone] of all.entries()) {
          const { shares } = zoneShares(all, own)
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
          for (const [index, share] of shares.entries()) loads[index] = (loads[index] as number) + (zone.callers / callers) * share
        }
        // A zone whose share of the callers is nothing in 1/100 of a percent may keep all of its calls.
        for (const [index, load] of loads.entries()) expect(load).toBeLessThanOrEqual((all[index]?.capacity ?? 0) / capacity + 0.002)
      }),
    )
  })

  it('callers that are spread otherwise than they are taken to be overload no zone beyond what they themselves differ by', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 5 }),
        fc.double({ min: 1, max: 1.4, noNaN: true }),
        (sizes, more) => {
          const all = sizes.map((capacity) => ({ capacity, callers: 1 }))
          const even = 1 / sizes.length
          const capacity = sizes.reduce((sum, size) => sum + size, 0)
          // One zone has up to 1.4 times the callers that it is taken to have; the others share the rest.
          const callers = sizes.map((_, index) => (index === 0 ? even * more : (1 - even * more) / (sizes.length - 1)))
          const loads = sizes.map(() => 0)
          for (const own of sizes.keys())
            for (const [index, share] of zoneShares(all, own).shares.entries())
              loads[index] = (loads[index] as number) + (callers[own] as number) * share
          for (const [index, load] of loads.entries()) expect(load).toBeLessThanOrEqual((1.4 * (sizes[index] as number)) / capacity + 0.002)
        },
      ),
    )
  })
})

describe('an endpoint set', () => {
  const endpoint = fc.record({
    priority: fc.nat(2),
    zone: fc.constantFrom('a', 'b', 'c', undefined),
    state: fc.constantFrom('healthy', 'healthy', 'healthy', 'degraded', 'ejected', 'unhealthy'),
  })
  const mode = fc.constantFrom('zone-aware', 'weighted', 'failover')

  it('whatever happens to endpoints: nobody out is picked without panic, and somebody is picked where somebody is in order', () => {
    fc.assert(
      fc.property(
        fc.array(endpoint, { minLength: 1, maxLength: 14 }),
        mode,
        fc.nat(100),
        fc.nat(1_000_000),
        (written, how, panicPercent, seed) => {
          const random = seededRandom(seed)
          const weights = [
            { place: 'a', weight: 1 },
            { place: 'b', weight: 2 },
          ]
          const locality = { ...DEFAULT_POLICY.locality, mode: how as 'weighted', minEndpoints: 2, weights }
          const set = new EndpointSet({ ...DEFAULT_POLICY, panicPercent, locality }, random, {
            own: { zone: 'a' },
            callers: () => undefined,
          })
          const endpoints = written.map(
            ({ priority, zone }, index) => new Endpoint('orders', specOf(index + 1, { priority, locality: { zone } })),
          )
          set.replace(endpoints)
          for (const [index, { state }] of written.entries()) {
            const each = endpoints[index] as Endpoint
            if (state === 'ejected') set.setEjected(each, true)
            else set.setHealth(each, state === 'unhealthy', state === 'degraded')
          }
          const inOrder = endpoints.some(({ out }) => !out)
          const balancer = new RandomBalancer(random)
          for (let call = 0; call < 20; call++) {
            const picked = set.pick(balancer, callOf({ tries: 0 }), 0)
            if (inOrder) expect(picked).toBeDefined()
            if (!set.panic && picked !== undefined) expect([picked.out, set.usable.includes(picked)]).toEqual([false, true])
            const tried = endpoints.slice(0, endpoints.length - 1)
            expect(set.pick(balancer, callOf({ tries: tried.length }, tried), 0)).toBe(tried.length === 0 ? picked : endpoints.at(-1))
          }
          expect(set.levels().reduce((sum, { sharePercent }) => sum + sharePercent, 0)).toBe(100)
        },
      ),
    )
  })
})

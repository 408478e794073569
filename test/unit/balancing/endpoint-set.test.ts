import { describe, expect, it } from 'vitest'
import { EndpointSet, LeastRequest } from '../../../src/balancing/index.ts'
import { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { callOf, endpointsOf, specOf } from '../../support/sample.ts'

function make(size: number, panicPercent = 50) {
  const random = seededRandom(1)
  const set = new EndpointSet(panicPercent, random)
  const endpoints = endpointsOf(size)
  set.replace(endpoints)
  const pick = (tried: readonly Endpoint[] = [], now = 0): Endpoint | undefined =>
    set.pick(new LeastRequest(random), callOf({ tries: tried.length }, tried), now)
  return { set, endpoints, pick }
}

describe('the present endpoints of a service', () => {
  it('keep one frozen array until something changes, and work it out once for many changes', () => {
    const { set, endpoints } = make(100)
    const before = set.usable
    expect(Object.isFrozen(before)).toBe(true)
    expect(set.usable).toBe(before)
    for (const endpoint of endpoints.slice(0, 40)) set.setEjected(endpoint, true)
    const after = set.usable
    expect(after).toHaveLength(60)
    expect(set.usable).toBe(after)
    expect(before).toHaveLength(100)
  })

  it('one endpoint that is named twice counts once', () => {
    const { set, endpoints } = make(2)
    const [a, b] = endpoints as [Endpoint, Endpoint]
    set.replace([a, a, b])
    set.setEjected(a, true)
    set.replace([a, a, b])
    expect([set.all.length, set.ejected]).toEqual([2, 1])
    set.setEjected(a, false)
    expect([set.ejected, set.usable.length, set.panic]).toEqual([0, 2, false])
  })

  it('a further try: usable, then refused lately, then ejected, then whoever', () => {
    const { set, endpoints, pick } = make(4)
    const [tried, ejected, refused, good] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
    set.setEjected(ejected, true)
    refused.connectFailedAt = -500
    expect(pick([tried])).toBe(good)
    expect(pick([tried, good])).toBe(refused)
    expect(pick([tried, good, refused])).toBe(ejected)
    expect(endpoints).toContain(pick([tried, good, refused, ejected]))
    // A second later nothing is held against it.
    const order = new Set(Array.from({ length: 50 }, () => pick([tried], 600)))
    expect(order).toEqual(new Set([refused, good]))
  })

  it('in panic one that connects is preferred, and one that does not is better than none', () => {
    const { set, endpoints, pick } = make(3)
    for (const endpoint of endpoints.slice(0, 2)) set.setEjected(endpoint, true)
    expect(set.panic).toBe(true)
    for (const endpoint of endpoints.slice(0, 2)) endpoint.connectFailedAt = 0
    for (let draw = 0; draw < 50; draw++) expect(pick()).toBe(endpoints[2])
    ;(endpoints[2] as Endpoint).connectFailedAt = 0
    expect(pick()).toBeDefined()
  })

  it.each([
    ['no panic at 0: none usable, none picked', 0, undefined],
    ['panic at 1: all are used', 1, 'any'],
  ])('%s', (_, panicPercent, expected) => {
    const { set, endpoints, pick } = make(2, panicPercent)
    for (const endpoint of endpoints) set.setEjected(endpoint, true)
    expect(pick() === undefined ? undefined : 'any').toBe(expected)
  })

  it('what one endpoint sheds is spread over all others', () => {
    const { endpoints, pick } = make(11)
    const [dead] = endpoints as [Endpoint]
    const counts = new Map<string, number>()
    for (let call = 0; call < 5_000; call++) {
      const { id } = pick([dead]) as Endpoint
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    expect(counts.size).toBe(10)
    // The one behind the dead one inherits its starts too, so it may have up to twice its share.
    expect(Math.max(...counts.values())).toBeLessThan(1_100)
  })

  it('nothing of nothing', () => {
    const { set, pick } = make(0)
    expect([pick(), pick(endpointsOf(1)), set.panic, set.hasUntried(callOf())]).toEqual([undefined, undefined, false, false])
  })

  it('one call at a time probes an endpoint whose ejection is over, one that may be repeated first', () => {
    const { set, endpoints } = make(3)
    const [back] = endpoints as [Endpoint]
    set.setEjected(back, true)
    back.ejectedUntil = 1_000
    back.recovering = true
    set.awaitProbe(back)
    const first = (idempotent: boolean, now: number): Endpoint | undefined =>
      set.pick(new LeastRequest(seededRandom(2)), callOf({ tries: 0, idempotent }), now)
    expect(first(false, 1_100)).not.toBe(back)
    expect(first(true, 1_100)).toBe(back)
    expect(back.probedAt).toBe(1_100)
    for (let call = 0; call < 50; call++) expect(first(true, 1_200)).not.toBe(back)
    // The probe was lost; where no call may be repeated another must do.
    set.awaitProbe(back)
    expect(first(false, 1_600)).toBe(back)
    back.unhealthy = true
    set.awaitProbe(back)
    expect(first(true, 2_000)).not.toBe(back)
    set.setEjected(back, false)
    back.unhealthy = false
  })

  it.each([
    // all, unhealthy, degraded → usable, panic
    [4, 0, 0, 4, false],
    [4, 1, 0, 3, false],
    [4, 2, 0, 2, false],
    [4, 3, 0, 4, true],
    [4, 4, 0, 4, true],
    [4, 0, 1, 3, false],
    [4, 0, 2, 4, false],
    [4, 0, 3, 4, false],
    [4, 0, 4, 4, false],
    [4, 1, 1, 3, false],
    [4, 1, 2, 3, false],
    [4, 2, 2, 2, false],
  ])('of %d, %d unhealthy and %d degraded: %d usable, panic %s', (size, unhealthy, degraded, usable, panic) => {
    const { set, endpoints } = make(size)
    for (const [index, endpoint] of endpoints.entries())
      set.setHealth(endpoint, index < unhealthy, index >= unhealthy && index < unhealthy + degraded)
    expect([set.usable.length, set.panic]).toEqual([usable, panic])
    // What is counted one by one is what a new configuration counts.
    set.replace(endpoints)
    expect([set.usable.length, set.panic]).toEqual([usable, panic])
    for (const endpoint of endpoints) set.setHealth(endpoint, false, false)
    expect([set.usable.length, set.panic]).toEqual([size, false])
  })

  it('ejected and unhealthy at once counts once', () => {
    const { set, endpoints } = make(4)
    const [both] = endpoints as [Endpoint]
    set.setEjected(both, true)
    set.setHealth(both, true, false)
    expect([set.usable.length, set.panic]).toEqual([3, false])
    set.setEjected(both, false)
    expect(set.usable).not.toContain(both)
    set.setHealth(both, false, false)
    expect(set.usable).toHaveLength(4)
  })
})

describe('priorities', () => {
  /** Two endpoints of priority 0, two of 1, one of 2. */
  function leveled(panicPercent = 50) {
    const endpoints = [0, 0, 1, 1, 2].map((priority, index) => new Endpoint('orders', specOf(index + 1, { priority })))
    const set = new EndpointSet(panicPercent, seededRandom(1))
    set.replace(endpoints)
    const used = (): number[] => set.usable.map((endpoint) => endpoints.indexOf(endpoint))
    return { set, endpoints, used }
  }

  it.each([
    [[], [0, 1]],
    [[0], [1, 2, 3]],
    [
      [0, 1],
      [2, 3],
    ],
    [
      [0, 1, 2],
      [3, 4],
    ],
    [[0, 1, 2, 3], [4]],
    // Nobody has enough: one set, in panic.
    [
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4],
    ],
  ])('with %j out, %j are used', (out, expected) => {
    const { set, endpoints, used } = leveled()
    for (const index of out) set.setEjected(endpoints[index] as Endpoint, true)
    expect(used()).toEqual(expected)
    expect(set.panic).toBe(out.length === 5)
    for (const index of out) set.setEjected(endpoints[index] as Endpoint, false)
    expect(used()).toEqual([0, 1])
  })

  it('nobody panics while the levels together carry the calls', () => {
    const { set, endpoints, used } = leveled(60)
    for (const index of [0, 2, 4]) set.setHealth(endpoints[index] as Endpoint, true, false)
    // 70 and 70 of 100 are more than enough: nobody panics.
    expect([used(), set.panic]).toEqual([[1, 3], false])
    set.setHealth(endpoints[3] as Endpoint, true, false)
    expect([used(), set.panic]).toEqual([[0, 1, 2, 3, 4], true])
  })

  it('a further try prefers the lower priority, and takes the higher where nothing else is left', () => {
    const { set, endpoints } = leveled()
    const next = (tried: Endpoint[]) => set.pick(new LeastRequest(Math.random), callOf({ tries: tried.length }, tried), 0)
    const [a, b, c, d, e] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint, Endpoint]
    expect(next([a])).toBe(b)
    expect([c, d]).toContain(next([a, b]))
    expect(next([a, b, c, d])).toBe(e)
  })
})

import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import type { ServiceOptions } from '../../../src/index.ts'
import type { ServicePlan } from '../../../src/plan/service-plan.ts'
import { planOf } from '../../support/plan.ts'
import { callOf, outcomeOf, UNAVAILABLE } from '../../support/sample.ts'

const MINUTE = 60_000
const addressOf = (index: number): string => `10.0.${index >> 7}.${index & 127}:80`
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => addressOf(index))

/** A service of which this process uses a part. */
function part(options: ServiceOptions = {}, count = 500) {
  const made = planOf({ services: { orders: { endpoints: many(count), subset: { size: 10 }, healthCheck: {}, ...options } } })
  const service = made.service()
  return { ...made, service, used: (): Endpoint[] => [...service.set.all], settle: () => made.clock.advance(100) }
}

const idsOf = (endpoints: readonly Endpoint[]): string[] => endpoints.map(({ id }) => id)
const usableOf = ({ set }: ServicePlan): Endpoint[] => set.all.filter(({ out }) => !out)

function fail({ outlier }: ServicePlan, endpoint: Endpoint, now: number): void {
  for (let time = 0; time < 5; time++) outlier.observe(endpoint, outcomeOf({ ...UNAVAILABLE, endpoint }), now)
}

describe('endpoints of a part that go out of use', () => {
  it('are stood in for, all of them, and nobody panics', () => {
    const { service, used, settle, clock } = part()
    const own = used()
    // At most half of them may be out at once; who stands in makes room for the next.
    for (let round = 0; round < 12; round++) {
      for (const endpoint of own) if (!endpoint.out) fail(service, endpoint, clock.now())
      settle()
    }
    expect(own.every(({ out }) => out)).toBe(true)
    expect(used()).toHaveLength(20)
    expect(idsOf(used())).toEqual(expect.arrayContaining(idsOf(own)))
    expect(usableOf(service)).toHaveLength(10)
    expect(service.set.panic).toBe(false)
    for (let call = 0; call < 100; call++) {
      const picked = service.choices.whole.pick(callOf({ tries: 0 }), undefined, clock.now())
      expect(picked?.out).toBe(false)
    }
  })

  it('by their health checks likewise, also where it is three quarters of all', () => {
    const { service, used, settle } = part()
    for (let round = 0; round < 40; round++) {
      for (const endpoint of used())
        service.set.setHealth(endpoint, Number(endpoint.id.slice(endpoint.id.lastIndexOf('.') + 1, -3)) % 4 !== 0, false)
      settle()
    }
    expect(usableOf(service)).toHaveLength(10)
    expect(service.set.panic).toBe(false)
    expect(service.set.usable.every(({ out }) => !out)).toBe(true)
  })

  it('where all are, no more are looked at than four times the size and a few, and it is panic', () => {
    const { service, used, settle } = part()
    for (let round = 0; round < 100; round++) {
      for (const endpoint of used()) service.set.setHealth(endpoint, true, false)
      settle()
    }
    expect(used()).toHaveLength(42)
    expect(service.set.panic).toBe(true)
    expect(service.set.usable).toHaveLength(42)
  })

  it('where the whole set is known, panic is as for anybody who uses all', () => {
    const { service, used, settle } = part({}, 30)
    for (let round = 0; round < 10; round++) {
      for (const endpoint of used()) service.set.setHealth(endpoint, many(30).indexOf(endpoint.id) >= 9, false)
      settle()
    }
    expect(used()).toHaveLength(30)
    expect(service.set.panic).toBe(true)
  })

  it('come back to their place; who stood in leaves a minute after, and an endpoint that flaps moves nobody', () => {
    const { service, used, settle, clock } = part()
    const own = used()
    const [one, two] = own as [Endpoint, Endpoint]
    service.set.setHealth(one, true, false)
    settle()
    const wider = idsOf(used())
    expect(wider).toHaveLength(11)
    for (let flap = 0; flap < 60; flap++) {
      service.set.setHealth(one, flap % 2 === 0, false)
      clock.advance(5_000)
      expect(idsOf(used())).toEqual(wider)
    }
    // Another one goes meanwhile: the same one stands in.
    service.set.setHealth(two, true, false)
    settle()
    expect(idsOf(used())).toEqual(wider)
    service.set.setHealth(two, false, false)
    clock.advance(2 * MINUTE)
    expect(idsOf(used())).toEqual(idsOf(own))
  })

  it('of many that come back at once no more than twice the size stay in use', () => {
    const { service, used, settle, clock } = part()
    for (let round = 0; round < 100; round++) {
      for (const endpoint of used()) service.set.setHealth(endpoint, true, false)
      settle()
    }
    for (const endpoint of used()) service.set.setHealth(endpoint, false, false)
    settle()
    expect(used()).toHaveLength(42)
    clock.advance(10_000)
    expect(used()).toHaveLength(20)
    clock.advance(MINUTE)
    expect(used()).toHaveLength(10)
  })

  it('holds no timer while everybody is healthy, nor after the end', () => {
    const { service, settle, clock, used } = part({ healthCheck: false })
    settle()
    expect(clock.timers).toBe(0)
    service.set.setEjected(used()[0] as Endpoint, true)
    settle()
    expect(used()).toHaveLength(11)
    service.set.setEjected(used()[0] as Endpoint, false)
    settle()
    expect(clock.timers).toBe(1)
    service.close()
    expect(clock.timers).toBe(0)
  })

  it('explain says who stands in for whom', () => {
    const { service, used, settle, explain } = part()
    const [one] = used() as [Endpoint]
    expect(explain().subset).toEqual({
      size: 10,
      of: 500,
      because: 'subset: this process uses 10 of each priority, other processes others',
    })
    const before = idsOf(used())
    service.set.setHealth(one, true, false)
    settle()
    const other = used().find(({ id }) => !before.includes(id)) as Endpoint
    expect(explain().subset?.standIns).toEqual([{ address: other.address, for: one.address }])
    const because = () => explain().candidates.find(({ address }) => address === other.address)?.because
    expect(because()).toBe(`chosen among the usable by least-request; it stands in for ${one.address}, which is out of use`)
    service.set.setHealth(one, false, false)
    expect(explain().subset?.standIns).toEqual([{ address: other.address, for: null }])
    expect(because()).toContain('; it stood in for one that is back')
  })
})

describe('a rolling restart', () => {
  it('of the same endpoints, ten of a hundred at a time, never leaves fewer than the size, nor more than twice of it', () => {
    const { service, used, clock } = part()
    const down = (index: number, step: number): boolean => index % 50 === step
    for (let step = 0; step < 50; step++) {
      for (let look = 0; look < 4; look++) {
        for (const endpoint of used()) service.set.setHealth(endpoint, down(many(500).indexOf(endpoint.id), step), false)
        clock.advance(100)
      }
      expect(usableOf(service).length).toBeGreaterThanOrEqual(10)
      expect(used().length).toBeLessThanOrEqual(20)
      expect(service.set.panic).toBe(false)
      clock.advance(5_000)
    }
    clock.advance(3 * MINUTE)
  })
})

describe('priorities', () => {
  it('each has its own part, and its own who stand in', () => {
    const endpoints = many(400).map((address, index) => ({ address, priority: index % 2 }))
    const { service, used, settle } = part({ endpoints })
    const of = (priority: number): Endpoint[] => used().filter(({ spec }) => spec.priority === priority)
    const second = idsOf(of(1))
    expect([of(0).length, second.length]).toEqual([10, 10])
    const own = of(0)
    for (const endpoint of own) service.set.setHealth(endpoint, true, false)
    settle()
    expect([of(0).length, idsOf(of(1))]).toEqual([20, second])
    // Half of those that it knows are in use: what they carry, and the rest to the next, as anybody who uses all would have it.
    expect(service.set.levels().map(({ sharePercent, panic }) => [sharePercent, panic])).toEqual([
      [70, false],
      [30, false],
    ])
  })
})

describe('a part of a service with subsets or lanes', () => {
  const endpoints = many(400).map((address, index) => ({ address, metadata: { version: index % 40 === 0 ? 'v2' : 'v1' } }))

  it('has its size of each, and only its own kind stands in for one', () => {
    const { service, used, settle } = part({ endpoints, subset: { size: 4 }, subsets: { v1: { version: 'v1' }, v2: { version: 'v2' } } })
    const of = (version: string): Endpoint[] => used().filter(({ spec }) => spec.metadata['version'] === version)
    expect([of('v1').length, of('v2').length]).toEqual([4, 4])
    for (const endpoint of of('v2')) service.set.setHealth(endpoint, true, false)
    settle()
    expect([of('v1').length, of('v2').length]).toEqual([4, 8])
    const choice = service.choices.of({ subset: 'v2' }, 'the test')
    for (let call = 0; call < 20; call++) {
      const picked = choice.pick(callOf({ tries: 0 }), undefined, 0)
      expect([picked?.out, picked?.spec.metadata['version']]).toEqual([false, 'v2'])
    }
  })

  it('likewise of each colour', () => {
    const { used } = part({ endpoints, subset: { size: 4 }, lanes: { label: 'version', header: 'x-lane' } })
    expect(used().filter(({ spec }) => spec.metadata['version'] === 'v2')).toHaveLength(4)
    expect(used()).toHaveLength(8)
  })
})

it('a service with sessions uses all endpoints, since another process may have begun one', () => {
  const made = planOf({ services: { orders: { endpoints: many(250), balancing: { session: { cookie: { name: 'at' } } } } } })
  expect(made.service().set.all).toHaveLength(250)
})

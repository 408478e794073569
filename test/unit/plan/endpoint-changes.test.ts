import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/index.ts'
import type { Clock } from '../../../src/core/clock.ts'
import { Endpoint, type EndpointSpec } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { EndpointChanges } from '../../../src/plan/endpoint-changes.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { specOf } from '../../support/sample.ts'

/** A clock that moves on by 1 ms at each look, so that every slice ends after a few; and polls that the test lets through. */
class BusyClock extends VirtualClock {
  perLook = 0
  readonly polls: (() => void)[] = []
  override now(): number {
    if (this.perLook > 0) this.advance(this.perLook)
    return super.now()
  }
  override afterPoll(fire: () => void): void {
    this.polls.push(fire)
  }
}

function make(clock: Clock & { advance(ms: number): void } = new VirtualClock()) {
  const set = new EndpointSet(50, seededRandom(1))
  const seen = { replaced: 0, left: [] as string[], renewed: [] as string[] }
  const changes = new EndpointChanges(new TimerWheel(clock), {
    set,
    join: (spec) => new Endpoint('orders', spec),
    renew: (endpoint, spec) => {
      seen.renewed.push(endpoint.id)
      endpoint.spec = spec
    },
    replace: (present) => {
      seen.replaced++
      set.replace(present)
    },
    leave: ({ id }) => void seen.left.push(id),
  })
  const ids = () => set.all.map(({ id }) => id)
  const known = () => Array.from(changes.known.values(), ({ id }) => id)
  return { changes, clock, set, seen, ids, known }
}

const specs = (...indexes: number[]): EndpointSpec[] => indexes.map((index) => specOf(index))
const idsOf = (...indexes: number[]): string[] => specs(...indexes).map(({ id }) => id)
const many = (count: number, prefix: string): EndpointSpec[] =>
  Array.from({ length: count }, (_, index) => specOf(1, { id: `${prefix}-${index}` }))

describe('changes of endpoints', () => {
  it('the first is applied at once, those of the next 50 ms together', () => {
    const { changes, clock, seen, ids } = make()
    changes.apply(specs(1))
    changes.apply(specs(1, 2))
    expect(ids()).toEqual(idsOf(1, 2))
    for (let index = 3; index < 40; index++) {
      changes.apply(specs(1, index))
      clock.advance(1)
    }
    expect([ids(), seen.replaced]).toEqual([idsOf(1, 2), 2])
    clock.advance(20)
    expect([ids(), seen.replaced]).toEqual([idsOf(1, 39), 3])
  })

  it('a thousand pushes a second are at most twenty-one changes, and the last of them holds 50 ms later', () => {
    const { changes, clock, seen, ids } = make()
    changes.apply(specs(1))
    for (let push = 0; push < 1_000; push++) {
      changes.apply(specs(1, 2 + (push % 7)))
      clock.advance(1)
    }
    expect(seen.replaced).toBeLessThanOrEqual(22)
    clock.advance(50)
    expect(ids()).toEqual(idsOf(1, 2 + (999 % 7)))
  })

  it('where there is nobody to call, somebody is not kept waiting', () => {
    const { changes, ids } = make()
    for (const list of [specs(1), [], specs(2)]) changes.apply(list)
    expect(ids()).toEqual(idsOf(2))
  })

  it('whoever looks sees what is configured', () => {
    const { changes, ids } = make()
    for (const list of [specs(1), specs(2), specs(3)]) changes.apply(list)
    expect(ids()).toEqual(idsOf(2))
    changes.finish()
    expect(ids()).toEqual(idsOf(3))
  })

  it('living endpoints are the same objects wherever they move in the list, and one named twice counts once', () => {
    const { changes, clock, set } = make()
    changes.apply(specs(1, 2, 3, 4))
    const before = new Map(set.all.map((each) => [each.id, each]))
    for (const order of [
      [2, 3, 4],
      [4, 3, 2, 1],
      [5, 1, 6, 2, 3, 4, 7],
      [1, 1, 2, 2, 3, 4],
    ]) {
      for (const endpoint of set.all) endpoint.tries = 1
      changes.apply(specs(...order))
      clock.advance(50)
      expect(set.all.map(({ id }) => id)).toEqual(idsOf(...new Set(order)))
      for (const endpoint of set.all) if (before.has(endpoint.id)) expect(endpoint).toBe(before.get(endpoint.id))
      expect(set.all.map(({ removedAt }) => removedAt)).toEqual(set.all.map(() => undefined))
    }
  })

  it('another specification of the same id is told', () => {
    const { changes, set, seen } = make()
    changes.apply(specs(1, 2))
    changes.apply([specOf(1, { address: '10.0.0.9:80' }), set.all[1]?.spec as EndpointSpec])
    expect(seen.renewed).toEqual(idsOf(1))
    expect(set.all[0]?.address).toBe('10.0.0.9:80')
  })

  it('one that left is forgotten a minute later although nothing else changes; one with calls under way when they have ended', () => {
    const { changes, clock, set, known } = make()
    changes.apply(specs(1, 2, 3, 4))
    const [used, busy, blank] = set.all as [Endpoint, Endpoint, Endpoint]
    used.tries = 1
    busy.inflight = 1
    expect(blank.tries).toBe(0)
    changes.apply(specs(4))
    expect(known()).toEqual(idsOf(1, 2, 4))
    clock.advance(59_000)
    expect(known()).toEqual(idsOf(1, 2, 4))
    clock.advance(1_001)
    expect(known()).toEqual(idsOf(2, 4))
    busy.inflight = 0
    clock.advance(2_000)
    expect(known()).toEqual(idsOf(4))
    expect((clock as VirtualClock).timers).toBe(0)
  })

  it('one that comes back within the minute is who it was, and its minute begins anew', () => {
    const { changes, clock, set, known } = make()
    changes.apply(specs(1, 2))
    const [first] = set.all as [Endpoint]
    first.tries = 1
    changes.apply(specs(2))
    clock.advance(50_000)
    changes.apply(specs(1, 2))
    expect(set.all[0]).toBe(first)
    clock.advance(50_000)
    changes.apply(specs(2))
    clock.advance(50_000)
    expect(known()).toEqual(idsOf(2, 1).sort())
    clock.advance(20_000)
    expect(known()).toEqual(idsOf(2))
  })

  it('after the close nothing is applied and no timer is left', () => {
    const { changes, clock, set, ids } = make()
    changes.apply(specs(1, 2))
    for (const endpoint of set.all) endpoint.tries = 1
    changes.apply(specs(2))
    changes.apply(specs(3))
    changes.close()
    changes.apply(specs(4))
    expect((clock as VirtualClock).timers).toBe(0)
    clock.advance(100_000)
    expect(ids()).toEqual(idsOf(2))
  })
})

describe('a large change', () => {
  function large() {
    const clock = new BusyClock()
    const made = make(clock)
    made.changes.apply(many(10_000, 'old'))
    clock.perLook = 1
    return { ...made, clock }
  }
  const drain = (clock: BusyClock): number => {
    let slices = 0
    for (let next = clock.polls.shift(); next !== undefined; next = clock.polls.shift()) {
      slices++
      next()
    }
    return slices
  }

  it('is worked out in slices while the former endpoints serve, and then holds as a whole', () => {
    const { changes, clock, set, seen } = large()
    const former = set.all
    changes.apply(many(10_000, 'new'))
    expect(set.all).toBe(former)
    clock.polls.shift()?.()
    expect(set.all).toBe(former)
    expect(seen.left).toEqual([])
    expect(drain(clock)).toBeGreaterThan(5)
    expect([set.all.length, set.all[0]?.id, set.all[9_999]?.id]).toEqual([10_000, 'new-0', 'new-9999'])
    expect(Object.isFrozen(set.all)).toBe(true)
    expect(seen.left).toHaveLength(10_000)
    expect(Array.from(changes.known.values())).toHaveLength(10_000)
  })

  it('ejections meanwhile are counted right afterwards', () => {
    const { changes, clock, set } = large()
    const [stays, goes] = [set.all[0] as Endpoint, set.all[5_000] as Endpoint]
    changes.apply([...many(1, 'old'), ...many(9_999, 'new')])
    set.setEjected(stays, true)
    clock.polls.shift()?.()
    set.setEjected(goes, true)
    drain(clock)
    expect(set.ejected).toBe(1)
    set.setEjected(stays, false)
    expect([set.ejected, set.usable.length]).toEqual([0, 10_000])
  })

  it('a further change waits for its end, and only the newest of them is applied', () => {
    const { changes, clock, set, seen } = large()
    changes.apply(many(10_000, 'a'))
    changes.apply(many(10_000, 'b'))
    changes.apply(many(10_000, 'c'))
    drain(clock)
    clock.perLook = 0
    clock.advance(60)
    clock.perLook = 1
    drain(clock)
    expect(set.all[0]?.id).toBe('c-0')
    expect(seen.replaced).toBe(3)
  })

  it('one who looks in the middle sees its end', () => {
    const { changes, clock, set } = large()
    changes.apply(many(10_000, 'new'))
    changes.finish()
    expect(set.all[0]?.id).toBe('new-0')
    expect(() => drain(clock)).not.toThrow()
    expect(set.all).toHaveLength(10_000)
  })
})

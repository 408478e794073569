import { describe, expect, it } from 'vitest'
import { RandomBalancer } from '../../../src/balancing/random.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { type SelectionGround, Selections } from '../../../src/plan/selection.ts'
import { WatchedSet } from '../../../src/plan/watched-set.ts'
import { endpointsOf } from '../../support/sample.ts'

function start() {
  const random = seededRandom(1)
  const set = new WatchedSet(50, random)
  const all = Object.freeze(endpointsOf(4))
  set.replace(all)
  const time = { now: 0 }
  const balancing = { balancer: new RandomBalancer(random), another: () => new RandomBalancer(random) }
  const ground: SelectionGround = { set, time, balancing }
  return { set, all, time, balancing, ground, selections: new Selections(ground) }
}

describe('selections', () => {
  it('are made once for a key, and those that nobody used for a minute go when another is made', () => {
    const { selections, all, time } = start()
    const one = selections.of('one', all)
    expect(selections.of('one', all)).toBe(one)
    selections.of('two', all)
    time.now = 50_000
    expect(one.current).toBe(one)
    time.now = 61_000
    expect(selections.size).toBe(2)
    selections.of('three', all)
    expect([selections.size, selections.of('one', all)]).toEqual([2, one])
  })

  it('follow their endpoints, the policy and the balancer of the service, and keep what did not change', () => {
    const { selections, set, all, balancing } = start()
    const some = Object.freeze(all.slice(0, 2))
    const selection = selections.of('some', some)
    const { balancer } = selection.current
    expect(selection.set.all).toBe(some)
    set.setEjected(all[0] as (typeof all)[number], true)
    // An ejection makes no other list, from which tables would be built anew.
    expect([selection.current.set.all, selection.set.usable]).toEqual([some, [some[1]]])
    expect([selection.current.set.all, selection.balancer]).toEqual([some, balancer])
    expect(selection.set.all).toBe(some)
    set.reconfigure(60)
    expect([selection.set.panic, selection.current.set.panic]).toEqual([false, true])
    balancing.balancer = new RandomBalancer(() => 0)
    expect(selection.current.balancer).not.toBe(balancer)
    expect(selections.of('some', all).current.set.all).toBe(all)
  })
})

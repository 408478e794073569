import { describe, expect, it } from 'vitest'
import { RandomBalancer } from '../../../src/balancing/random.ts'
import type { Call } from '../../../src/core/call.ts'
import { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_LANES } from '../../../src/model/defaults.ts'
import type { LaneSettings } from '../../../src/model/route-settings.ts'
import { Lanes } from '../../../src/plan/lanes.ts'
import { WatchedSet } from '../../../src/plan/watched-set.ts'
import { callOf, specOf } from '../../support/sample.ts'

function start(colours: readonly (string | undefined)[], settings: Partial<LaneSettings> = {}) {
  const random = seededRandom(1)
  const set = new WatchedSet(50, random)
  const endpoints = colours.map(
    (lane, index) => new Endpoint('orders', specOf(index + 1, { metadata: lane === undefined ? {} : { lane } })),
  )
  set.replace(endpoints)
  const balancing = { balancer: new RandomBalancer(random), another: () => new RandomBalancer(random) }
  const lanes = new Lanes({ ...DEFAULT_LANES, ...settings }, set, { set, balancing, time: { now: 0 } })
  const pick = (call: Call, colour?: string, now = 0): Endpoint | undefined => {
    const chosen = lanes.selectionFor(call, colour, now)
    const picked = chosen.set.pick(chosen.balancer, call, now)
    if (picked?.recovering === true) set.probed(picked)
    return picked
  }
  /** Colours of whoever is picked in many calls. */
  const picked = (colour?: string, idempotent = true, now = 1_000): string[] => {
    const seen = new Set<string>()
    for (let call = 0; call < 50; call++) seen.add(pick(callOf({ tries: 0, idempotent }), colour, now)?.spec.metadata['lane'] ?? 'base')
    return [...seen].sort()
  }
  return { set, lanes, endpoints, pick, picked }
}

describe('lanes', () => {
  it.each<[colours: (string | undefined)[], settings: Partial<LaneSettings>, colour: string | undefined, picked: string[]]>([
    [[undefined, 'a', 'b'], {}, 'a', ['a']],
    [[undefined, 'a', 'b'], {}, undefined, ['base']],
    [[undefined, 'a', 'b'], {}, '', ['base']],
    [[undefined, 'a', 'b'], {}, 'c', ['base']],
    [['', 'a'], {}, undefined, ['']],
    [['a', 'b'], {}, undefined, ['a', 'b']],
    [['a', 'b'], { baseline: 'a' }, undefined, ['a']],
    [['a', 'b'], { baseline: 'a' }, 'a', ['a']],
    [['a', 'b', undefined], { baseline: 'a' }, 'c', ['a', 'base']],
    [['a', 'b'], { baseline: 'a', strict: true }, 'b', ['b']],
    [[undefined, 'b'], { strict: true }, undefined, ['base']],
    [[undefined], {}, 'constructor', ['base']],
  ])('%j with %j: a call of %s goes to %j', (colours, settings, colour, picked) =>
    expect(start(colours, settings).picked(colour)).toEqual(picked),
  )

  it('strict: nobody for a colour that nobody has', () => {
    const { lanes, pick } = start([undefined, 'a'], { strict: true })
    const call = callOf({ tries: 0 })
    expect([pick(call, 'b'), lanes.selectionFor(call, 'b', 0).set.usable, lanes.hasUntried(call, 'b')]).toEqual([undefined, [], false])
  })

  it('endpoints come and go, and are ejected and come back', () => {
    const { set, endpoints, picked } = start([undefined, 'a'])
    const [, a] = endpoints as [Endpoint, Endpoint]
    set.setEjected(a, true)
    expect(picked('a')).toEqual(['base'])
    set.setEjected(a, false)
    expect(picked('a')).toEqual(['a'])
    set.setHealth(a, true, false)
    expect(picked('a')).toEqual(['base'])
    set.setHealth(a, false, true)
    expect(picked('a')).toEqual(['a'])
    set.replace([endpoints[0] as Endpoint])
    expect(picked('a')).toEqual(['base'])
    set.replace(endpoints)
    expect(picked('a')).toEqual(['a'])
  })

  it('one that may be back gets one probe, of a call that may be repeated while there is time for one', () => {
    const { set, endpoints, pick, picked } = start([undefined, 'a'])
    const [, a] = endpoints as [Endpoint, Endpoint]
    set.setEjected(a, true)
    a.recovering = true
    a.ejectedUntil = 1_000
    set.awaitProbe(a)
    expect(picked('a', false, 1_100)).toEqual(['base'])
    expect(pick(callOf({ tries: 0 }), 'a', 1_100)).toBe(a)
    expect(picked('a', true, 1_101)).toEqual(['base'])
    a.probedAt = Number.NaN
    set.awaitProbe(a)
    expect(pick(callOf({ tries: 0, idempotent: false }), 'a', 1_600)).toBe(a)
  })

  it('a further try stays in its lane while there is another, then goes to the baseline', () => {
    const { endpoints, lanes, pick } = start([undefined, 'a', 'a'])
    const [base, first, second] = endpoints as [Endpoint, Endpoint, Endpoint]
    expect(pick(callOf({}, [first]), 'a', 0)).toBe(second)
    expect(pick(callOf({}, [first, second]), 'a', 0)).toBe(base)
    expect([lanes.hasUntried(callOf({}, [first, second]), 'a'), lanes.hasUntried(callOf({}, endpoints), 'a')]).toEqual([true, false])
    const strict = start(['a', undefined], { strict: true })
    expect(strict.lanes.hasUntried(callOf({}, [strict.endpoints[0] as Endpoint]), 'a')).toBe(false)
  })
})

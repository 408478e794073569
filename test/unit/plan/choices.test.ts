import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { DEFAULT_LANES, DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { NamedSubsetSettings, SelectionSettings, SelectionStep } from '../../../src/model/subsets.ts'
import { type Choice, metadataKey } from '../../../src/plan/choice.ts'
import { explainChoice, whyNobody } from '../../../src/plan/choice-words.ts'
import { choicesOf } from '../../support/choices.ts'
import { callOf } from '../../support/sample.ts'

const V1 = { version: 'v1' }
const V2 = { version: 'v2' }
const ANY: SelectionStep = { any: true }
const first = () => callOf({ tries: 0 })
const subsetsOf = (otherwise: readonly SelectionStep[] = []): Record<string, NamedSubsetSettings> => ({
  v1: { metadata: V1, otherwise: [] },
  v2: { metadata: V2, otherwise },
})

/** Places of whoever is picked by many first tries. */
function picked(choice: Choice, endpoints: readonly Endpoint[], colour?: string): number[] {
  const seen = new Set<number>()
  for (let call = 0; call < 60; call++) {
    const endpoint = choice.pick(first(), colour, 0)
    if (endpoint !== undefined) seen.add(endpoints.indexOf(endpoint))
  }
  return [...seen].sort()
}

describe('a choice', () => {
  it.each<[what: string, selection: SelectionSettings, fleet: Record<string, string>[], out: number[], picked: number[]]>([
    ['a subset', { subset: 'v2' }, [V1, V2, V2], [], [1, 2]],
    ['metadata', { metadata: V1 }, [V1, V2, V2], [], [0]],
    ['neither', {}, [V1, V2], [], [0, 1]],
    ['a subset that nobody is of', { subset: 'v2' }, [V1, V1], [], []],
    ['otherwise any', { subset: 'v2', otherwise: [ANY] }, [V1, {}], [], [0, 1]],
    ['otherwise another subset', { subset: 'v2', otherwise: [{ subset: 'v1' }] }, [V1, {}], [], [0]],
    ['otherwise metadata', { metadata: V2, otherwise: [{ metadata: V1 }] }, [V1, {}], [], [0]],
    [
      'the first of a list of which somebody is',
      { metadata: V2, otherwise: [{ metadata: { a: 'b' } }, { metadata: V1 }, ANY] },
      [V1, {}],
      [],
      [0],
    ],
    ['otherwise a subset that there is not, then any', { subset: 'v2', otherwise: [{ subset: 'v9' }, ANY] }, [V1, {}], [], [0, 1]],
    ['somebody of it is usable', { subset: 'v2', otherwise: [ANY] }, [V1, V2, V2, V2], [1], [2, 3]],
    ['few of it are usable: it panics', { subset: 'v2', otherwise: [ANY] }, [V1, V2, V2, V2], [1, 2], [1, 2, 3]],
    ['nobody of it is usable', { subset: 'v2', otherwise: [ANY] }, [V1, V1, V2], [2], [0, 1]],
    ['nobody of it is usable, and nothing else is allowed: it panics', { subset: 'v2' }, [V1, V1, V2, V2], [2, 3], [2, 3]],
    [
      'nobody of any is usable: the last that somebody is of panics',
      { subset: 'v2', otherwise: [{ subset: 'v1' }, { subset: 'v9' }] },
      [V1, V2, {}],
      [0, 1],
      [0],
    ],
  ])('%s', (_, selection, fleet, out, expected) => {
    const { choices, set, endpoints } = choicesOf(fleet, { subsets: subsetsOf() })
    for (const place of out) set.setEjected(endpoints[place] as Endpoint, true)
    expect(picked(choices.of(selection, 'the rule'), endpoints)).toEqual(expected)
  })

  it('goes otherwise as the subset says, unless the backend says so itself', () => {
    const { choices, endpoints } = choicesOf([V1, {}], { subsets: subsetsOf([ANY]) })
    expect(picked(choices.of({ subset: 'v2' }, ''), endpoints)).toEqual([0, 1])
    expect(picked(choices.of({ subset: 'v2', otherwise: [] }, ''), endpoints)).toEqual([])
    expect(picked(choices.of({ subset: 'v2', otherwise: [{ subset: 'v1' }] }, ''), endpoints)).toEqual([0])
  })

  it('follows endpoints that come, go, and get other metadata', () => {
    const { choices, set, endpoints } = choicesOf([V1, V2], { subsets: subsetsOf() })
    const [one, two] = endpoints as [Endpoint, Endpoint]
    const choice = choices.of({ subset: 'v2' }, '')
    expect(picked(choice, endpoints)).toEqual([1])
    one.spec = { ...one.spec, metadata: V2 }
    set.replace([one, two])
    expect(picked(choice, endpoints)).toEqual([0, 1])
    set.replace([one])
    expect(picked(choice, endpoints)).toEqual([0])
    set.replace([])
    expect(picked(choice, endpoints)).toEqual([])
  })

  it('a further try stays while somebody usable was not tried, then goes otherwise; without that it stays for good', () => {
    const { choices, set, endpoints } = choicesOf([V1, V2, V2], { subsets: subsetsOf() })
    const [one, two, three] = endpoints as [Endpoint, Endpoint, Endpoint]
    const open = choices.of({ subset: 'v2', otherwise: [ANY] }, '')
    const closed = choices.of({ subset: 'v2' }, '')
    expect(open.pick(callOf({}, [two]), undefined, 0)).toBe(three)
    expect(open.pick(callOf({}, [two, three]), undefined, 0)).toBe(one)
    expect([open, closed].map((choice) => choice.hasUntried(callOf({}, [two, three]), undefined))).toEqual([true, false])
    expect([two, three]).toContain(closed.pick(callOf({}, [two, three]), undefined, 0))
    // Nobody is sent to one that is out while another place has somebody.
    set.setEjected(three, true)
    expect(open.pick(callOf({}, [two]), undefined, 0)).toBe(one)
    expect(closed.pick(callOf({}, [two]), undefined, 0)).toBe(three)
  })

  it('one that may be back is probed by one call at a time, whoever it is for', () => {
    const { choices, set, endpoints } = choicesOf([V1, V2], { subsets: subsetsOf([ANY]) })
    const [, two] = endpoints as [Endpoint, Endpoint]
    const subset = choices.of({ subset: 'v2' }, '')
    const await_ = (): void => {
      set.setEjected(two, true)
      two.recovering = true
      two.probedAt = Number.NaN
      set.awaitProbe(two)
    }
    await_()
    expect(subset.pick(first(), undefined, 100)).toBe(two)
    expect([choices.whole.pick(first(), undefined, 101), subset.pick(first(), undefined, 101)]).toEqual([endpoints[0], endpoints[0]])
    await_()
    expect(choices.whole.pick(first(), undefined, 200)).toBe(two)
    expect([subset.pick(first(), undefined, 201), choices.whole.pick(first(), undefined, 201)]).toEqual([endpoints[0], endpoints[0]])
  })

  it('metadata of a call narrow it, and go before what it says itself', () => {
    const fleet = [
      { ...V1, region: 'eu' },
      { ...V2, region: 'eu' },
      { ...V2, region: 'us' },
    ]
    const { choices, endpoints } = choicesOf(fleet, { subsets: subsetsOf() })
    const asked = (wanted: Record<string, string>) => ({ wanted, key: metadataKey(wanted) })
    expect(picked(choices.of({ subset: 'v2' }, '').narrowed(asked({ region: 'eu' })), endpoints)).toEqual([1])
    expect(picked(choices.whole.narrowed(asked({ region: 'eu' })), endpoints)).toEqual([0, 1])
    expect(picked(choices.of({ subset: 'v2' }, '').narrowed(asked({ ...V1 })), endpoints)).toEqual([0])
    expect(picked(choices.of({ subset: 'v2', otherwise: [ANY] }, '').narrowed(asked({ region: 'ap' })), endpoints)).toEqual([0, 1, 2])
    expect(picked(choices.whole.narrowed(asked({ region: 'ap' })), endpoints)).toEqual([])
    expect(picked(choices.of({ subset: 'v9' }, '').narrowed(asked(V2)), endpoints)).toEqual([])
    const choice = choices.whole
    expect(choice.narrowed(asked({ a: '1', b: '2' }))).toBe(choice.narrowed(asked({ b: '2', a: '1' })))
    for (let value = 0; value < 1_000; value++)
      expect(choice.narrowed(asked({ pod: `${value}` })).pick(first(), undefined, 0)).toBeUndefined()
  })

  it('values that look like several are one', () => {
    const tricky = { version: 'v2 and region eu' }
    const { choices, endpoints } = choicesOf([tricky, { version: 'v2', region: 'eu' }])
    expect(picked(choices.of({ metadata: tricky }, ''), endpoints)).toEqual([0])
    expect(picked(choices.of({ metadata: { version: 'v2', region: 'eu' } }, ''), endpoints)).toEqual([1])
  })
})

describe('lanes within a choice', () => {
  const FLEET = [V1, { ...V1, lane: 'blue' }, V2, { ...V2, lane: 'blue' }, { ...V2, lane: 'red' }]

  it.each<[selection: SelectionSettings, colour: string | undefined, strict: boolean, picked: number[]]>([
    [{}, 'blue', false, [1, 3]],
    [{ subset: 'v2' }, 'blue', false, [3]],
    [{ subset: 'v2' }, undefined, false, [2]],
    [{ subset: 'v1' }, 'red', false, [0]],
    [{ subset: 'v1' }, 'red', true, []],
    // The lane is looked for in each place, one after the other.
    [{ subset: 'v1', otherwise: [{ subset: 'v2' }] }, 'red', true, [4]],
    [{ subset: 'v1', otherwise: [{ subset: 'v2' }] }, 'red', false, [0]],
    [{ metadata: { lane: 'blue' } }, undefined, false, [1, 3]],
  ])('%j for a call of %s, strict %s: %j', (selection, colour, strict, expected) => {
    const { choices, endpoints } = choicesOf(FLEET, { subsets: subsetsOf(), lanes: { ...DEFAULT_LANES, strict } })
    expect(picked(choices.of(selection, ''), endpoints, colour)).toEqual(expected)
  })

  it('come and go with the policy while a choice is in use, and so does the share at which it panics', () => {
    const { choices, set, endpoints, policy } = choicesOf(FLEET, { subsets: subsetsOf() })
    const choice = choices.of({ subset: 'v2' }, '')
    expect(picked(choice, endpoints, 'blue')).toEqual([2, 3, 4])
    choices.configure({ ...policy, lanes: DEFAULT_LANES })
    expect(picked(choice, endpoints, 'blue')).toEqual([3])
    choices.configure({ ...policy, lanes: { ...DEFAULT_LANES, label: 'version' } })
    expect(picked(choice, endpoints, 'v2')).toEqual([2, 3, 4])
    choices.configure(policy)
    for (const place of [2, 3]) set.setEjected(endpoints[place] as Endpoint, true)
    expect(picked(choice, endpoints)).toEqual([2, 3, 4])
    set.reconfigure({ ...policy, panicPercent: 10 })
    expect(picked(choice, endpoints)).toEqual([4])
  })
})

describe('what is told of a choice', () => {
  const { choices, set, endpoints } = choicesOf([V1, V2], { subsets: subsetsOf(), panicPercent: 0 })
  set.setEjected(endpoints[1] as Endpoint, true)

  it.each<[selection: SelectionSettings, taken: string | undefined, because: string, from: string]>([
    [{ subset: 'v1' }, 'version v1', 'the subset v1: endpoints that have version v1', 'the policy'],
    [{ metadata: V1 }, 'version v1', 'metadata: endpoints that have version v1', 'the rule'],
    [{ subset: 'v2', otherwise: [ANY] }, 'any', 'the subset v2: no usable endpoint has version v2, so any takes it', 'the policy'],
    [
      { metadata: { version: 'v3' }, otherwise: [{ subset: 'v9' }, { subset: 'v1' }] },
      'version v1',
      'metadata: no endpoint has version v3, no endpoint has subset v9, which there is not, so one with version v1 takes it',
      'the rule',
    ],
    [{ subset: 'v2' }, undefined, 'the subset v2: no usable endpoint has version v2: nobody may take its calls', 'the policy'],
    [{ metadata: { version: 'v3' } }, undefined, 'metadata: no endpoint has version v3: nobody may take its calls', 'the rule'],
    [{ subset: 'v3' }, undefined, 'the service has no subset v3', 'the rule'],
  ])('%j', (selection, taken, because, from) => {
    const choice = choices.of(selection, 'the rule')
    expect(explainChoice(choice, first(), undefined).selection).toMatchObject({ taken, because, from })
    if (taken === undefined) expect(whyNobody(choice, first(), undefined)).toEqual({ reason: because, from })
  })

  it('of a strict lane that nobody of it is in', () => {
    const { choices: strict } = choicesOf([V1], { subsets: subsetsOf(), lanes: { ...DEFAULT_LANES, strict: true } })
    const lane = 'the lane red (x-lane): no usable endpoint has lane red, and lanes are strict'
    expect(whyNobody(strict.of({ subset: 'v1' }, ''), first(), 'red')?.reason).toBe(`the subset v1: ${lane}: nobody may take its calls`)
    expect(whyNobody(strict.whole, first(), 'red')).toEqual({ reason: lane })
  })

  it('nothing of all endpoints', () => {
    expect([explainChoice(choices.whole, first(), undefined), whyNobody(choices.whole, first(), undefined)]).toEqual([{}, undefined])
  })

  it('stats count calls by the subset that they were meant for', () => {
    const { choices: counted } = choicesOf([V1], { subsets: subsetsOf([ANY]) })
    const [one, two] = [counted.of({ subset: 'v1' }, ''), counted.of({ subset: 'v2' }, '')]
    for (let call = 0; call < 3; call++) one.pick(first(), undefined, 0)
    for (let call = 0; call < 2; call++) two.pick(first(), undefined, 0)
    two.pick(callOf({}, []), undefined, 0)
    expect(counted.stats()).toEqual({
      v1: { endpoints: 1, usable: 1, calls: 3, otherwise: 0 },
      v2: { endpoints: 0, usable: 0, calls: 2, otherwise: 2 },
    })
    counted.configure({ ...DEFAULT_POLICY, subsets: { v1: { metadata: V1, otherwise: [] } } })
    expect(counted.stats()).toEqual({ v1: { endpoints: 1, usable: 1, calls: 3, otherwise: 0 } })
  })
})

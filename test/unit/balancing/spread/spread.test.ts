import { describe, expect, it } from 'vitest'
import { createBalancer, EndpointSet, loadXxHash64, RandomBalancer } from '../../../../src/balancing/index.ts'
import type { SpreadSettings } from '../../../../src/balancing/spread/spread.ts'
import type { CallerZone } from '../../../../src/balancing/spread/zone-routing.ts'
import { Endpoint, type EndpointSpec, type Locality } from '../../../../src/core/endpoint.ts'
import { seededRandom } from '../../../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../../../src/model/defaults.ts'
import type { LocalitySettings } from '../../../../src/model/locality.ts'
import { callOf, specOf } from '../../../support/sample.ts'

const CALLS = 20_000

interface Made {
  readonly specs: readonly Partial<EndpointSpec>[]
  readonly settings?: Partial<SpreadSettings>
  readonly locality?: Partial<LocalitySettings> | false
  readonly own?: Locality
  readonly callers?: readonly CallerZone[]
}

function make({ specs, settings, locality = {}, own = {}, callers }: Made) {
  const random = seededRandom(7)
  const written = locality === false ? false : { ...DEFAULT_POLICY.locality, ...locality }
  const set = new EndpointSet({ ...DEFAULT_POLICY, locality: written, ...settings }, random, { own, callers: () => callers })
  const endpoints = specs.map((spec, index) => new Endpoint('orders', specOf(index + 1, spec)))
  set.replace(endpoints)
  const balancer = new RandomBalancer(random)
  /** Percent of many first tries, by what `of` says of their endpoint. */
  const percents = (of: (endpoint: Endpoint) => string): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (let call = 0; call < CALLS; call++) {
      const picked = set.pick(balancer, callOf({ tries: 0 }), 0)
      const name = picked === undefined ? 'nobody' : of(picked)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Math.round((count * 100) / CALLS)]))
  }
  return { set, endpoints, percents, balancer, random }
}

const many = (count: number, spec: Partial<EndpointSpec> = {}): Partial<EndpointSpec>[] => Array(count).fill(spec)
const zone = (name: string, count = 1, more: Partial<EndpointSpec> = {}): Partial<EndpointSpec>[] =>
  many(count, { locality: { region: 'eu', zone: name }, ...more })
const zoneOf = ({ spec }: Endpoint): string => spec.locality.zone ?? 'none'
const priorityOf = ({ spec }: Endpoint): string => `${spec.priority}`

/** Within two of a hundred. */
function near(found: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, percent] of Object.entries(expected))
    expect([name, Math.abs((found[name] as number) - percent) <= 2]).toEqual([name, true])
}

describe('priorities', () => {
  it.each([
    [0, { 0: 100 }],
    [2, { 0: 100 }],
    [3, { 0: 98, 1: 2 }],
    [5, { 0: 70, 1: 30 }],
    [8, { 0: 28, 1: 72 }],
    [10, { 1: 100 }],
  ])('%d of 10 are out: %j', (out, expected) => {
    const { set, endpoints, percents } = make({ specs: [...many(10), ...many(10, { priority: 1 })] })
    for (const endpoint of endpoints.slice(0, out)) set.setEjected(endpoint, true)
    near(percents(priorityOf), expected)
    expect(set.panic).toBe(false)
    for (const endpoint of endpoints.slice(0, out)) set.setEjected(endpoint, false)
    expect(percents(priorityOf)).toEqual({ 0: 100 })
  })

  it('degraded endpoints of all levels get what healthy ones cannot carry', () => {
    const { set, endpoints, percents } = make({ specs: [...many(4), ...many(4, { priority: 1 })] })
    for (const endpoint of endpoints.slice(0, 3)) set.setHealth(endpoint, false, true)
    for (const endpoint of endpoints.slice(4, 8)) set.setHealth(endpoint, true, false)
    near(
      percents(({ degraded }) => (degraded ? 'degraded' : 'healthy')),
      { healthy: 35, degraded: 65 },
    )
    expect(set.levels().map(({ sharePercent, degradedSharePercent }) => [sharePercent, degradedSharePercent])).toEqual([
      [100, 65],
      [0, 0],
    ])
  })

  it('a level that panics uses all of its endpoints, or fails its calls', () => {
    const specs = [...many(5), ...many(2, { priority: 1 })]
    const ofCalls = (failTrafficOnPanic: boolean) => {
      const priorities = { ...DEFAULT_POLICY.priorities, failTrafficOnPanic }
      const made = make({ specs, settings: { priorities } })
      for (const index of [0, 1, 2, 3, 5]) made.set.setEjected(made.endpoints[index] as Endpoint, true)
      return made
    }
    const used = ofCalls(false)
    near(used.percents(priorityOf), { 0: 29, 1: 71 })
    expect([used.set.panic, used.set.failing, used.set.usable.length]).toEqual([true, false, 6])
    const failing = ofCalls(true)
    near(failing.percents(priorityOf), { nobody: 29, 1: 71 })
    expect([failing.set.panic, failing.set.failing, failing.set.usable.length]).toEqual([true, true, 1])
    for (const { endpoints, set } of [used, failing]) set.setEjected(endpoints[0] as Endpoint, false)
    expect([used.set.panic, failing.set.panic]).toEqual([false, false])
  })

  it('panicPercent 0 never panics: the last usable endpoint gets all, and without any nobody does', () => {
    const { set, endpoints, percents } = make({ specs: [...many(2), ...many(2, { priority: 1 })], settings: { panicPercent: 0 } })
    for (const endpoint of endpoints.slice(0, 3)) set.setEjected(endpoint, true)
    expect(percents(priorityOf)).toEqual({ 1: 100 })
    set.setEjected(endpoints[3] as Endpoint, true)
    expect([percents(priorityOf), set.panic]).toEqual([{ nobody: 100 }, false])
  })

  it('each part keeps its order: round robin goes on where it was, whatever another part does', () => {
    const { set, endpoints } = make({ specs: [...many(4), ...many(4, { priority: 1 })] })
    const balancer = createBalancer('round-robin', seededRandom(1))
    for (const index of [0, 1]) set.setEjected(endpoints[index] as Endpoint, true)
    for (let call = 0; call < CALLS; call++) (set.pick(balancer, callOf({ tries: 0 }), 0) as Endpoint).tries++
    const [, , c, d, ...others] = endpoints.map(({ tries }) => tries) as [number, number, number, number, ...number[]]
    expect(Math.abs(c - d)).toBeLessThanOrEqual(1)
    expect(Math.max(...others) - Math.min(...others)).toBeLessThanOrEqual(1)
  })

  it('a further try prefers priorities not tried, from as many tries on as is said', () => {
    const { set, endpoints, balancer } = make({ specs: [...many(3), ...many(2, { priority: 1 }), ...many(1, { priority: 2 })] })
    const [a, b, , d, e, f] = endpoints as Endpoint[]
    const next = (tried: (Endpoint | undefined)[], otherPrioritiesAfter: number | false) =>
      set.pick(balancer, callOf({ tries: tried.length, otherPrioritiesAfter }, tried as Endpoint[]), 0)?.spec.priority
    expect([next([a], false), next([a], 2), next([a], 1)]).toEqual([0, 0, 1])
    expect([next([a, b], 2), next([a, d], 1), next([a, d], 2)]).toEqual([1, 2, 2])
    // All were tried: as without the option.
    expect(next([a, d, f], 1)).toBe(0)
    set.setEjected(d as Endpoint, true)
    set.setEjected(e as Endpoint, true)
    expect(next([a], 1)).toBe(2)
  })
})

describe('zone-aware', () => {
  const own = { region: 'eu', zone: 'a' }
  const six = [...zone('a', 2), ...zone('b', 2), ...zone('c', 2)]

  it.each<[what: string, made: Partial<Made>, expected: Record<string, number>, where: string | undefined]>([
    [
      'even zones: all calls stay',
      {},
      { a: 100 },
      '100 % of the calls stay in eu/a, with callers taken to be spread evenly over the zones',
    ],
    ['no locality of our own', { own: {} }, { a: 33, b: 33, c: 33 }, undefined],
    ['only a region', { own: { region: 'eu' } }, { a: 33, b: 33, c: 33 }, undefined],
    ['switched off', { locality: false }, { a: 33, b: 33, c: 33 }, undefined],
    ['a region that nobody wrote contradicts nobody', { own: { zone: 'a' } }, { a: 100 }, expect.stringContaining('stay in a,') as string],
    [
      'a zone of that name elsewhere',
      { own: { region: 'us', zone: 'a' } },
      { a: 33, b: 33, c: 33 },
      'zones do not count: no endpoint is in our zone',
    ],
    ['nobody here', { own: { region: 'eu', zone: 'd' } }, { a: 33, b: 33, c: 33 }, 'zones do not count: no endpoint is in our zone'],
    ['one zone', { specs: zone('a', 6) }, { a: 100 }, 'zones do not count: all endpoints are in our zone'],
    [
      'too few',
      { specs: six.slice(0, 5) },
      { a: 40, b: 40, c: 20 },
      'zones do not count: 5 healthy endpoints, fewer than locality.minEndpoints (6)',
    ],
    ['fewer are enough', { specs: six.slice(0, 5), locality: { minEndpoints: 5 } }, { a: 100 }, expect.anything() as string],
    // A quarter of the endpoints, a third of the callers.
    [
      'our zone is small',
      { specs: [...zone('a', 2), ...zone('b', 3), ...zone('c', 3)] },
      { a: 75, b: 12.5, c: 12.5 },
      expect.anything() as string,
    ],
    // Weights count as endpoints do.
    [
      'our zone weighs little',
      { specs: [...zone('a', 2), ...zone('b', 2, { weight: 3 }), ...zone('c', 2, { weight: 2 })] },
      { a: 50, b: 50 },
      expect.anything() as string,
    ],
    ['some say nothing', { specs: [...zone('a', 2), ...zone('b', 2), ...many(4)] }, { a: 50, none: 50 }, expect.anything() as string],
    [
      'callers are known',
      { specs: [...zone('a', 25), ...zone('b', 50), ...zone('c', 25)], callers: callersIn({ a: 40, b: 40, c: 20 }) },
      { a: 62.5, b: 25, c: 12.5 },
      '62.5 % of the calls stay in eu/a, by where our own service runs',
    ],
    [
      'callers are known, and all here',
      { callers: callersIn({ a: 4 }) },
      { a: 33, b: 33, c: 33 },
      'zones do not count: our own service runs in one zone only',
    ],
    ['we are not among them', { callers: callersIn({ b: 4, c: 4 }) }, { a: 100 }, expect.stringContaining('evenly') as string],
    ['forced', { specs: six.slice(0, 5), locality: { forceLocalZone: 1 } }, { a: 100 }, 'all calls stay in eu/a (forceLocalZone)'],
    [
      'forced, but too few here',
      { specs: six.slice(0, 5), locality: { forceLocalZone: 3 } },
      { a: 40, b: 40, c: 20 },
      expect.anything() as string,
    ],
  ])('%s', (_, made, expected, where) => {
    const { percents, set } = make({ specs: six, own, ...made })
    near(percents(zoneOf), expected)
    expect(set.levels()[0]?.where).toEqual(where)
  })

  it('what our zone loses others take, and none where our zone has nobody', () => {
    const { set, endpoints, percents } = make({ specs: [...zone('a', 4), ...zone('b', 4), ...zone('c', 4)], own })
    set.setEjected(endpoints[0] as Endpoint, true)
    set.setHealth(endpoints[1] as Endpoint, false, true)
    // Two of ten, for a third of the callers.
    near(percents(zoneOf), { a: 60, b: 20, c: 20 })
    for (const endpoint of endpoints.slice(1, 4)) set.setEjected(endpoint, true)
    near(percents(zoneOf), { b: 50, c: 50 })
    expect(set.levels()[0]?.where).toContain('no endpoint of our zone (eu/a) is healthy')
  })

  it('priorities behind the first, and panic, know no zones', () => {
    const specs = [
      ...many(2, { locality: { region: 'eu', zone: 'b' } }),
      ...zone('a', 4, { priority: 1 }),
      ...zone('b', 4, { priority: 1 }),
    ]
    const { set, endpoints, percents } = make({ specs, own })
    for (const endpoint of endpoints.slice(0, 2)) set.setEjected(endpoint, true)
    near(percents(zoneOf), { a: 50, b: 50 })
    const panic = make({ specs: six, own })
    for (const index of [1, 2, 3, 4]) panic.set.setEjected(panic.endpoints[index] as Endpoint, true)
    near(panic.percents(zoneOf), { a: 33, b: 33, c: 33 })
    expect(panic.set.levels()[0]).toMatchObject({ panic: true, where: 'places do not count in panic' })
  })

  it('keys know no zones: every zone leads the same key to the same endpoint', async () => {
    const hash = await loadXxHash64()
    const leads = (zoneName: string) => {
      const { set } = make({ specs: six, own: { region: 'eu', zone: zoneName } })
      const maglev = createBalancer('maglev', seededRandom(1), { hash, maglev: { tableSize: 1_009 } })
      return Array.from({ length: 40 }, (_, key) => set.pick(maglev, callOf({ tries: 0, hashKey: `${key}` }), 0)?.address)
    }
    expect(leads('a')).toEqual(leads('b'))
    const [level] = make({ specs: six, own: { region: 'eu', zone: 'a' } }).set.levels(true)
    expect([level?.where, level?.places]).toEqual(['zones do not count: calls go by their keys', undefined])
    expect(new Set(leads('a')).size).toBe(6)
  })

  it('a source that says nothing of localities, not even that there is none, breaks nothing', () => {
    for (const mode of ['zone-aware', 'weighted', 'failover'] as const) {
      const { set, percents } = make({
        specs: many(6, { locality: undefined as never }),
        own,
        locality: { mode, weights: [{ place: 'eu', weight: 1 }] },
      })
      expect([set.usable.length, percents(({ spec }) => `${spec.priority}`)]).toEqual([6, { 0: 100 }])
    }
  })

  it('what is told of the callers counts from the next pick on', () => {
    let callers = callersIn({ a: 1, b: 1, c: 1 })
    const set = new EndpointSet(DEFAULT_POLICY, seededRandom(1), { own, callers: () => callers })
    set.replace(six.map((spec, index) => new Endpoint('orders', specOf(index + 1, spec))))
    expect(set.levels()[0]?.places?.map(({ sharePercent }) => sharePercent)).toEqual([100, 0, 0])
    callers = callersIn({ a: 2, b: 1, c: 1 })
    set.callersChanged()
    expect(set.levels()[0]?.places?.map(({ sharePercent }) => sharePercent)).toEqual([66.66, 16.67, 16.67])
  })
})

describe('weighted', () => {
  const weights = [
    { place: 'eu/x', weight: 1 },
    { place: 'eu/y', weight: 2 },
  ]
  it.each([
    [0, { x: 33, y: 67 }],
    [3, { x: 33, y: 67 }],
    [5, { x: 26, y: 74 }],
    [10, { y: 100 }],
  ])('%d of 10 of x are out: %j', (out, expected) => {
    const { set, endpoints, percents } = make({
      specs: [...zone('x', 10), ...zone('y', 10), ...zone('z', 1)],
      locality: { mode: 'weighted', weights },
    })
    for (const endpoint of endpoints.slice(0, out)) set.setEjected(endpoint, true)
    near(percents(zoneOf), expected)
    // Who has no weight is no place to go to for want of room either.
    expect(set.usable.some((endpoint) => zoneOf(endpoint) === 'z')).toBe(false)
  })

  it('the longest place that fits counts, and where no weight is left all count', () => {
    const specs = [
      { locality: { region: 'eu', zone: 'x', subZone: 'r1' } },
      { locality: { region: 'eu', zone: 'x', subZone: 'r2' } },
      { locality: { region: 'europe', zone: 'x' } },
      {},
    ]
    const written = [
      { place: 'eu', weight: 1 },
      { place: 'eu/x/r2', weight: 3 },
    ]
    const { set, endpoints, percents } = make({ specs, locality: { mode: 'weighted', weights: written }, settings: { panicPercent: 0 } })
    near(
      percents(({ spec }) => spec.locality.subZone ?? 'none'),
      { r1: 25, r2: 75 },
    )
    for (const endpoint of endpoints.slice(0, 2)) set.setEjected(endpoint, true)
    near(
      percents(({ spec }) => spec.locality.region ?? 'none'),
      { europe: 50, none: 50 },
    )
  })

  it('degraded ones go by the same weights, and so do keys', async () => {
    const { set, endpoints, percents, random } = make({
      specs: [...zone('x', 4), ...zone('y', 4)],
      locality: { mode: 'weighted', weights },
    })
    const hash = await loadXxHash64()
    const ring = createBalancer('ring-hash', random, { hash })
    const counts = { x: 0, y: 0 }
    const lead = (key: number) => set.pick(ring, callOf({ tries: 0, hashKey: `${key}` }), 0) as Endpoint
    const first = Array.from({ length: 3_000 }, (_, key) => lead(key))
    for (const endpoint of first) counts[zoneOf(endpoint) as 'x' | 'y']++
    expect(Math.abs(counts.x - 1_000)).toBeLessThan(100)
    expect(Array.from({ length: 3_000 }, (_, key) => lead(key))).toEqual(first)
    for (const endpoint of endpoints) set.setHealth(endpoint, false, true)
    near(percents(zoneOf), { x: 33, y: 67 })
  })
})

describe('failover', () => {
  const specs = [
    { locality: { region: 'us', zone: 'a' } },
    { locality: { region: 'asia', zone: 'a' } },
    { locality: { region: 'eu', zone: 'b' } },
    { locality: { region: 'eu', zone: 'a', subZone: 'r2' } },
    { locality: { region: 'eu', zone: 'a', subZone: 'r1' } },
  ]
  const own = { region: 'eu', zone: 'a', subZone: 'r1' }
  const locality = {
    mode: 'failover',
    failover: [
      { from: 'eu', to: 'us' },
      { from: 'us', to: 'asia' },
    ],
  } as const

  it('the nearest first, and the others behind them', () => {
    const { set, endpoints, percents } = make({ specs, own, locality })
    const seen = ['same place', 'same zone', 'same region', 'next region', 'elsewhere']
    expect(set.levels().map(({ nearness }) => nearness)).toEqual(seen)
    for (const index of [4, 3, 2, 0, 1]) {
      expect(percents(({ id }) => id)).toEqual({ [(endpoints[index] as Endpoint).id]: 100 })
      set.setEjected(endpoints[index] as Endpoint, true)
    }
  })

  it('what was written as a priority goes before nearness; without a locality of our own nothing is near', () => {
    const { set } = make({ specs: [{ ...specs[4], priority: 1 }, specs[0] ?? {}], own, locality })
    expect(set.levels().map(({ priority, nearness }) => [priority, nearness])).toEqual([
      [0, 'next region'],
      [1, 'same place'],
    ])
    expect(
      make({ specs, locality })
        .set.levels()
        .map(({ sharePercent }) => sharePercent),
    ).toEqual([100])
  })
})

describe('in words', () => {
  it('what each priority gets, and why', () => {
    const { set, endpoints } = make({ specs: [...many(10), ...many(10, { priority: 1 }), ...many(2, { priority: 2 })] })
    const lines = () => set.levels().map(({ priority, sharePercent, because }) => `${priority}, ${sharePercent} %: ${because}`)
    expect(lines()).toEqual([
      '0, 100 %: 10 of 10 healthy: they carry everything',
      '1, 0 %: 10 of 10 healthy: the others carry everything',
      '2, 0 %: 2 of 2 healthy: the others carry everything',
    ])
    for (const endpoint of endpoints.slice(0, 5)) set.setEjected(endpoint, true)
    expect(lines()).toEqual([
      '0, 70 %: 5 of 10 healthy: they carry 140 % of their part, which is 70 %',
      '1, 30 %: 10 of 10 healthy: they take 30 %',
      '2, 0 %: 2 of 2 healthy: the others carry everything',
    ])
    for (const endpoint of endpoints) set.setEjected(endpoint, true)
    expect(lines()[0]).toBe('0, 46 %: 0 of 10 healthy: panic below 50 %, all of its endpoints are used')
  })

  it('nothing of nobody', () => expect(new EndpointSet(50, Math.random).levels()).toEqual([]))
})

function callersIn(zones: Record<string, number>): readonly CallerZone[] {
  return Object.entries(zones).map(([name, count]) => ({ locality: { region: 'eu', zone: name }, count }))
}

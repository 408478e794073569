import { describe, expect, it } from 'vitest'
import type { Priority } from '../../../src/core/call.ts'
import { IGNORED } from '../../../src/core/outcome.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_SHEDDING, type SheddingSettings } from '../../../src/model/inbound-limits.ts'
import { parsePriority, requestPriority } from '../../../src/resilience/request-priority.ts'
import { Shedder } from '../../../src/resilience/shedder.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { inboundCall } from '../../support/inbound-call.ts'
import { type LoopLoad, LoopSimulation, type SimulatedRequest } from '../../support/loop-simulation.ts'

const WORK_MS = 2
/** Requests a second that the simulated process can answer. */
const CAPACITY = 1_000 / (WORK_MS + 0.015)

type Load = Omit<LoopLoad, 'workMs'> & { workMs?: number; settings?: Partial<SheddingSettings>; idleTime?: boolean; guarded?: boolean }

function simulate({ settings = {}, idleTime = true, guarded = true, ...load }: Load) {
  const loop = new LoopSimulation(idleTime)
  const shedder = new Shedder({ ...DEFAULT_SHEDDING, ...settings }, loop.clock, seededRandom(7))
  const requests = loop.run({ workMs: WORK_MS, ...load }, guarded ? shedder : undefined)
  return { requests, shedder }
}

const refused = (requests: SimulatedRequest[]) => requests.filter((each) => each.refused).length
const of = (requests: SimulatedRequest[], priority: Priority) => requests.filter((each) => each.priority === priority)

function p99(requests: SimulatedRequest[]): number {
  const took = requests.filter((each) => !each.refused).map(({ at, endedAt }) => endedAt - at)
  return took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? Number.NaN
}

/** From when on an overload that begins at the start has been noticed, and the end. */
const FROM = 1_000
const UNTIL = 10_000
const settled = (requests: SimulatedRequest[]) => requests.filter(({ at }) => at >= FROM)
const goodput = (requests: SimulatedRequest[]) =>
  requests.filter((each) => !each.refused && each.endedAt >= FROM && each.endedAt < UNTIL).length / ((UNTIL - FROM) / 1_000)

describe('three times as many requests as can be answered', () => {
  it.each<[string, Partial<Load>]>([
    ['work at once', {}],
    ['work at once, at even intervals', { even: true }],
    ['work at once, on a clock that knows no idle time', { idleTime: false }],
    ['work in a later turn', { waitMs: 0.01 }],
    ['work after 20 ms', { waitMs: 20 }],
    ['long work', { workMs: 20 }],
  ])('%s: at least 90 %% of what can be answered is, and high priority as fast as if it were alone', (_, change) => {
    const capacity = 1_000 / ((change.workMs ?? WORK_MS) + 0.015)
    const { requests } = simulate({ phases: [[UNTIL, 3 * capacity]], high: 0.2, ...change })
    const alone = simulate({ ...change, phases: [[UNTIL, 0.6 * capacity]], high: 1, even: false, guarded: false }).requests
    expect(goodput(requests)).toBeGreaterThan(0.9 * capacity)
    expect(refused(of(settled(requests), 'high'))).toBe(0)
    expect(p99(of(settled(requests), 'high'))).toBeLessThan(3 * p99(alone))
  })

  it('high priority takes at most three times what it takes in a process with little to do', () => {
    const quiet = simulate({ phases: [[UNTIL, 0.2 * CAPACITY]], high: 0.2 }).requests
    const { requests } = simulate({ phases: [[UNTIL, 3 * CAPACITY]], high: 0.2 })
    expect(refused(quiet)).toBe(0)
    expect(p99(of(settled(requests), 'high'))).toBeLessThanOrEqual(3 * p99(quiet))
  })

  it('without a shedder nobody is answered in time', () => {
    const { requests } = simulate({ phases: [[UNTIL, 3 * CAPACITY]], high: 0.2, guarded: false })
    expect(p99(of(settled(requests), 'high'))).toBeGreaterThan(UNTIL)
  })
})

describe('who is shed', () => {
  it('low priority first, then normal; high last', () => {
    const shares = ([low, normal, high]: [number, number, number]) => {
      const { requests } = simulate({ phases: [[UNTIL, (low + normal + high) * CAPACITY]], ...share(low, normal, high) })
      return (['low', 'normal', 'high'] as const).map((priority) => {
        const all = of(settled(requests), priority)
        return Math.round((100 * refused(all)) / all.length)
      })
    }
    const share = (low: number, normal: number, high: number) => ({ low: low / (low + normal + high), high: high / (low + normal + high) })
    const [low = 0, normal = 0, high = 0] = shares([0.8, 0.6, 0.2])
    expect([low > 60, normal < 15, high]).toEqual([true, true, 0])
    const [lowest = 0, more = 0, none = 0] = shares([1, 1, 0.5])
    expect([lowest > 95, more > 40 && more < 65, none]).toEqual([true, true, 0])
    const [every = 0, each = 0, some = 0] = shares([0.5, 0.5, 1.5])
    expect([every > 95, each > 90, some > 20 && some < 50]).toEqual([true, true, true])
  })

  it('nobody up to nine tenths of what can be answered, and nobody soon after an overload', () => {
    expect(refused(simulate({ phases: [[30_000, 0.9 * CAPACITY]], low: 0.3 }).requests)).toBe(0)
    const { requests, shedder } = simulate({
      phases: [
        [3_000, 3 * CAPACITY],
        [5_000, 0.5 * CAPACITY],
      ],
    })
    expect(refused(requests.filter(({ at }) => at < 3_000))).toBeGreaterThan(1_000)
    expect(refused(requests.filter(({ at }) => at > 4_000))).toBe(0)
    expect(shedder.stats()).toMatchObject({ inflight: 0, allowed: requests.length - refused(requests), shed: { low: 0, high: 0 } })
  })

  it('nobody of a burst that comes to a process at rest, and nobody because of one long request', () => {
    const burst = simulate({
      phases: [
        [1, 300_000],
        [2_000, 0.3 * CAPACITY],
      ],
    })
    expect(burst.requests.filter(({ endedAt }) => endedAt > 300).length).toBeGreaterThan(100)
    expect(refused(burst.requests.filter(({ at }) => at < 1))).toBe(0)

    const long = simulate({ phases: [[5_000, 0.4 * CAPACITY]], long: { every: 200, workMs: 180 } })
    expect(long.requests.filter(({ workMs }) => workMs === 180)).toHaveLength(5)
    expect(refused(long.requests)).toBe(0)
  })

  it('whoever would keep the loop busy for more of the time than it may be', () => {
    const busy = (maxUtilisationPercent: number | undefined, times: number) => {
      const { requests } = simulate({ phases: [[UNTIL, times * CAPACITY]], settings: { maxUtilisationPercent } })
      return Math.round((100 * goodput(requests)) / CAPACITY)
    }
    expect(busy(undefined, 0.9)).toBeGreaterThan(88)
    expect(busy(70, 0.65)).toBeGreaterThan(63)
    for (const times of [0.8, 2, 3]) {
      expect(busy(70, times)).toBeGreaterThanOrEqual(66)
      expect(busy(70, times)).toBeLessThanOrEqual(71)
    }
  })
})

/** A shedder with a limit of requests at once, and `count` of them under way. */
function occupied(count: number, settings: Partial<SheddingSettings> = {}) {
  const shedder = new Shedder({ ...DEFAULT_SHEDDING, maxInflight: 10, ...settings }, new VirtualClock(), seededRandom(7))
  const permits = Array.from({ length: count }, () => shedder.admit(inboundCall({ priority: 'high' })))
  return { shedder, permits, asked: (priority: Priority) => shedder.admit(inboundCall({ priority })) }
}

describe('maxInflight', () => {
  it.each<[number, low: boolean, normal: boolean, high: boolean]>([
    [0, true, true, true],
    [6, true, true, true],
    [7, false, true, true],
    [8, false, true, true],
    [9, false, false, true],
    [10, false, false, false],
  ])('of 10, with %d under way: low %s, normal %s, high %s', (count, ...expected) => {
    expect((['low', 'normal', 'high'] as const).map((priority) => occupied(count).asked(priority).refused !== true)).toEqual(expected)
  })

  it('of 1 takes one, whatever its priority', () => expect(occupied(0, { maxInflight: 1 }).asked('low').refused).not.toBe(true))

  it('what ended makes room; a push keeps what is under way', () => {
    const { shedder, permits, asked } = occupied(10)
    expect(asked('high')).toMatchObject({
      code: 'MESH_OVERLOADED',
      status: 503,
      reason: 'the process is overloaded: 10 requests at once are its limit, requests of high priority are shed',
      from: 'options/inbound#shedding',
    })
    const [first] = permits
    if (first?.refused !== true) first?.settle(IGNORED)
    expect(asked('high').refused).not.toBe(true)
    shedder.reconfigure({ ...DEFAULT_SHEDDING, maxInflight: 11 })
    expect([asked('high').refused === true, asked('high').refused === true]).toEqual([false, true])
    expect(shedder.stats()).toMatchObject({ allowed: 12, inflight: 11, shed: { low: 0, normal: 0, high: 2 } })
  })

  it('health checks are never shed, in whatever way they come', () => {
    const { shedder } = occupied(10)
    expect(shedder.admit(inboundCall({ pathname: '/healthz' })).refused).not.toBe(true)
    expect(shedder.admitRaw('/readyz?verbose', [], false).refused).not.toBe(true)
    expect(shedder.admitRaw('/healthz/x', [], false).refused).toBe(true)
  })

  it('a raw request says how urgent it is, if its peer is trusted', () => {
    const raw = (trusted: boolean, priorityHeader?: string) =>
      occupied(9, { priorityHeader }).shedder.admitRaw('/', ['Host', 'web', 'X-Mesh-Priority', 'high'], trusted).refused !== true
    expect([raw(true), raw(false), raw(true, 'x-other')]).toEqual([true, false, false])
  })

  it('refusals cost nothing: each is one of a few that were made before, with waits that differ', () => {
    const { asked } = occupied(10, { retryAfterMs: 2_000, closeConnections: true })
    const all = new Set(Array.from({ length: 200 }, () => asked('normal')))
    const waits = [...all].map((each) => (each.refused === true ? each.retryAfterMs : 0))
    expect(waits.sort()).toEqual([2_000, 2_800, 3_600, 4_400, 5_200, 6_000])
    for (const each of all) expect(each).toHaveProperty('headers', [['connection', 'close']])
    expect([...all].every((each) => Object.isFrozen(each))).toBe(true)
  })
})

describe('the priority of a request', () => {
  it.each([
    ['high', 'high'],
    [' LOW ', 'low'],
    ['normal', 'normal'],
    ['u=0', 'high'],
    ['u=2, i', 'high'],
    ['i, u=3', 'normal'],
    ['u=4;x', 'low'],
    ['u=7', 'low'],
    ['u=8', undefined],
    ['u=10', undefined],
    ['i', undefined],
    ['', undefined],
    ['urgent', undefined],
  ])('%j is %s', (value, priority) => expect(parsePriority(value)).toBe(priority))

  it.each<[string[], string | undefined, Priority]>([
    [[], undefined, 'normal'],
    [['Priority', 'u=1'], undefined, 'high'],
    [['priority', 'u=1', 'x-mesh-priority', 'low'], undefined, 'low'],
    [['x-mesh-priority', 'nonsense', 'priority', 'u=6'], undefined, 'low'],
    [['X-Class', 'low', 'x-mesh-priority', 'high'], 'x-class', 'low'],
    [['x-mesh-priority', 'high'], 'x-class', 'normal'],
    [['accept', 'priority', 'x-odd'], undefined, 'normal'],
  ])('of %j, header %s: %s', (rawHeaders, header, priority) => expect(requestPriority(rawHeaders, header)).toBe(priority))
})

import { describe, expect, it } from 'vitest'
import { loadXxHash64 } from '../../../src/balancing/index.ts'
import type { BalancingPolicy } from '../../../src/index.ts'
import {
  exponential,
  failing,
  hanging,
  reportText,
  type SimulatedEndpoint,
  type SimulationOptions,
  simulate,
  slower,
  stalling,
  steady,
} from '../../../src/testing/index.ts'

const good: SimulatedEndpoint = { profile: exponential(10) }
const several = (count: number, first: SimulatedEndpoint): SimulatedEndpoint[] => [first, ...new Array(count - 1).fill(good)]

function oneSlow(policy: BalancingPolicy, seed = 1) {
  const endpoints = several(10, { profile: slower(10, exponential(10)) })
  return simulate({ endpoints, perSecond: 200, forMs: 60_000, policy: { balancing: { policy } }, seed })
}

describe('the simulator', () => {
  it('gives the same result for the same seed, and another for another', () => {
    const run = (seed: number) =>
      simulate({ endpoints: several(5, { profile: failing(0.2, exponential(5)) }), perSecond: 200, forMs: 5_000, seed })
    expect(run(7)).toEqual(run(7))
    expect(run(7)).not.toEqual(run(8))
  })

  it('priorities and zones: who fails hands his calls on, and zones of all sizes get what they carry', () => {
    const zoneOf = (zone: string, count: number): SimulatedEndpoint[] => new Array(count).fill({ ...good, locality: { zone } })
    const localities = ['a', 'b', 'c'].map((zone) => ({ zone }))
    const endpoints = [...zoneOf('a', 2), ...zoneOf('b', 3), ...zoneOf('c', 5)]
    const even = simulate({ endpoints, clients: 3, localities, perSecond: 300, forMs: 60_000 })
    expect(Math.max(...even.requests) / Math.min(...even.requests)).toBeLessThan(1.15)
    // Nobody in zone c calls: by evenness its part would lie idle, by knowledge it does not.
    const here = { endpoints, clients: 4, localities: localities.slice(0, 2), perSecond: 300, forMs: 60_000 }
    const per = ({ requests }: { requests: readonly number[] }) => (requests[9] as number) / (requests[0] as number)
    expect(per(simulate(here))).toBeLessThan(0.8)
    expect(per(simulate({ ...here, knowEachOther: true }))).toBeGreaterThan(0.9)
    const dead = { profile: failing(1, exponential(10)), bad: true }
    const levels = [dead, dead, good, good, ...[1, 1, 1, 1].map((priority) => ({ ...good, priority }))]
    const { requests, successPercent } = simulate({ endpoints: levels, perSecond: 200, forMs: 60_000 })
    const behind = requests.slice(4).reduce((sum, count) => sum + count, 0)
    // Two of four carry 70 %.
    expect(Math.abs(behind / requests.reduce((sum, count) => sum + count, 0) - 0.3)).toBeLessThan(0.02)
    expect(successPercent).toBeGreaterThan(99.9)
  })

  it('every call ends, also at endpoints that never answer', () => {
    const found = simulate({
      endpoints: [{ profile: hanging() }],
      perSecond: 100,
      forMs: 1_000,
      arrivals: 'even',
      policy: { circuitBreaker: false },
    })
    expect([found.calls, found.succeeded, found.failed]).toEqual([99, 0, { MESH_DEADLINE: 99 }])
  })

  it('what it says in words is what it counted', () => {
    const found = simulate({
      endpoints: several(3, { profile: steady(3, 500), bad: true }),
      perSecond: 100,
      forMs: 10_000,
      arrivals: 'even',
    })
    const broken = found.failed['status 500'] ?? 0
    expect([broken, found.ejections.length, found.falseEjections, found.missedEjections]).toEqual([5, 1, 0, 0])
    expect(reportText(found)).toContain(`${found.calls}, 99.50 % succeeded (5 status 500)`)
    expect(reportText(found)).toContain('ejections      1, 0 of them wrong; 0 bad endpoints never ejected')
  })

  it('tells an ejection that is wrong, and one that is missing', () => {
    const policy: SimulationOptions['policy'] = { balancing: { policy: 'round-robin' }, outlierDetection: { consecutiveFailures: 1 } }
    const wrong = simulate({ endpoints: several(4, { profile: steady(3, 500) }), perSecond: 100, forMs: 1_000, policy })
    expect([wrong.falseEjections, wrong.missedEjections]).toEqual([1, 0])
    const missing = simulate({ endpoints: several(4, { profile: steady(3), bad: true }), perSecond: 100, forMs: 1_000, policy })
    expect([missing.falseEjections, missing.missedEjections]).toEqual([0, 1])
  })

  it('runs balancers that hash: calls of one key stay at one endpoint', async () => {
    const hash = await loadXxHash64()
    const policy: SimulationOptions['policy'] = { balancing: { policy: 'maglev' } }
    const found = simulate({ endpoints: new Array(10).fill(good), perSecond: 500, forMs: 2_000, keys: 3, policy, hash })
    expect(found.requests.filter((count) => count > 0).length).toBeLessThanOrEqual(3)
  })
})

describe('what the simulator shows', () => {
  it('ten endpoints, one ten times as slow: the p99 of peak EWMA is at most half that of round robin', () => {
    for (const seed of [1, 2, 3]) expect(oneSlow('peak-ewma', seed).p99Ms).toBeLessThanOrEqual(0.5 * oneSlow('round-robin', seed).p99Ms)
  })

  it.each(['least-request', 'peak-ewma'] as const)(
    'eleven endpoints, one stalls for 2 s, timeout 1 s, %s: at least 99.9 of 100 succeed',
    (policy) => {
      const endpoints = several(11, { profile: stalling({ fromMs: 10_000, untilMs: 12_000 }, exponential(10)) })
      const found = simulate({ endpoints, perSecond: 500, forMs: 30_000, policy: { timeout: '1s', balancing: { policy } } })
      expect(found.successPercent).toBeGreaterThanOrEqual(99.9)
    },
  )

  it('one dead endpoint is ejected by every client, and no other is', () => {
    const endpoints = several(9, { profile: steady(2, 503), bad: true })
    const found = simulate({ endpoints, perSecond: 900, forMs: 20_000, clients: 3 })
    expect([found.falseEjections, found.missedEjections]).toEqual([0, 0])
    expect(new Set(found.ejections.map(({ client }) => client)).size).toBe(3)
    expect(found.successPercent).toBe(100)
  })

  it('ten thousand endpoints get even load, and a hundred dead ones cost no call', () => {
    const endpoints = Array.from({ length: 10_000 }, (_, index) =>
      index % 100 === 0 ? { profile: failing(1, steady(1), 'connect'), bad: true } : good,
    )
    const found = simulate({ endpoints, perSecond: 20_000, forMs: 3_000 })
    expect(found.successPercent).toBe(100)
    expect(found.falseEjections).toBe(0)
    expect(found.amplification).toBeLessThan(1.03)
    expect(found.spread).toBeLessThan(4)
  })
})

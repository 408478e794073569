import { describe, expect, it } from 'vitest'
import type { HedgeOptions, PolicyOptions } from '../../../src/index.ts'
import { hanging, logNormal, type Profile, type SimulatedEndpoint, scenario, simulate, slower, steady } from '../../../src/testing/index.ts'

const quick = logNormal({ p50Ms: 10, p99Ms: 30 })

/** As `profile`, except that a share of the answers takes `times` as long: a pause for garbage, a cold cache, a disk. */
function sometimes(share: number, times: number, profile: Profile): Profile {
  const slow = slower(times, profile)
  return (moment) => (moment.random() < share ? slow(moment) : profile(moment))
}

const half = (one: Profile, other: Profile): SimulatedEndpoint[] =>
  Array.from({ length: 10 }, (_, index) => ({ profile: index % 2 === 0 ? one : other }))

function compare(endpoints: SimulatedEndpoint[], policy: PolicyOptions, hedge: HedgeOptions, seed: number) {
  const run = (hedged: HedgeOptions | false) =>
    simulate({ endpoints, perSecond: 300, forMs: 60_000, seed, policy: { ...policy, hedge: hedged } })
  const [without, hedged] = [run(false), run(hedge)]
  return { without: without.p99Ms, hedged: hedged.p99Ms, extraLoad: hedged.amplification - without.amplification, failed: hedged.failed }
}

describe('what hedging is worth, in the simulator', () => {
  it('half the fleet answers 3 of 100 calls twenty times as slowly: p99 at most 0.4 of what it was, for at most 5 % more load', () => {
    for (const seed of [1, 2, 3]) {
      const found = compare(half(sometimes(0.03, 20, quick), quick), {}, { after: 'p95', extraLoadPercent: 5 }, seed)
      console.log(
        `p99 ${found.without.toFixed(0)} ms without, ${found.hedged.toFixed(0)} ms with hedges (${(found.hedged / found.without).toFixed(2)}), extra load ${(found.extraLoad * 100).toFixed(1)} %`,
      )
      expect(found.hedged).toBeLessThanOrEqual(0.4 * found.without)
      expect(found.extraLoad).toBeLessThanOrEqual(0.05)
      expect(found.failed).toEqual({})
    }
  })

  it('half the fleet is always slow: five hedges of a hundred calls cannot mend it, and cost no more than that', () => {
    const slow = slower(10, quick)
    for (const policy of ['least-request', 'peak-ewma'] as const) {
      const found = compare(half(slow, quick), { balancing: { policy }, outlierDetection: false }, {}, 1)
      expect(found.hedged).toBeLessThan(0.95 * found.without)
      expect(found.extraLoad).toBeLessThanOrEqual(0.05)
    }
  })

  it('when all answers become slow at once, the load grows by no more than the budget', () => {
    const endpoints = Array.from(
      { length: 10 },
      () => ({ profile: (moment) => (moment.now < 30_000 ? quick : slower(20, quick))(moment) }) satisfies SimulatedEndpoint,
    )
    const found = compare(endpoints, {}, { after: 'p95' }, 1)
    expect(found.extraLoad).toBeLessThanOrEqual(0.05)
    expect(found.extraLoad).toBeGreaterThan(0.02)
  })
})

describe('an endpoint that is always rescued by hedges', () => {
  const others = (count: number): SimulatedEndpoint[] => Array.from({ length: count }, () => ({ profile: quick }))

  it('and hangs is out within two sweeps, whatever the budget of hedges', () => {
    for (const policy of ['least-request', 'round-robin'] as const)
      for (const [extraLoadPercent, seed] of [
        [5, 1],
        [20, 2],
        [100, 3],
        [100, 4],
        [20, 5],
      ] as const) {
        const endpoints = [{ profile: hanging(), bad: true }, ...others(9)]
        const { ejections, falseEjections, failed, missedEjections } = simulate({
          endpoints,
          perSecond: 100,
          forMs: 20_000,
          seed,
          policy: { balancing: { policy }, hedge: { after: 'p95', extraLoadPercent } },
        })
        const first = ejections.find(({ wrong }) => !wrong)?.at ?? Number.POSITIVE_INFINITY
        console.log(`${policy}, ${extraLoadPercent} % hedges: out after ${(first / 1_000).toFixed(1)} s`)
        expect([policy, extraLoadPercent, missedEjections, falseEjections, failed]).toEqual([policy, extraLoadPercent, 0, 0, {}])
      }
  })

  it('and hangs gets next to nothing by its latency alone under peak EWMA', () => {
    const endpoints = [{ profile: hanging(), bad: true }, ...others(9)]
    const policy = { balancing: { policy: 'peak-ewma' }, hedge: { extraLoadPercent: 100 } } as const
    const { requests, calls } = simulate({ endpoints, perSecond: 100, forMs: 20_000, policy })
    expect(requests[0]).toBeLessThan(calls / 100)
  })

  it('and is merely ten times as slow is left in use', () => {
    for (const extraLoadPercent of [5, 100]) {
      const endpoints = [{ profile: slower(10, quick) }, ...others(9)]
      const { detections } = simulate({
        endpoints,
        perSecond: 200,
        forMs: 60_000,
        policy: { balancing: { policy: 'round-robin' }, hedge: { after: 'p90', extraLoadPercent } },
      })
      expect(detections).toEqual([])
    }
  })
})

describe('one modelled call', () => {
  const hedge: HedgeOptions = { after: 20, extraLoadPercent: 100 }

  it('the hedge wins', () =>
    scenario({ hedge }).endpoint('hangs').endpoint(200).call().expect({ status: 200, attempts: 2, notBeforeMs: 20, withinMs: 22 }))

  it('the first wins', () =>
    scenario({ hedge })
      .endpoint(steady(30))
      .endpoint(hanging())
      .call()
      .expect({ status: 200, seen: [1, 1], withinMs: 31 }))

  it('a call that may not be repeated is not hedged', () =>
    scenario({ hedge })
      .endpoint(steady(60))
      .endpoint(200)
      .call({ idempotent: false })
      .expect({ status: 200, seen: [1, 0], notBeforeMs: 60 }))

  it('a failed hedge waits for the first', () =>
    scenario({ hedge })
      .endpoint(steady(60))
      .endpoint(503)
      .call()
      .expect({ status: 200, seen: [1, 1], notBeforeMs: 60 }))

  it('a try whose time is over may answer all the same', () =>
    scenario({ hedge: { after: false, onTryTimeout: true }, retry: { perTryTimeout: 30 } })
      .endpoint(steady(50))
      .endpoint(steady(100))
      .call()
      .expect({ status: 200, seen: [1, 1], withinMs: 51 }))

  it('the deadline ends all tries', () =>
    scenario({ hedge, timeout: 100, retry: false })
      .endpoint('hangs')
      .endpoint('hangs')
      .call()
      .expect({ error: 'MESH_DEADLINE', seen: [1, 1], notBeforeMs: 100 }))
})

import { describe, expect, it } from 'vitest'
import { PeakEwma, SlowStart } from '../../../src/balancing/index.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { costMs, noteAnswer, noteFailure, noteWait, spare } from '../../../src/core/latency-record.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { callOf, endpointsOf, OK, outcomeOf, RESET, UNAVAILABLE } from '../../support/sample.ts'

const DECAY = 10_000
const fresh = (): Endpoint => endpointsOf(1)[0] as Endpoint

describe('the record of latencies', () => {
  it('a longer answer counts at once, a shorter one as time passes (Finagle)', () => {
    const record = fresh()
    noteAnswer(record, 100, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBe(100)
    noteAnswer(record, 10, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBe(100)
    noteAnswer(record, 10, DECAY, 10_000)
    // 100/e + 10·(1 − 1/e)
    expect(costMs(record, DECAY, 10_000, false)).toBeCloseTo(100 / Math.E + 10 * (1 - 1 / Math.E), 2)
    noteAnswer(record, 300, DECAY, 10_000)
    expect(costMs(record, DECAY, 10_000, false)).toBe(300)
    expect(costMs(record, DECAY, 20_000, false)).toBeCloseTo(300 / Math.E, 2)
  })

  it('what was long not heard of is for one call to look at', () => {
    const record = fresh()
    noteAnswer(record, 200, DECAY, 0)
    expect(costMs(record, DECAY, 60_000, false)).toBeLessThan(1)
    expect(costMs(record, DECAY, 60_000, true)).toBe(200)
  })

  it('a wait that somebody gave up is a lower bound', () => {
    const record = fresh()
    noteAnswer(record, 10, DECAY, 0)
    noteWait(record, 5, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBe(10)
    noteWait(record, 4_000, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBe(4_000)
  })

  it('a few failures cost little, failures alone cost five seconds', () => {
    const record = fresh()
    for (let answer = 0; answer < 100; answer++) noteAnswer(record, 10, DECAY, 0)
    noteFailure(record, 1, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBeCloseTo(10 + 50, 2)
    for (let answer = 0; answer < 20; answer++) noteAnswer(record, 10, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBeLessThan(11)
    for (let failure = 0; failure < 60; failure++) noteFailure(record, 1, DECAY, 0)
    expect(costMs(record, DECAY, 0, false)).toBeGreaterThan(4_900)
    // And are forgotten in time.
    expect(costMs(record, DECAY, 40_000, false)).toBeLessThan(3)
  })

  it('goes on when 32 bits of milliseconds are over', () => {
    const start = 2 ** 31 - 5_000.5
    const record = fresh()
    noteAnswer(record, 100, DECAY, start)
    spare(record, 10_000, start)
    expect(costMs(record, DECAY, start + 9_000, false)).toBeCloseTo(100 * Math.exp(-0.9) + 5_000, 1)
    expect(costMs(record, DECAY, start + 10_001, false)).toBeCloseTo(100 * Math.exp(-1.0001), 1)
    noteAnswer(record, 10, DECAY, start + 20_000)
    expect(costMs(record, DECAY, start + 20_000, false)).toBeCloseTo(100 * Math.exp(-2) + 10 * (1 - Math.exp(-2)), 1)
  })

  it('a wish to be spared is granted for five minutes at most', () => {
    const record = fresh()
    noteAnswer(record, 10, DECAY, 0)
    spare(record, 3_000, 0)
    expect(costMs(record, DECAY, 2_999, false)).toBeGreaterThan(5_000)
    expect(costMs(record, DECAY, 3_000, false)).toBeLessThan(10)
    spare(record, 86_400_000, 3_000)
    spare(record, 1, 3_000)
    expect(costMs(record, DECAY, 302_999, false)).toBeGreaterThan(4_999)
    expect(costMs(record, DECAY, 303_000, false)).toBeLessThan(1)
  })
})

describe('peak EWMA', () => {
  const answered = (latencyMs: number): Outcome => outcomeOf({ verdict: 'success', status: 200, latencyMs })

  /** Calls one after the other, each of which takes what `outcome` says of its endpoint; gives each endpoint's share. */
  function shares(endpoints: Endpoint[], calls: number, outcome: (index: number) => Outcome, gapMs = 10): number[] {
    const balancer = new PeakEwma(seededRandom(1))
    const counts = endpoints.map(() => 0)
    for (let call = 0; call < calls; call++) {
      const now = call * gapMs
      const picked = balancer.pick(endpoints, callOf({ tries: 0, startedAt: now })) as Endpoint
      const index = endpoints.indexOf(picked)
      counts[index] = (counts[index] as number) + 1
      balancer.observe(picked, outcome(index), now)
    }
    return counts.map((count) => count / calls)
  }

  it('a slow endpoint gets little', () => {
    expect(shares(endpointsOf(5), 5_000, (index) => answered(index === 0 ? 200 : 10))[0]).toBeLessThan(0.01)
  })

  it.each([
    ['503 within a millisecond', { ...UNAVAILABLE, latencyMs: 1 }],
    ['500 within a millisecond', outcomeOf({ verdict: 'failure', status: 500, latencyMs: 1 })],
    ['429 within a millisecond', outcomeOf({ verdict: 'success', status: 429, latencyMs: 1 })],
    ['reset at once', { ...RESET, latencyMs: 0 }],
  ])('an endpoint that says %s does not look quick', (_, outcome) => {
    expect(shares(endpointsOf(5), 5_000, (index) => (index === 0 ? outcome : answered(50)))[0]).toBeLessThan(0.01)
  })

  it('Retry-After is heeded, of a 429 and of a 503', () => {
    for (const refusal of [
      outcomeOf({ verdict: 'success', status: 429, retryAfterMs: 20_000 }),
      { ...UNAVAILABLE, retryAfterMs: 20_000 },
    ]) {
      const endpoints = endpointsOf(2)
      const [spared, other] = endpoints as [Endpoint, Endpoint]
      const balancer = new PeakEwma(seededRandom(1))
      balancer.observe(other, answered(20), 0)
      balancer.observe(spared, answered(1), 0)
      balancer.observe(spared, refusal, 0)
      const pickAt = (now: number) => balancer.pick(endpoints, callOf({ tries: 0, startedAt: now }))
      expect(pickAt(19_900)).toBe(other)
      expect(pickAt(20_100)).toBe(spared)
    }
  })

  it('one who waited for an answer and left tells how long', () => {
    const endpoints = endpointsOf(2)
    const [silent, other] = endpoints as [Endpoint, Endpoint]
    const balancer = new PeakEwma(seededRandom(1))
    balancer.observe(silent, answered(1), 0)
    balancer.observe(other, answered(50), 0)
    expect(balancer.pick(endpoints, callOf({ tries: 0 }))).toBe(silent)
    balancer.observe(silent, outcomeOf({ verdict: 'ignored', kind: 'aborted', latencyMs: 2_000 }), 0)
    expect(balancer.pick(endpoints, callOf({ tries: 0 }))).toBe(other)
    // What broke here is nobody's fault there.
    balancer.observe(other, outcomeOf({ verdict: 'ignored', kind: 'local', latencyMs: 9_000 }), 0)
    expect(balancer.pick(endpoints, callOf({ tries: 0 }))).toBe(other)
  })

  it('who was not asked yet is asked first, by one call only', () => {
    const endpoints = endpointsOf(3)
    const [seen, fresh, third] = endpoints as [Endpoint, Endpoint, Endpoint]
    const balancer = new PeakEwma(seededRandom(1))
    balancer.observe(seen, answered(100), 0)
    balancer.observe(third, answered(100), 0)
    const picks = (): Set<Endpoint | undefined> =>
      new Set(Array.from({ length: 200 }, () => balancer.pick([fresh, seen], callOf({ tries: 0 }))))
    expect(picks()).toEqual(new Set([fresh]))
    fresh.inflight = 1
    seen.inflight = 50
    expect(picks()).toEqual(new Set([seen]))
    // Also when somebody lost patience before the first answer.
    balancer.observe(fresh, outcomeOf({ verdict: 'ignored', kind: 'aborted', latencyMs: 1 }), 0)
    expect(picks()).toEqual(new Set([seen]))
    balancer.observe(fresh, answered(10), 0)
    expect(picks()).toEqual(new Set([fresh]))
  })

  it('tries under way count, and weights', () => {
    const endpoints = endpointsOf(2)
    const [a, b] = endpoints as [Endpoint, Endpoint]
    const balancer = new PeakEwma(seededRandom(1))
    for (const endpoint of endpoints) balancer.observe(endpoint, answered(10), 0)
    const pick = () => balancer.pick([...endpoints], callOf({ tries: 0 }))
    a.inflight = 3
    expect(pick()).toBe(b)
    a.spec = { ...a.spec, weight: 10 }
    expect(new Set(Array.from({ length: 50 }, pick))).toEqual(new Set([a]))
    // 10 · (3 + 1) ÷ 10 against 10 · (0 + 1) ÷ 1
    a.inflight = 10
    // The draw follows the weights, and may come up with the heavy one twice.
    expect(new Set(Array.from({ length: 50 }, pick))).toContain(b)
  })

  it('what was learnt outlives the balancer', () => {
    const endpoints = endpointsOf(2)
    const [slow, quick] = endpoints as [Endpoint, Endpoint]
    const before = new PeakEwma(seededRandom(1))
    before.observe(slow, answered(500), 0)
    before.observe(quick, answered(5), 0)
    expect(new PeakEwma(seededRandom(2)).pick(endpoints, callOf({ tries: 0 }))).toBe(quick)
  })

  it('starts slowly where that is asked for', () => {
    const endpoints = endpointsOf(4)
    const [cold] = endpoints as [Endpoint]
    cold.warmFrom = 0
    const balancer = new PeakEwma(seededRandom(1), new SlowStart({ windowMs: 30_000, minWeightPercent: 10, aggression: 1 }))
    for (const endpoint of endpoints) balancer.observe(endpoint, OK, 0)
    const picks = Array.from({ length: 2_000 }, () => balancer.pick(endpoints, callOf({ tries: 0, startedAt: 1 })))
    expect(picks.filter((endpoint) => endpoint === cold).length).toBeLessThan(150)
  })
})

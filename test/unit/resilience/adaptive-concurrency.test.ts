import { describe, expect, it } from 'vitest'
import type { Permit } from '../../../src/core/gate.ts'
import { IGNORED, TIMED_OUT } from '../../../src/core/outcome.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { type AdaptiveConcurrencySettings, DEFAULT_ADAPTIVE_CONCURRENCY } from '../../../src/model/adaptive-concurrency.ts'
import { AdaptiveConcurrency } from '../../../src/resilience/adaptive-concurrency.ts'
import { Aimd } from '../../../src/resilience/concurrency/aimd.ts'
import { gradientLimit } from '../../../src/resilience/concurrency/gradient-limit.ts'
import { Gradient2 } from '../../../src/resilience/concurrency/gradient2.ts'
import { LatencyHistogram } from '../../../src/resilience/concurrency/latency-histogram.ts'
import { Vegas } from '../../../src/resilience/concurrency/vegas.ts'
import { BROKEN, OK, outcomeOf, UNAVAILABLE } from '../../support/sample.ts'

const ENVOY = { min: 3, max: 1_000 }

/** A limit on a clock of its own. */
function limitWith(change: Partial<AdaptiveConcurrencySettings> = {}) {
  const time = { now: 0 }
  const settings: AdaptiveConcurrencySettings = { ...DEFAULT_ADAPTIVE_CONCURRENCY, minRttJitterPercent: 0, ...change }
  const gate = new AdaptiveConcurrency('orders', settings, { time, random: seededRandom(1) })
  const admit = (): Permit => {
    const verdict = gate.admit()
    if (verdict.refused === true) throw new Error(verdict.reason)
    return verdict
  }
  const answered = (permit: Permit, latencyMs: number): void => permit.settle(outcomeOf({ ...OK, latencyMs }))
  /** One call after the other, each of which takes so long. */
  const calls = (count: number, latencyMs: number): void => {
    for (let call = 0; call < count; call++) {
      const permit = admit()
      time.now += latencyMs
      answered(permit, latencyMs)
    }
  }
  /** As many calls at once as are let go. */
  const full = (latencyMs: number): number => {
    const permits: Permit[] = []
    for (;;) {
      const verdict = gate.admit()
      if (verdict.refused === true) break
      permits.push(verdict)
    }
    time.now += latencyMs
    for (const permit of permits) answered(permit, latencyMs)
    return permits.length
  }
  return { gate, time, settings, admit, answered, calls, full }
}

describe("Envoy's gradient", () => {
  it.each([
    [10, 136],
    [12.5, 110],
    [20, 70],
    [100, 57],
    [1, 214],
  ])('from 100, with 10 ms without a queue, a median of %d ms makes %d', (sample, limit) =>
    expect(gradientLimit(100, 10, sample, 25, ENVOY)).toBe(limit),
  )

  it.each([
    [1_000, 1, 1_000],
    [3, 1_000, 3],
    [4, 1_000, 3],
  ])('from %d, a median of %d ms stays within the bounds: %d', (from, sample, limit) =>
    expect(gradientLimit(from, 10, sample, 25, ENVOY)).toBe(limit),
  )

  it('begins with three calls at a time, measures by fifty answers, and grows from there', () => {
    const { gate, calls, full, time } = limitWith()
    expect(gate.stats()).toEqual({ limit: 3, inflight: 0, measuring: true, refused: 0 })
    calls(49, 10)
    expect(gate.stats().measuring).toBe(true)
    calls(1, 10)
    expect(gate.stats()).toMatchObject({ measuring: false, minRttMs: 10, limit: 3 })
    const grown: number[] = []
    for (let round = 0; round < 5; round++) {
      full(10)
      time.now += 100
      gate.admit().refused
      grown.push(gate.limit)
    }
    expect(grown).toEqual([5, 8, 13, 20, 30])
  })

  it('measures again after its interval, at three at a time, and goes on from where it was', () => {
    const { gate, calls, full, time } = limitWith()
    calls(50, 10)
    for (let round = 0; round < 20; round++) {
      full(10)
      time.now += 90
    }
    const before = gate.limit
    expect(before).toBeGreaterThan(100)
    time.now += 60_000
    expect(full(20)).toBe(3)
    expect(gate.describe()).toEqual({
      state: '0 of 3 calls in flight',
      because: 'by gradient, which is measuring the latency without a queue',
      admits: true,
    })
    calls(47, 20)
    expect(gate.stats()).toMatchObject({ measuring: false, minRttMs: 20, limit: before })
  })

  it('draws the next measurement up to 15 % later', () => {
    const { gate, calls, time } = limitWith({ minRttJitterPercent: 15 })
    calls(50, 10)
    time.now += 59_990
    gate.admit()
    expect(gate.stats().measuring).toBe(false)
    time.now += 9_010
    gate.admit()
    expect(gate.stats().measuring).toBe(true)
  })

  it('what was let go before the measurement says nothing in it', () => {
    const { gate, admit, answered, calls, time } = limitWith()
    calls(50, 10)
    const old = admit()
    time.now += 60_000
    calls(49, 10)
    answered(old, 5_000)
    expect(gate.stats().measuring).toBe(true)
    calls(1, 10)
    expect(gate.stats()).toMatchObject({ measuring: false, minRttMs: 10, inflight: 0 })
  })

  it('stuck at its minimum for five updates it measures before its time: the service may have become slower for good', () => {
    const { gate, calls } = limitWith()
    calls(50, 10)
    // Each call is a window of its own; the first finds the limit at three already.
    let updates = 0
    while (!gate.stats().measuring && updates < 20) {
      calls(1, 150)
      updates++
    }
    expect(updates).toBe(7)
    calls(50, 150)
    expect(gate.stats()).toMatchObject({ measuring: false, minRttMs: 150 })
  })

  it('counts who ran out of time as at least so slow, and neither refusals, errors nor who left', () => {
    const { gate, admit, calls } = limitWith()
    for (const outcome of [IGNORED, TIMED_OUT, BROKEN, UNAVAILABLE, outcomeOf({ verdict: 'failure', kind: 'reset', latencyMs: 1 })])
      for (let call = 0; call < 50; call++) admit().settle(outcome)
    expect(gate.stats()).toMatchObject({ measuring: true, inflight: 0 })
    for (let call = 0; call < 50; call++) admit().settle(outcomeOf({ verdict: 'failure', kind: 'timeout', latencyMs: 40 }))
    expect(gate.stats()).toMatchObject({ measuring: false, minRttMs: 40 })
    calls(1, 1)
  })
})

const WINDOW = { rttMs: 10, inflight: 100, dropped: false }

describe("Netflix' limits", () => {
  const aimd = new Aimd(DEFAULT_ADAPTIVE_CONCURRENCY)
  it.each([
    [{}, 101],
    [{ inflight: 50 }, 101],
    [{ inflight: 49 }, 100],
    [{ dropped: true }, 90],
    [{ rttMs: 5_001 }, 90],
    [{ rttMs: undefined, dropped: true }, 90],
  ])('AIMD from 100, %j: %d', (change, limit) => expect(aimd.next(100, { ...WINDOW, ...change })).toBe(limit))

  // The queue of 100 calls: none, 2, 6, 9, 13; α is 6, β 12, a step 2.
  it.each([
    [10, {}, 112],
    [10.2, {}, 112],
    [10.5, {}, 102],
    [10.9, {}, 100],
    [12, {}, 98],
    [12, { inflight: 49 }, 100],
    [10, { dropped: true }, 98],
    [undefined, { dropped: true }, 98],
  ])('Vegas from 100, with 10 ms at least, %d ms %j: %d', (rttMs, change, limit) => {
    const vegas = new Vegas(() => 0.5)
    expect(vegas.next(100, WINDOW)).toBe(100)
    expect(vegas.next(100, { ...WINDOW, rttMs, ...change })).toBe(limit)
  })

  it('Vegas forgets the least latency after 30 × limit × 0.5 to 1 updates', () => {
    const vegas = new Vegas(() => 0)
    vegas.next(1, WINDOW)
    for (let update = 1; update < 15; update++) vegas.next(1, { ...WINDOW, rttMs: 50 })
    expect(vegas.minRttMs).toBe(10)
    vegas.next(1, { ...WINDOW, rttMs: 50 })
    expect(vegas.minRttMs).toBe(50)
  })

  it.each([
    // The mean of 10 and the new one: 15 and 55, and the gradient 1 and 0.825.
    [10, {}, 100.8],
    [20, {}, 100.8],
    [100, {}, 97.3],
    [20, { inflight: 49 }, 100],
  ])('Gradient2 from 100, after 10 ms, %d ms %j: %d', (rttMs, change, limit) => {
    const gradient = new Gradient2()
    gradient.next(100, WINDOW)
    expect(gradient.next(100, { ...WINDOW, rttMs, ...change })).toBeCloseTo(limit, 6)
  })

  it('Gradient2 lets go of a long latency that is no more', () => {
    const gradient = new Gradient2()
    for (let window = 0; window < 10; window++) gradient.next(100, { ...WINDOW, rttMs: 100 })
    expect(gradient.minRttMs).toBeCloseTo(100, 6)
    gradient.next(100, WINDOW)
    const worn = 100 + (10 - 100) * (2 / 601)
    expect(gradient.minRttMs).toBeCloseTo(worn * 0.95, 6)
  })

  it.each(['gradient2', 'vegas', 'aimd'] as const)('%s begins at 20, and looks at a second of ten calls at least', (algorithm) => {
    const { gate, calls, time } = limitWith({ algorithm })
    expect(gate.limit).toBe(20)
    time.now += 5_000
    calls(9, 10)
    const { minRttMs } = gate.stats()
    expect(minRttMs).toBeUndefined()
    calls(1, 10)
    expect(gate.stats().minRttMs).toBe(algorithm === 'aimd' ? undefined : 10)
  })
})

describe('an adaptive limit', () => {
  it('refuses beyond its limit, and says where it stands', () => {
    const { gate, full, admit } = limitWith({ algorithm: 'aimd' })
    expect(full(10)).toBe(20)
    for (let call = 0; call < 20; call++) admit()
    expect(gate.admit()).toMatchObject({
      refused: true,
      code: 'MESH_OVERLOADED',
      reason: 'adaptiveConcurrency of orders is reached: 20 calls in flight',
    })
    expect(gate.admit()).toBe(gate.admit())
    expect(gate.stats()).toEqual({ limit: 20, inflight: 20, measuring: false, refused: 4 })
    expect(gate.describe()).toEqual({ state: '20 of 20 calls in flight', because: 'by aimd', admits: false })
  })

  it('a push keeps calls in flight, limit and what was measured', () => {
    const { gate, admit, answered, calls, full, time, settings } = limitWith()
    calls(50, 10)
    for (let round = 0; round < 20; round++) {
      full(10)
      time.now += 90
    }
    const { limit } = gate
    const held = admit()
    gate.reconfigure({ ...settings, minRttBufferPercent: 50 })
    expect(gate.stats()).toMatchObject({ limit, inflight: 1, minRttMs: 10, measuring: false })
    gate.reconfigure({ ...settings, maxLimit: 40 })
    expect(gate.limit).toBe(40)
    gate.reconfigure({ ...settings, algorithm: 'vegas' })
    expect(gate.stats()).toMatchObject({ limit: 40, inflight: 1 })
    answered(held, 10)
    expect(gate.inflight).toBe(0)
    gate.reconfigure({ ...settings, algorithm: 'gradient', minRttIntervalMs: 1 })
    expect(gate.stats()).toMatchObject({ limit: 3, measuring: true })
    calls(50, 10)
    expect(gate.limit).toBe(40)
  })
})

describe('the histogram of latencies', () => {
  it.each([
    [[], 0],
    [[7], 7],
    [[1, 2, 3], 2],
    [[1, 1, 1, 100], 1],
    [[0, 0, 0], 0.01],
    [[10_000_000], 10_000_000],
  ])('%j: %d', (latencies, median) => {
    const histogram = new LatencyHistogram()
    for (const latency of latencies) histogram.add(latency)
    expect(histogram.median).toBeCloseTo(median, 9)
  })
})

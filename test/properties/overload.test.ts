import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Permit } from '../../src/core/gate.ts'
import { IGNORED } from '../../src/core/outcome.ts'
import { seededRandom } from '../../src/core/random.ts'
import { type ConcurrencyAlgorithm, DEFAULT_ADAPTIVE_CONCURRENCY } from '../../src/model/adaptive-concurrency.ts'
import { DEFAULT_THROTTLE } from '../../src/model/throttle.ts'
import { AdaptiveConcurrency } from '../../src/resilience/adaptive-concurrency.ts'
import { Throttle } from '../../src/resilience/throttle.ts'
import { OK, outcomeOf, UNAVAILABLE } from '../support/sample.ts'

const algorithm = fc.constantFrom<ConcurrencyAlgorithm>('gradient', 'gradient2', 'vegas', 'aimd')
const bounds = fc
  .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 100 }))
  .map(([minLimit, more]) => ({ minLimit, maxLimit: minLimit + more }))
const act = fc.oneof(
  fc.record({ kind: fc.constant('calls' as const), count: fc.integer({ min: 1, max: 60 }) }),
  fc.record({
    kind: fc.constant('ends' as const),
    count: fc.integer({ min: 1, max: 60 }),
    latencyMs: fc.double({ min: 0, max: 20_000, noNaN: true }),
    how: fc.constantFrom('success', 'timeout', 'unavailable', 'ignored'),
  }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 0, max: 70_000 }) }),
  fc.record({ kind: fc.constant('push' as const), algorithm, bounds }),
)

describe('an adaptive limit', () => {
  it('stays a whole number within its bounds, lets never more go, and every permit comes back', () => {
    fc.assert(
      fc.property(algorithm, bounds, fc.array(act, { maxLength: 120 }), (first, firstBounds, acts) => {
        const time = { now: 0 }
        let settings = { ...DEFAULT_ADAPTIVE_CONCURRENCY, minRttRequests: 10, algorithm: first, ...firstBounds }
        const gate = new AdaptiveConcurrency('orders', settings, { time, random: seededRandom(1) })
        const held: Permit[] = []
        let refused = 0
        for (const each of acts) {
          if (each.kind === 'time') time.now += each.ms
          else if (each.kind === 'push') {
            settings = { ...settings, algorithm: each.algorithm, ...each.bounds }
            gate.reconfigure(settings)
          } else if (each.kind === 'calls') {
            for (let call = 0; call < each.count; call++) {
              const verdict = gate.admit()
              expect(verdict.refused === true).toBe(held.length >= gate.limit)
              if (verdict.refused === true) refused++
              else held.push(verdict)
            }
          } else {
            const { latencyMs, how } = each
            const outcome =
              how === 'success'
                ? outcomeOf({ ...OK, latencyMs })
                : how === 'timeout'
                  ? outcomeOf({ verdict: 'failure', kind: 'timeout', latencyMs })
                  : how === 'ignored'
                    ? IGNORED
                    : UNAVAILABLE
            for (const permit of held.splice(0, each.count)) permit.settle(outcome)
          }
          expect(Number.isInteger(gate.limit)).toBe(true)
          expect(gate.limit).toBeGreaterThanOrEqual(settings.minLimit)
          expect(gate.limit).toBeLessThanOrEqual(settings.maxLimit)
          expect(gate.stats()).toMatchObject({ inflight: held.length, refused })
        }
        for (const permit of held) permit.settle(OK)
        expect(gate.inflight).toBe(0)
      }),
    )
  })
})

describe('a throttle', () => {
  it('never refuses more than it may, never what succeeds often enough, and counts no call that it refused', () => {
    const round = fc.record({
      calls: fc.integer({ min: 0, max: 50 }),
      succeeds: fc.double({ min: 0, max: 1, noNaN: true }),
      ms: fc.integer({ min: 0, max: 5_000 }),
      priority: fc.constantFrom('low' as const, 'normal' as const, 'high' as const),
    })
    fc.assert(
      fc.property(fc.array(round, { maxLength: 60 }), fc.integer({ min: 0, max: 100 }), fc.nat(), (rounds, maxRejectPercent, seed) => {
        const time = { now: 0 }
        const random = seededRandom(seed)
        let drawn = 0
        const throttle = new Throttle('orders', { ...DEFAULT_THROTTLE, windowMs: 1e9, maxRejectPercent }, time, () => {
          drawn = random()
          return drawn
        })
        let ended = 0
        let succeeded = 0
        for (const { calls, succeeds, ms, priority } of rounds) {
          time.now += ms
          for (let call = 0; call < calls; call++) {
            const verdict = throttle.admit({ priority })
            if (verdict.refused === true) {
              expect(drawn).toBeLessThan(maxRejectPercent / 100)
              expect(succeeded).toBeLessThan(0.95 * ended)
              continue
            }
            const success = random() < succeeds
            ended++
            if (success) succeeded++
            verdict.settle(success ? OK : UNAVAILABLE)
          }
          expect(throttle.stats()).toMatchObject({ requests: ended, successes: succeeded })
        }
      }),
    )
  })
})

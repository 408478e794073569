import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Permit } from '../../src/core/gate.ts'
import { IGNORED } from '../../src/core/outcome.ts'
import { CircuitBreaker } from '../../src/resilience/circuit-breaker.ts'
import { OK, UNAVAILABLE } from '../support/sample.ts'

const SETTINGS = { failurePercent: 50, windowMs: 10_000, minRequests: 3, openForMs: 1_000 }
const OUTCOMES = [OK, UNAVAILABLE, IGNORED] as const

describe('a breaker whose calls end in any order, while it is reconfigured', () => {
  it('lends at most one probe per openFor, hears no old generation, and is never wedged', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('admit' as const) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), how: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_500 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('off' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('on' as const) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 250 }), (steps) => {
        const time = { now: 0 }
        let turned = 0
        const breaker = new CircuitBreaker('orders', SETTINGS, time, { opened: () => turned++, closed: () => turned++ })
        const held: { permit: Permit; turn: number; probe: boolean }[] = []
        let lentAt = Number.NEGATIVE_INFINITY
        let probe: Permit | undefined
        for (const each of steps) {
          if (each.do === 'wait') time.now += each.ms
          else if (each.do === 'admit') {
            const { state } = breaker
            const permit = breaker.admit()
            if (state === 'open') expect(permit.refused).toBe(true)
            if (permit.refused === true) continue
            if (state === 'half-open') {
              if (probe !== undefined) expect(time.now - lentAt).toBeGreaterThanOrEqual(SETTINGS.openForMs)
              probe = permit
              lentAt = time.now
            }
            held.push({ permit, turn: turned, probe: state === 'half-open' })
          } else if (each.do === 'settle') {
            const [ended] = held.length === 0 ? [] : held.splice(each.which % held.length, 1)
            if (ended === undefined) continue
            const before = breaker.state
            const current = ended.permit === probe || (!ended.probe && ended.turn === turned)
            ended.permit.settle(OUTCOMES[each.how] ?? OK)
            if (!current) expect(breaker.state).toBe(before)
            if (ended.permit === probe) probe = undefined
          } else {
            if (each.do === 'off') probe = undefined
            breaker.reconfigure(each.do === 'off' ? false : SETTINGS)
          }
        }
        breaker.reconfigure(SETTINGS)
        time.now += 2 * SETTINGS.openForMs
        const last = breaker.admit()
        expect(last.refused).not.toBe(true)
        ;(last as Permit).settle(OK)
        expect(breaker.state).toBe('closed')
      }),
      { numRuns: 500 },
    )
  })
})

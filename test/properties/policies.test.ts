import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointSet, LeastRequest, RoundRobin } from '../../src/balancing/index.ts'
import { parseMeshOptions } from '../../src/config/mesh-options.ts'
import { parseAddress } from '../../src/core/address.ts'
import { parseDuration } from '../../src/core/duration.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { Permit } from '../../src/core/gate.ts'
import { IGNORED } from '../../src/core/outcome.ts'
import { isMeshError } from '../../src/index.ts'
import { DEFAULT_POLICY } from '../../src/model/defaults.ts'
import { CircuitBreaker } from '../../src/resilience/circuit-breaker.ts'
import { OutlierDetector } from '../../src/resilience/outlier-detection.ts'
import { RetryBudget } from '../../src/resilience/retry-budget.ts'
import { BROKEN, callOf, endpointsOf, OK, UNAVAILABLE } from '../support/sample.ts'

describe('the budget', () => {
  it('is never exceeded in any window of ten seconds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 2_000 })), { maxLength: 400 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 20 }),
        (events, percent, minimum) => {
          const budget = new RetryBudget({ budgetPercent: percent, budgetMinPerSecond: minimum }, 0)
          const firsts: number[] = []
          const resends: number[] = []
          let now = 0
          for (const [isFirst, wait] of events) {
            now += wait
            if (isFirst) {
              budget.deposit(now)
              firsts.push(now)
            } else if (budget.withdraw(now)) {
              resends.push(now)
              // The window moves in steps of a second, so it may reach back up to nine seconds at least.
              const within = (times: number[], span: number): number => times.filter((time) => time > now - span).length
              expect(within(resends, 9_000)).toBeLessThanOrEqual(Math.max(10 * minimum, (percent / 100) * within(firsts, 10_001)) + 1e-9)
            }
          }
        },
      ),
    )
  })
})

describe('the breaker', () => {
  it('admits one probe at most, and is never wedged', () => {
    const step = fc.oneof(
      fc.constant('ok' as const),
      fc.constant('fail' as const),
      fc.constant('ignore' as const),
      fc.constant('admit' as const),
      fc.integer({ min: 1, max: 3_000 }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const time = { now: 0 }
        const openForMs = 1_000
        const breaker = new CircuitBreaker('orders', { failurePercent: 50, windowMs: 10_000, minRequests: 3, openForMs }, time, {
          opened() {},
          closed() {},
        })
        const held: Permit[] = []
        for (const each of steps) {
          if (typeof each === 'number') time.now += each
          else if (each === 'admit') {
            const permit = breaker.admit()
            if (permit.refused !== true) held.push(permit)
            if (permit.refused !== true && breaker.state !== 'closed') expect(breaker.admit().refused).toBe(true)
          } else held.pop()?.settle(each === 'ok' ? OK : each === 'fail' ? UNAVAILABLE : IGNORED)
        }
        time.now += 2 * openForMs
        const probe = breaker.admit()
        expect(probe.refused).not.toBe(true)
        ;(probe as Permit).settle(OK)
        expect(breaker.state).toBe('closed')
      }),
    )
  })
})

describe('endpoints', () => {
  it('no first try goes to an ejected endpoint unless in panic or as its only probe, and the cap holds', () => {
    const event = fc.tuple(fc.nat(), fc.boolean(), fc.integer({ min: 0, max: 20_000 }))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(event, { maxLength: 300 }), fc.boolean(), (size, events, leastRequest) => {
        const set = new EndpointSet(50, Math.random)
        set.replace(endpointsOf(size))
        const detector = new OutlierDetector(
          {
            ...DEFAULT_POLICY.outlierDetection,
            consecutiveFailures: 2,
            ejectForMs: 5_000,
            maxEjectForMs: 60_000,
          },
          set,
          { ejected() {}, restored() {} },
        )
        const balancer = leastRequest ? new LeastRequest(Math.random) : new RoundRobin(Math.random)
        const first = callOf({ tries: 0 })
        let now = 0
        for (const [index, fails, wait] of events) {
          now += wait
          detector.restoreDue(now)
          detector.observe(set.all[index % size] as Endpoint, fails ? BROKEN : OK, now)
          const picked = set.pick(balancer, first, now)
          expect(picked).toBeDefined()
          if (!set.panic) expect(picked?.ejected === false || picked?.probedAt === now).toBe(true)
          expect(set.ejected).toBe(set.all.filter(({ ejected }) => ejected).length)
          expect(set.ejected).toBeLessThanOrEqual(size < 2 ? 0 : Math.max(1, Math.floor(size / 2)))
        }
        // Time heals everybody.
        detector.restoreDue(now + 600_000)
        for (let probe = 0; probe < size; probe++) {
          const picked = set.pick(balancer, first, now + 600_000) as Endpoint
          detector.observe(picked, OK, now + 600_000)
        }
        expect(set.ejected).toBe(0)
      }),
    )
  })

  it('a further try never repeats an endpoint while another is left', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 10 }), fc.array(fc.nat(), { maxLength: 5 }), (size, ejected) => {
        const set = new EndpointSet(50, Math.random)
        set.replace(endpointsOf(size))
        for (const index of ejected) set.setEjected(set.all[index % size] as Endpoint, true)
        const tried: Endpoint[] = []
        while (tried.length < size) {
          const picked = set.pick(new RoundRobin(Math.random), callOf({ tries: tried.length }, tried), 0) as Endpoint
          expect(tried).not.toContain(picked)
          tried.push(picked)
        }
      }),
    )
  })
})

describe('parsers', () => {
  it('configuration: anything at all is taken or is one MESH_CONFIG, and no prototype changes', () => {
    const keys = [
      'services',
      'orders',
      'endpoints',
      'retry',
      'attempts',
      'timeout',
      'tls',
      'ca',
      '__proto__',
      'constructor',
      'hosts',
      'defaults',
    ]
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.anything(),
        fc.string(),
        fc.double(),
        fc.constant('127.0.0.1:80'),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(tree.node, (options) => {
        try {
          parseMeshOptions(options)
        } catch (error) {
          expect(isMeshError(error) && error.code).toBe('MESH_CONFIG')
        }
        expect(Object.keys(Object.prototype)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  it('durations and addresses: text in, a value or a reason out', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d.hmsd-]{0,20}$/), fc.anything()), (text) => {
        const ms = parseDuration(text)
        if (ms !== undefined) expect(ms >= 0 && ms <= 24 * 86_400_000).toBe(true)
        if (typeof text === 'string') {
          const parsed = parseAddress(text)
          if (!('problem' in parsed)) expect(parseAddress(parsed.text)).toEqual(parsed)
        }
      }),
    )
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Permit } from '../../../src/core/gate.ts'
import { IGNORED, type Outcome } from '../../../src/core/outcome.ts'
import { CircuitBreaker } from '../../../src/resilience/circuit-breaker.ts'
import { BROKEN, OK, UNAVAILABLE } from '../../support/sample.ts'

const SETTINGS = { failurePercent: 50, windowMs: 10_000, minRequests: 4, openForMs: 1_000 }

function make(settings = SETTINGS) {
  const time = { now: 0 }
  const events: string[] = []
  const breaker = new CircuitBreaker('orders', settings, time, { opened: () => events.push('opened'), closed: () => events.push('closed') })
  const run = (outcome: Outcome): boolean => {
    const permit = breaker.admit()
    if (permit.refused === true) return false
    permit.settle(outcome)
    return true
  }
  return { time, events, breaker, run }
}

describe('the circuit breaker', () => {
  it('opens at the share and the volume that were set', () => {
    const { breaker, run, events } = make()
    run(UNAVAILABLE)
    run(UNAVAILABLE)
    run(OK)
    expect(breaker.state).toBe('closed')
    run(UNAVAILABLE)
    expect(breaker.state).toBe('open')
    expect(run(OK)).toBe(false)
    expect(events).toEqual(['opened'])
  })

  it('does not count a 500, nor what was ignored', () => {
    const { breaker, run } = make()
    for (let call = 0; call < 50; call++) run(call % 2 === 0 ? BROKEN : IGNORED)
    expect(breaker.state).toBe('closed')
  })

  it('lends one probe at a time, and closes when it succeeds', () => {
    const { breaker, run, time, events } = make()
    for (let call = 0; call < 4; call++) run(UNAVAILABLE)
    time.now = 1_000
    expect(breaker.state).toBe('half-open')
    const probe = breaker.admit() as Permit
    expect(breaker.admit().refused).toBe(true)
    probe.settle(OK)
    expect(breaker.state).toBe('closed')
    expect(events).toEqual(['opened', 'closed'])
    // What was counted before is forgotten: one failure does not open it again.
    run(UNAVAILABLE)
    expect(breaker.state).toBe('closed')
  })

  it('opens again when the probe fails, and takes an ignored one back', () => {
    const { breaker, run, time } = make()
    for (let call = 0; call < 4; call++) run(UNAVAILABLE)
    time.now = 1_000
    ;(breaker.admit() as Permit).settle(IGNORED)
    const probe = breaker.admit() as Permit
    expect(probe.refused).not.toBe(true)
    probe.settle(UNAVAILABLE)
    expect(breaker.state).toBe('open')
    expect(breaker.opened).toBe(2)
  })

  it('a probe that is lost does not keep it half-open for good', () => {
    const { breaker, run, time } = make()
    for (let call = 0; call < 4; call++) run(UNAVAILABLE)
    time.now = 1_000
    const lost = breaker.admit() as Permit
    time.now = 2_000
    const next = breaker.admit() as Permit
    expect(next.refused).not.toBe(true)
    // The lost one turns up after all: it belongs to nobody now.
    lost.settle(UNAVAILABLE)
    next.settle(OK)
    expect(breaker.state).toBe('closed')
  })

  it('outcomes of calls admitted before it opened count for nothing afterwards', () => {
    const { breaker, run, time } = make()
    const late = Array.from({ length: 50 }, () => breaker.admit() as Permit)
    for (let call = 0; call < 4; call++) run(UNAVAILABLE)
    time.now = 1_000
    ;(breaker.admit() as Permit).settle(OK)
    for (const permit of late) permit.settle(UNAVAILABLE)
    expect(breaker.state).toBe('closed')
  })

  it('forgets what left the window', () => {
    const { breaker, run, time } = make()
    for (let call = 0; call < 3; call++) run(UNAVAILABLE)
    time.now = 11_000
    run(UNAVAILABLE)
    expect(breaker.state).toBe('closed')
  })

  it('a push changes the rules and no state', () => {
    const { breaker, run, time } = make()
    for (let call = 0; call < 4; call++) run(UNAVAILABLE)
    breaker.reconfigure({ ...SETTINGS, minRequests: 100, windowMs: 20_000 })
    expect(breaker.state).toBe('open')
    breaker.reconfigure({ ...SETTINGS, openForMs: 5_000 })
    time.now = 2_000
    expect(breaker.state).toBe('open')
  })

  it('allocates nothing per call while it is closed', () => {
    const { breaker } = make()
    expect(breaker.admit()).toBe(breaker.admit())
  })
})

/** One table of calls and the states after them runs on our breaker and on opossum. */
const TABLE: readonly (readonly [name: string, steps: readonly (readonly [step: 'ok' | 'fail' | number, state: string])[]])[] = [
  [
    'stays closed while calls succeed',
    [
      ['ok', 'closed'],
      ['ok', 'closed'],
      ['ok', 'closed'],
      ['ok', 'closed'],
      ['ok', 'closed'],
    ],
  ],
  [
    'stays closed below the volume',
    [
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'closed'],
    ],
  ],
  [
    'opens above the share',
    [
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['ok', 'closed'],
      ['fail', 'open'],
    ],
  ],
  [
    'goes half-open after its time',
    [
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'open'],
      [999, 'open'],
      [1, 'half-open'],
    ],
  ],
  [
    'closes on a good probe',
    [
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'open'],
      [1_000, 'half-open'],
      ['ok', 'closed'],
      ['ok', 'closed'],
    ],
  ],
  [
    'opens again on a bad probe',
    [
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'closed'],
      ['fail', 'open'],
      [1_000, 'half-open'],
      ['fail', 'open'],
      [999, 'open'],
      [1, 'half-open'],
    ],
  ],
]

describe('the same table on our breaker and on opossum', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it.each(TABLE)('ours %s', (_, steps) => {
    const { breaker, run, time } = make()
    for (const [step, state] of steps) {
      if (typeof step === 'number') time.now += step
      else run(step === 'ok' ? OK : UNAVAILABLE)
      expect(breaker.state).toBe(state)
    }
  })

  it.each(TABLE)('opossum %s', async (_, steps) => {
    const { newOpossum, stateOf } = await import('../../../src/resilience/opossum.ts')
    const breaker = await newOpossum(
      'orders',
      (async (good: boolean) => {
        if (!good) throw new Error('no')
      }) as never,
      SETTINGS,
      () => false,
    )
    for (const [step, state] of steps) {
      if (typeof step === 'number') await vi.advanceTimersByTimeAsync(step)
      else await breaker.fire(step === 'ok').catch(() => {})
      expect(stateOf(breaker)).toBe(state)
    }
    breaker.shutdown()
  })

  it('differs in one thing: opossum opens above the share, ours at it', async () => {
    const { newOpossum, stateOf } = await import('../../../src/resilience/opossum.ts')
    const { breaker: ours, run } = make()
    const theirs = await newOpossum(
      'orders',
      (async (good: boolean) => {
        if (!good) throw new Error('no')
      }) as never,
      SETTINGS,
      () => false,
    )
    for (const good of [true, true, false, false]) {
      run(good ? OK : UNAVAILABLE)
      await theirs.fire(good).catch(() => {})
    }
    expect([ours.state, stateOf(theirs)]).toEqual(['open', 'closed'])
    theirs.shutdown()
  })
})

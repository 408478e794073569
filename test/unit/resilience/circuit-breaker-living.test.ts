import { describe, expect, it } from 'vitest'
import type { Permit, Refusal } from '../../../src/core/gate.ts'
import { CircuitBreaker } from '../../../src/resilience/circuit-breaker.ts'
import { OK, UNAVAILABLE } from '../../support/sample.ts'

const SETTINGS = { failurePercent: 50, windowMs: 10_000, minRequests: 4, openForMs: 1_000 }

function make() {
  const time = { now: 0 }
  const told: unknown[] = []
  const breaker = new CircuitBreaker('orders', SETTINGS, time, {
    opened: (detail) => told.push(detail),
    closed: (detail) => told.push(detail),
  })
  const fail = (calls: number): void => {
    for (let call = 0; call < calls; call++) (breaker.admit() as Permit).settle(UNAVAILABLE)
  }
  return { time, told, breaker, fail }
}

describe('a breaker that is switched off and on', () => {
  it('lets everything pass and counts nothing while it is off', () => {
    const { breaker, fail } = make()
    fail(3)
    breaker.reconfigure(false)
    expect(breaker.state).toBe('off')
    fail(50)
    breaker.reconfigure(SETTINGS)
    expect(breaker.state).toBe('closed')
    fail(1)
    expect(breaker.state).toBe('open')
  })

  it('was open before and is open after: nothing closes because somebody pushed', () => {
    const { breaker, fail } = make()
    fail(4)
    breaker.reconfigure(false)
    expect(breaker.admit().refused).not.toBe(true)
    breaker.reconfigure(SETTINGS)
    expect(breaker.state).toBe('open')
    expect(breaker.admit().refused).toBe(true)
  })

  it('a probe that was out meanwhile decides nothing, and another is lent', () => {
    const { breaker, fail, time } = make()
    fail(4)
    time.now = 1_000
    const probe = breaker.admit() as Permit
    breaker.reconfigure(false)
    breaker.reconfigure(SETTINGS)
    probe.settle(OK)
    expect(breaker.state).toBe('half-open')
    ;(breaker.admit() as Permit).settle(OK)
    expect(breaker.state).toBe('closed')
  })
})

describe('what a breaker says', () => {
  it('a refusal says how long is left, and is one object per opening', () => {
    const { breaker, fail, time } = make()
    fail(4)
    const first = breaker.admit() as Refusal
    expect(first).toMatchObject({ code: 'MESH_CIRCUIT_OPEN', status: 503, retryAfterMs: 1_000 })
    time.now = 400
    expect(breaker.admit()).toBe(first)
    expect(first.retryAfterMs).toBe(600)
    time.now = 1_000
    ;(breaker.admit() as Permit).settle(UNAVAILABLE)
    expect(breaker.admit()).not.toBe(first)
  })

  it('its state in words', () => {
    const { breaker, fail, time } = make()
    const tell = () => {
      const { state, because, admits } = breaker.describe()
      return `${state}, ${admits}: ${because}`
    }
    const said = [tell()]
    fail(4)
    time.now = 250
    said.push(tell())
    time.now = 1_000
    said.push(tell())
    breaker.admit()
    said.push(tell())
    breaker.reconfigure(false)
    said.push(tell())
    expect(said).toEqual([
      'closed, true: 0 of 0 calls found it unavailable; opens at 50 % of at least 4',
      'open, false: for another 750ms',
      'half-open, true: the next call is the probe',
      'half-open, false: it waits for its probe',
      'off, true: calls pass, and nothing is counted',
    ])
  })

  it('its listener hears the share, the volume, and how long it took', () => {
    const { fail, told, time, breaker } = make()
    fail(4)
    time.now = 1_500
    ;(breaker.admit() as Permit).settle(OK)
    expect(told).toEqual([{ failurePercent: 100, requests: 4, openForMs: 1_000 }, { afterMs: 1_500 }])
  })
})

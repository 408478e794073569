import { describe, expect, it } from 'vitest'
import {
  exponential,
  type Profile,
  queueing,
  type SimulationOptions,
  type SimulationReport,
  simulate,
  steady,
} from '../../../src/testing/index.ts'

const FOR_S = 15
/** Ten at a time, 10 ms each: what it can do is a thousand a second. */
const CAPACITY = 1_000
const WITHOUT: SimulationOptions['policy'] = { timeout: '2s', retry: false, circuitBreaker: false, outlierDetection: false }

function run(policy: SimulationOptions['policy'], perSecond: number, profile: Profile = queueing(10, steady(10))): SimulationReport {
  return simulate({ endpoints: [{ profile }], perSecond, forMs: FOR_S * 1_000, policy: { ...WITHOUT, ...policy } })
}

const goodput = ({ succeeded }: SimulationReport): number => succeeded / FOR_S / CAPACITY

describe('a service that is asked for three times what it can do', () => {
  it('without an adaptive limit answers hardly anybody in time, and those at the end of theirs', () => {
    const found = run({}, 3 * CAPACITY)
    expect(goodput(found)).toBeLessThan(0.25)
    expect(found.p99Ms).toBeGreaterThanOrEqual(1_999)
  })

  it.each([
    ['gradient', 25],
    ['vegas', 40],
    ['gradient2', 60],
    ['aimd', 60],
  ] as const)('with %s answers as much as it can, 99 of 100 within %d ms', (algorithm, withinMs) => {
    const found = run({ adaptiveConcurrency: { algorithm } }, 3 * CAPACITY)
    expect(goodput(found)).toBeGreaterThan(0.95)
    expect(found.p99Ms).toBeLessThan(withinMs)
    expect(Object.keys(found.failed)).toEqual(['MESH_OVERLOADED'])
  })

  it('gradient holds too where the work differs from call to call', () => {
    const found = run({ adaptiveConcurrency: true }, 3 * CAPACITY, queueing(10, exponential(10)))
    expect(goodput(found)).toBeGreaterThan(0.9)
    expect(found.p99Ms).toBeLessThan(60)
  })
})

describe('a service that is asked for half of what it can do', () => {
  it.each(['gradient2', 'vegas', 'aimd'] as const)('%s refuses nobody', (algorithm) => {
    expect(run({ adaptiveConcurrency: { algorithm } }, CAPACITY / 2).successPercent).toBe(100)
  })

  it('gradient refuses only while it measures', () => {
    expect(run({ adaptiveConcurrency: true }, CAPACITY / 2).successPercent).toBeGreaterThan(98)
  })
})

/** As queueing(10, 10 ms), but whoever would wait longer than 50 ms gets 503, which costs a third of the work. */
function refusing(): Profile {
  const freeAt = new Float64Array(10)
  return ({ now }) => {
    const first = freeAt.indexOf(Math.min(...freeAt))
    const begin = Math.max(now, freeAt[first] as number)
    const late = begin - now > 50
    freeAt[first] = begin + (late ? 3 : 10)
    return { latencyMs: (freeAt[first] as number) - now, status: late ? 503 : 200 }
  }
}

describe('a service for which refusing is work too', () => {
  it('does far more once its callers are throttled, and they find out at once when it is better', () => {
    const without = run({}, 3 * CAPACITY, refusing())
    const throttled = run({ throttle: true }, 3 * CAPACITY, refusing())
    expect(goodput(without)).toBeLessThan(0.5)
    expect(goodput(throttled)).toBeGreaterThan(0.7)
    expect(run({ throttle: true }, CAPACITY / 2, refusing()).successPercent).toBe(100)
  })
})

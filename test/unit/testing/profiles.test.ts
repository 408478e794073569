import { describe, expect, it } from 'vitest'
import {
  during,
  exponential,
  failing,
  logNormal,
  type Profile,
  queueing,
  scripted,
  seededRandom,
  slower,
  stalling,
  steady,
} from '../../../src/testing/index.ts'

const random = seededRandom(5)
const at = (profile: Profile, now = 0) => profile({ now, inflight: 1, random })
const draws = (profile: Profile): number[] => Array.from({ length: 20_000 }, () => at(profile).latencyMs).sort((a, b) => a - b)

describe('profiles of latency and failure', () => {
  it('an exponential one has its mean', () => {
    const found = draws(exponential(10))
    expect(found.reduce((sum, each) => sum + each, 0) / found.length).toBeCloseTo(10, 0)
  })

  it('a log-normal one has its p50 and p99', () => {
    const found = draws(logNormal({ p50Ms: 10, p99Ms: 100 }))
    expect(found[10_000]).toBeGreaterThan(9.5)
    expect(found[10_000]).toBeLessThan(10.5)
    expect(found[19_800]).toBeGreaterThan(90)
    expect(found[19_800]).toBeLessThan(110)
  })

  it('one that fails does so at its share, and in its way', () => {
    const statuses = Array.from({ length: 10_000 }, () => at(failing(0.3, steady(1))).status)
    expect(statuses.filter((status) => status === 503).length / 10_000).toBeCloseTo(0.3, 1)
    expect(at(failing(1, steady(1), 'reset'))).toEqual({ latencyMs: 1, kind: 'reset' })
  })

  it.each([
    [0, 10],
    [95, 110],
    [100, 110],
    [150, 60],
    [199, 11],
    [200, 10],
  ])('one that stalls from 100 to 200: what comes at %d takes %d ms', (now, latencyMs) => {
    expect(at(stalling({ fromMs: 100, untilMs: 200 }, steady(10)), now).latencyMs).toBe(latencyMs)
  })

  it('one worker takes one after the other, two take two', () => {
    const one = queueing(1, steady(10))
    const two = queueing(2, steady(10))
    expect([0, 0, 0, 100].map((now) => at(one, now).latencyMs)).toEqual([10, 20, 30, 10])
    expect([0, 0, 0, 100].map((now) => at(two, now).latencyMs)).toEqual([10, 10, 20, 10])
  })

  it('a script is done step by step, and its last is repeated', () => {
    const script = scripted({ latencyMs: 1, status: 503 }, slower(3, steady(2)))
    expect([1, 2, 3].map(() => at(script).latencyMs)).toEqual([1, 6, 6])
  })

  it('an interval has a beginning and an end', () => {
    const profile = during({ fromMs: 10, untilMs: 20 }, steady(5, 500), steady(1))
    expect([9, 10, 19, 20].map((now) => at(profile, now).status)).toEqual([200, 500, 500, 200])
  })
})

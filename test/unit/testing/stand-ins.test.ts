import { describe, expect, it } from 'vitest'
import { during, hanging, refusing, type SimulatedEndpoint, simulate, steady } from '../../../src/testing/index.ts'

const ZONES = ['a', 'b', 'c']
const LOST = { fromMs: 20_000, untilMs: 50_000 }

/** Three hundred endpoints in three zones, one of which is lost for half a minute. */
const endpoints = Array.from({ length: 300 }, (_, index): SimulatedEndpoint => {
  const zone = ZONES[index % ZONES.length] as string
  const profile = zone === 'a' ? during(LOST, index % 2 === 0 ? refusing() : hanging(), steady(5)) : steady(5)
  return { profile, locality: { zone }, bad: (now) => zone === 'a' && now >= LOST.fromMs && now < LOST.untilMs }
})

describe('a zone of three is lost, and every process uses 30 of 300 endpoints', () => {
  const found = simulate({
    endpoints,
    clients: 10,
    perSecond: 1_500,
    forMs: 90_000,
    policy: { subset: { size: 30 }, timeout: '5s', retry: { perTryTimeout: '500ms' } },
  })

  it('hardly a call fails, nobody good is ejected, everybody bad that is used is', () => {
    // Who met three in a row that hang.
    expect(found.calls - found.succeeded).toBeLessThanOrEqual(10)
    expect(found.falseEjections).toBe(0)
    for (let client = 0; client < 10; client++) {
      expect(found.ejections.filter((each) => each.client === client).length).toBeGreaterThanOrEqual(8)
    }
  })

  it('the load of the zone is spread over the others, and goes back when it is', () => {
    const living = found.requests.filter((_, index) => index % ZONES.length !== 0)
    const mean = living.reduce((sum, each) => sum + each, 0) / living.length
    // Ten processes with thirty of two hundred: a living endpoint is in the part of one and a half, with the spread of chance.
    expect(mean).toBeLessThan((1.4 * (90 * 1_500)) / 300)
    expect(found.amplification).toBeLessThan(1.05)
  })
})

it('all that a small part uses are gone while hundreds are there: calls go on', () => {
  // Whoever a process uses at the beginning is gone after ten seconds, all others stay.
  const options = { perSecond: 200, forMs: 10_000, seed: 3, policy: { subset: { size: 8 } } } as const
  const plain = Array.from({ length: 400 }, (): SimulatedEndpoint => ({ profile: steady(5) }))
  const used = simulate({ endpoints: plain, ...options }).requests.map((requests) => requests > 0)
  expect(used.filter(Boolean)).toHaveLength(8)
  const gone = during({ fromMs: 10_000, untilMs: 200_000 }, refusing(), steady(5))
  const dying = used.map((dies): SimulatedEndpoint => (dies ? { profile: gone, bad: true } : { profile: steady(5) }))
  const { calls, succeeded, failed, requests, missedEjections, falseEjections } = simulate({ endpoints: dying, ...options, forMs: 60_000 })
  // Until the first one is replaced, and has answered.
  console.log(`all 8 of 400 gone: ${calls - succeeded} of ${calls} calls failed`)
  expect(calls - succeeded).toBeLessThanOrEqual(20)
  expect(Object.keys(failed)).not.toContain('MESH_CIRCUIT_OPEN')
  expect([missedEjections, falseEjections]).toEqual([0, 0])
  expect(requests.filter((each) => each > 0).length).toBe(16)
})

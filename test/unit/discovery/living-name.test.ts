import { beforeEach, describe, expect, it } from 'vitest'
import { AddressPolicy } from '../../../src/core/address.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DnsError } from '../../../src/discovery/dns/dns-error.ts'
import { LivingName } from '../../../src/discovery/dns/living-name.ts'
import type { Answer } from '../../../src/discovery/dns/lookup.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const LIFETIMES = { minTtlMs: 5_000, maxTtlMs: 300_000, staleMs: 300_000 }
const NXDOMAIN = new DnsError('db', 'ENOTFOUND')
const SERVFAIL = new DnsError('db', 'ESERVFAIL')

function answer(addresses: string[], ttlMs: number | undefined = 60_000): Answer {
  const result = addresses.map((address) => ({ address, port: undefined, priority: 0, weight: 1 }))
  return { parts: [{ key: '4', result }], ttlMs }
}

describe('a living name', () => {
  let clock: VirtualClock
  let next: Answer | DnsError
  let asked: number
  let told: string[]
  let name: LivingName

  beforeEach(() => {
    clock = new VirtualClock()
    next = answer(['10.0.0.1'])
    asked = 0
    told = []
    const lookup = async (): Promise<Answer> => {
      asked++
      if (next instanceof DnsError) throw next
      return next
    }
    name = new LivingName('db', lookup, LIFETIMES, {
      clock,
      random: seededRandom(1),
      addressPolicy: new AddressPolicy(),
      changed: () => told.push(`changed ${addresses()}`),
      failed: ({ code }) => told.push(`failed ${code}`),
      recovered: () => told.push('recovered'),
    })
  })

  const addresses = (): string => name.addresses.map(({ address }) => address).join()
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  const pass = async (ms: number): Promise<void> => {
    // In steps, so that what a timer began is done before the next is due.
    for (const end = clock.now() + ms; clock.now() < end; ) {
      clock.advance(Math.min(500, end - clock.now()))
      await settle()
    }
  }
  const begin = async (): Promise<void> => {
    name.refresh()
    await settle()
  }

  it.each([
    [0, 4_500, 5_500],
    [60_000, 54_000, 60_500],
    [2 ** 32 * 1_000, 270_000, 300_500],
    [Number.NaN, 4_500, 5_500],
    [undefined, 4_500, 5_500],
  ])('a TTL of %s ms asks again after %s to %s ms', async (ttlMs, from, to) => {
    next = { ...answer(['10.0.0.1']), ttlMs }
    await begin()
    await pass(from - 500)
    expect(asked).toBe(1)
    await pass(to - from + 1_000)
    expect(asked).toBe(2)
  })

  it('tells of a change, and of nothing else', async () => {
    next = answer(['10.0.0.2', '10.0.0.1'], 0)
    await begin()
    next = answer(['10.0.0.1', '10.0.0.2'], 0)
    await pass(6_000)
    next = answer(['10.0.0.3'], 0)
    await pass(6_000)
    expect(told).toEqual(['changed 10.0.0.1,10.0.0.2', 'changed 10.0.0.3'])
  })

  it('keeps what it had while servers fail, for as long as they do, and tells it once', async () => {
    await begin()
    next = SERVFAIL
    await pass(3_600_000)
    expect(addresses()).toBe('10.0.0.1')
    next = answer(['10.0.0.2'])
    await pass(31_000)
    expect(told).toEqual(['changed 10.0.0.1', 'failed ESERVFAIL', 'recovered', 'changed 10.0.0.2'])
  })

  it('serves on for five minutes after the name is gone', async () => {
    next = answer(['10.0.0.1'], 0)
    await begin()
    next = NXDOMAIN
    await pass(6_000)
    await pass(290_000)
    expect(addresses()).toBe('10.0.0.1')
    await pass(12_000)
    expect(told).toEqual(['changed 10.0.0.1', 'failed ENOTFOUND', 'changed '])
  })

  it('a server that fails between two that say the name is gone proves nothing: the five minutes begin anew', async () => {
    next = answer(['10.0.0.1'], 0)
    await begin()
    next = NXDOMAIN
    await pass(200_000)
    next = SERVFAIL
    await pass(60_000)
    next = NXDOMAIN
    await pass(200_000)
    expect(addresses()).toBe('10.0.0.1')
  })

  it('waits longer after each failure, up to 30 s', async () => {
    next = NXDOMAIN
    await begin()
    expect(name.settled).toBe(true)
    expect(name.failure?.message).toContain('db: the name does not exist (ENOTFOUND)')
    await pass(31_000)
    // 1 + 2 + 4 + 8 + 16 s at most, half of that at least.
    expect(asked).toBeGreaterThanOrEqual(5)
    expect(asked).toBeLessThanOrEqual(7)
    const before = asked
    await pass(300_000)
    expect(asked - before).toBeLessThanOrEqual(20)
    expect(asked - before).toBeGreaterThanOrEqual(9)
  })

  it('asks at once when somebody could not be connected, at most once a second', async () => {
    await begin()
    await pass(10_000)
    for (let time = 0; time < 100; time++) {
      name.refresh()
      await settle()
      await pass(20)
    }
    expect(asked).toBeGreaterThanOrEqual(3)
    expect(asked).toBeLessThanOrEqual(4)
  })

  it('a family that failed keeps its addresses; one that is empty is empty', async () => {
    const v6 = { key: '6', result: [{ address: '::1', port: undefined, priority: 0, weight: 1 }] }
    const [v4] = answer(['127.0.0.1']).parts as [Answer['parts'][number]]
    next = { parts: [v4, v6], ttlMs: 0 }
    await begin()
    expect(addresses()).toBe('127.0.0.1,::1')
    next = { parts: [v4, { key: '6', result: SERVFAIL }], ttlMs: 0 }
    await pass(6_000)
    expect(addresses()).toBe('127.0.0.1,::1')
    next = { parts: [v4, { key: '6', result: new DnsError('db', 'ENODATA') }], ttlMs: 0 }
    await pass(6_000)
    expect(addresses()).toBe('127.0.0.1')
  })

  it('refuses what the address policy refuses, and says so', async () => {
    next = answer(['169.254.169.254', '10.0.0.1'])
    await begin()
    expect(addresses()).toBe('10.0.0.1')
    next = answer(['169.254.169.254'])
    await pass(61_000)
    expect(addresses()).toBe('10.0.0.1')
    expect(name.failure?.message).toContain('metadata')
  })

  it('asks nothing more once it is stopped', async () => {
    await begin()
    name.stop()
    expect(clock.timers).toBe(0)
    name.refresh()
    await pass(1_000_000)
    expect(asked).toBe(1)
  })
})

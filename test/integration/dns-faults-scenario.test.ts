import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AddressPolicy } from '../../src/core/address.ts'
import { systemClock } from '../../src/core/clock.ts'
import { DnsResolver } from '../../src/discovery/dns/dns-resolver.ts'
import { Lookup } from '../../src/discovery/dns/lookup.ts'
import { createResolver } from '../../src/discovery/index.ts'
import type { FollowedName } from '../../src/model/name-resolver.ts'
import { DnsServer } from '../support/dns-server.ts'

const DB = 'db.example.com'

describe('DNS, fault by fault', () => {
  let server: DnsServer
  let resolver: DnsResolver
  let events: string[]

  beforeEach(async () => {
    server = await DnsServer.start()
    events = []
    resolver = new DnsResolver({
      clock: systemClock,
      random: () => 0.5,
      addressPolicy: new AddressPolicy(),
      servers: [server.address],
      lifetimes: { minTtlMs: 100, staleMs: 1_500 },
      failed: ({ message }) => events.push(`failed: ${message}`),
      recovered: () => events.push('recovered'),
    })
    resolver.start()
  })
  afterEach(async () => {
    resolver.close()
    await server.stop()
  })

  const shown = (name: FollowedName): string => name.addresses.map(({ address }) => address).join()

  /** Follows `name` and waits until it looks like `wanted`. */
  async function until(wanted: (name: FollowedName) => boolean, name = DB, type: 'address' | 'srv' = 'address'): Promise<FollowedName> {
    let look = (): void => {}
    const followed = resolver.follow(name, () => look(), { type })
    await expect.poll(() => wanted(followed), { timeout: 8_000, interval: 20 }).toBe(true)
    look = () => {}
    return followed
  }
  const settled = ({ settled }: FollowedName): boolean => settled

  it('both families, by turns', async () => {
    server.addresses(DB, ['10.0.0.1', '10.0.0.2', '::1'])
    expect(shown(await until(settled))).toBe('10.0.0.1,::1,10.0.0.2')
  })

  it.each([
    ['IPv4 alone', ['10.0.0.1']],
    ['IPv6 alone', ['fd00::1']],
  ])('%s works', async (_, addresses) => {
    server.addresses(DB, addresses)
    expect(shown(await until(settled))).toBe(addresses.join())
  })

  it('a server that never answers for AAAA holds nobody up', async () => {
    server.addresses(DB, ['10.0.0.1'])
    server.reply(DB, 'AAAA', { silent: true })
    const since = performance.now()
    expect(shown(await until(settled))).toBe('10.0.0.1')
    expect(performance.now() - since).toBeLessThan(1_500)
  })

  it.each([
    ['SERVFAIL', { rcode: 'SERVFAIL' }, 'ESERVFAIL'],
    ['a refusal', { rcode: 'REFUSED' }, 'EREFUSED'],
    ['a name that does not exist', { rcode: 'NXDOMAIN' }, 'ENOTFOUND'],
    ['a name without addresses', {}, 'ENODATA'],
  ] as const)('%s is a failure that says so', async (_, reply, code) => {
    server.fail(DB, reply)
    const name = await until(settled)
    expect(name.failure).toContain(DB)
    expect(name.failure).toContain(code)
    expect(events).toHaveLength(1)
  })

  it.each([
    ['SERVFAIL', { rcode: 'SERVFAIL' }],
    ['silence', { silent: true }],
    ['a loop of CNAME records', { answers: [{ name: DB, type: 'CNAME', data: DB, ttl: 1 }] }],
  ] as const)('%s after a success takes nothing away, and is told once', async (_, reply) => {
    server.addresses(DB, ['10.0.0.1'], 0)
    const name = await until(settled)
    server.fail(DB, reply as never)
    await until(({ failure }) => failure !== undefined)
    await until(() => server.questions(DB) > 2)
    expect(shown(name)).toBe('10.0.0.1')
    expect(events).toHaveLength(1)
    server.addresses(DB, ['10.0.0.2'], 0)
    await until((each) => shown(each) === '10.0.0.2')
    expect(events.at(-1)).toBe('recovered')
  })

  it('NXDOMAIN after a success takes the addresses away when they are stale', async () => {
    server.addresses(DB, ['10.0.0.1'], 0)
    const name = await until(settled)
    server.fail(DB, { rcode: 'NXDOMAIN' })
    const since = performance.now()
    await until(({ addresses }) => addresses.length === 0)
    expect(performance.now() - since).toBeGreaterThan(1_400)
    expect(name.failure).toContain('ENOTFOUND')
  })

  it.each([
    [
      'a loop of two',
      [
        { name: DB, type: 'CNAME' as const, data: 'b.example.com', ttl: 1 },
        { name: 'b.example.com', type: 'CNAME' as const, data: DB, ttl: 1 },
      ],
    ],
    ['a loop of one', [{ name: DB, type: 'CNAME' as const, data: DB, ttl: 1 }]],
  ])('CNAME, %s: no empty set but a failure', async (_, answers) => {
    server.fail(DB, { answers })
    const name = await until(settled)
    expect(name.failure).toMatch(/EEMPTY|ENODATA/)
  })

  it('a CNAME that leads somewhere is followed', async () => {
    server.reply(DB, 'A', {
      answers: [
        { name: DB, type: 'CNAME', data: 'b.example.com', ttl: 60 },
        { name: 'b.example.com', type: 'A', data: '10.0.0.9', ttl: 60 },
      ],
    })
    expect(shown(await until(settled))).toBe('10.0.0.9')
  })

  it('a truncated answer is asked for again over TCP', async () => {
    const addresses = Array.from({ length: 100 }, (_, index) => `10.0.1.${index + 1}`)
    server.reply(DB, 'A', { truncated: true, answers: addresses.map((data) => ({ name: DB, type: 'A', data, ttl: 60 })) })
    const name = await until(settled)
    expect(name.addresses).toHaveLength(100)
    expect(server.asked.filter(({ over, type }) => over === 'tcp' && type === 'A')).toHaveLength(1)
  })

  it.each([
    ['0', 0],
    ['2^31', 2 ** 31],
    ['2^32 - 1', 2 ** 32 - 1],
  ])('a TTL of %s neither storms nor sleeps for ever', async (_, ttl) => {
    server.addresses(DB, ['10.0.0.1'], ttl)
    await until(settled)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const asked = server.questions(DB)
    if (ttl === 0) expect(asked).toBeGreaterThanOrEqual(5)
    // The floor of this test is 100 ms.
    expect(asked).toBeLessThanOrEqual(12)
  })

  it('a slow server is waited for', async () => {
    server.reply(DB, 'A', { delayMs: 1_000, answers: [{ name: DB, type: 'A', data: '10.0.0.1', ttl: 60 }] })
    server.reply(DB, 'AAAA', { delayMs: 1_000 })
    const since = performance.now()
    expect(shown(await until(settled))).toBe('10.0.0.1')
    expect(performance.now() - since).toBeLessThan(1_500)
  })

  it('a server that is silent is asked twice, two seconds each', async () => {
    server.fail(DB, { silent: true })
    const since = performance.now()
    expect((await until(settled)).failure).toContain('ETIMEOUT')
    expect(performance.now() - since).toBeGreaterThan(3_900)
    expect(performance.now() - since).toBeLessThan(4_500)
    expect(server.questions(DB)).toBe(2)
  })

  it('many who follow one name are one question', async () => {
    server.reply(DB, 'A', { delayMs: 100, answers: [{ name: DB, type: 'A', data: '10.0.0.1', ttl: 60 }] })
    await Promise.all(Array.from({ length: 50 }, () => until(settled)))
    await Promise.all(Array.from({ length: 50 }, () => resolver.lookup(DB)))
    expect(server.questions(DB)).toBe(1)
  })

  it('a look-up remembers, and many at once are one question', async () => {
    server.addresses('once.example.com', ['10.0.0.1'], 60)
    await Promise.all(Array.from({ length: 50 }, () => resolver.lookup('once.example.com')))
    expect(await resolver.lookup('once.example.com')).toEqual(['10.0.0.1'])
    expect(server.questions('once.example.com')).toBe(1)
    await expect(resolver.lookup('never.example.com')).rejects.toThrow('the name does not exist')
    server.addresses('meta.example.com', ['169.254.169.254'])
    await expect(resolver.lookup('meta.example.com')).rejects.toThrow('metadata')
  })

  it('SRV: ranks, weights, ports, and every address of every target', async () => {
    const name = '_http._tcp.orders.example.com'
    const record = (target: string, port: number, priority: number, weight: number) =>
      ({ name, type: 'SRV', ttl: 60, data: { target, port, priority, weight } }) as const
    server.addresses('a.example.com', ['10.0.0.1', 'fd00::1'])
    server.addresses('b.example.com', ['10.0.0.2'])
    server.reply(name, 'SRV', {
      answers: [record('a.example.com', 81, 10, 3), record('b.example.com', 82, 20, 0), record('gone.example.com', 83, 10, 1)],
    })
    const { addresses } = await until(settled, name, 'srv')
    expect(addresses.map(({ address, port, priority, weight }) => [address, port, priority, weight])).toEqual([
      ['10.0.0.1', 81, 0, 1_000],
      ...(addresses.length === 3 ? [['fd00::1', 81, 0, 1_000]] : []),
      ['10.0.0.2', 82, 1, 1],
    ])
  })

  it('SRV: the target "." says that there is nothing', async () => {
    const name = '_http._tcp.none.example.com'
    server.reply(name, 'SRV', { answers: [{ name, type: 'SRV', ttl: 60, data: { target: '.', port: 0, priority: 0, weight: 0 } }] })
    expect((await until(settled, name, 'srv')).failure).toContain('not offered')
  })

  it('the hosts file answers without a question, and is read again when it changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hosts-'))
    const hostsFile = join(folder, 'hosts')
    const resolvConf = join(folder, 'resolv.conf')
    try {
      await writeFile(hostsFile, '10.0.0.7 db.internal db\n')
      await writeFile(resolvConf, 'search a.example example.com\noptions ndots:1\n')
      const lookup = new Lookup({ clock: systemClock, servers: [server.address], hostsFile, resolvConf })
      const of = async (name: string): Promise<string[]> =>
        (await lookup.addresses(name)).parts.flatMap(({ result }) => (result instanceof Error ? [] : result.map(({ address }) => address)))
      expect(await of('DB.internal.')).toEqual(['10.0.0.7'])
      expect(await of('localhost')).toEqual(['127.0.0.1', '::1'])
      expect(server.asked).toEqual([])
      await writeFile(hostsFile, '10.0.0.8 db.internal db\n10.0.0.9 db.internal\n')
      await expect.poll(() => of('db.internal'), { timeout: 3_000 }).toEqual(['10.0.0.8', '10.0.0.9'])
      // A short name goes through the search list; the first that exists counts.
      server.addresses(DB, ['10.0.0.1'])
      await writeFile(hostsFile, '')
      await expect.poll(() => of('db'), { timeout: 3_000 }).toEqual(['10.0.0.1'])
      expect(server.asked.filter(({ type }) => type === 'A').map(({ name }) => name)).toEqual(['db.a.example', 'db.example.com'])
      lookup.close()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('closed, it asks nothing more, not even for what waits its turn', async () => {
    for (let index = 0; index < 300; index++) {
      server.fail(`n${index}.example.com`, { silent: true })
      resolver.follow(`n${index}.example.com`, () => {})
    }
    await expect.poll(() => server.asked.length).toBe(200)
    resolver.close()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(server.asked).toHaveLength(200)
  })

  it('stands alone', async () => {
    server.addresses(DB, ['10.0.0.1'])
    const alone = createResolver({ servers: [server.address] })
    expect(await alone.lookup(DB)).toEqual(['10.0.0.1'])
    alone.close()
    server.fail(DB, { silent: true })
    const closing = createResolver({ servers: [server.address] })
    const asked = closing.lookup(DB)
    setTimeout(() => closing.close(), 50)
    await expect(asked).rejects.toThrow('ECANCELLED')
  })
})

import { describe, expect, it } from 'vitest'
import { isLocalhost, parseHosts } from '../../../src/discovery/dns/hosts-file.ts'
import { candidates, parseResolvConf } from '../../../src/discovery/dns/resolv-conf.ts'
import { rankPriorities, scaleWeights } from '../../../src/discovery/dns/srv.ts'
import { Turns } from '../../../src/discovery/dns/turns.ts'

describe('the hosts file', () => {
  it.each([
    ['127.0.0.1 localhost', 'localhost', ['127.0.0.1']],
    ['10.0.0.1\tDB.Internal db # the database', 'db.internal', ['10.0.0.1']],
    ['10.0.0.1 db\n10.0.0.2 db\n::1 db\n10.0.0.1 db', 'db', ['10.0.0.1', '10.0.0.2', '::1']],
    ['# 10.0.0.1 db', 'db', undefined],
    ['fe80::1%lo0 db', 'db', undefined],
    ['nonsense db\n10.0.0.300 db', 'db', undefined],
    ['10.0.0.1 db.\r', 'db', ['10.0.0.1']],
    ['10.0.0.1 __proto__', '__proto__', ['10.0.0.1']],
  ])('%j has %s at %j', (text, name, addresses) => expect(parseHosts(text).get(name)).toEqual(addresses))

  it.each([
    ['localhost', true],
    ['shop.localhost', true],
    ['localhost.example.com', false],
    ['notlocalhost', false],
  ])('%s is this machine: %s', (name, is) => expect(isLocalhost(name)).toBe(is))
})

describe('resolv.conf', () => {
  it.each([
    ['', 'db', ['db']],
    ['search a.example b.example', 'db', ['db.a.example', 'db.b.example', 'db']],
    ['search a.example', 'db.prod', ['db.prod', 'db.prod.a.example']],
    ['search a.example\noptions ndots:5 timeout:1', 'db.prod.svc', ['db.prod.svc.a.example', 'db.prod.svc']],
    ['search a.example', 'db.', ['db']],
    ['domain a.example', 'db', ['db.a.example', 'db']],
    ['domain a.example\nsearch b.example # later', 'db', ['db.b.example', 'db']],
    ['search .', 'db', ['db']],
    ['options ndots:999\nsearch a.example', 'a.b.c', ['a.b.c.a.example', 'a.b.c']],
  ])('%j makes %s mean %j', (text, name, names) => expect(candidates(name, parseResolvConf(text))).toEqual(names))
})

it('turns: so many at once, the others in order, failures as well', async () => {
  const turns = new Turns(2)
  const order: number[] = []
  let running = 0
  let most = 0
  const task = async (index: number): Promise<void> => {
    most = Math.max(most, ++running)
    order.push(index)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    if (index % 2 === 0) throw new Error('fails')
  }
  const ended = await Promise.allSettled(Array.from({ length: 9 }, (_, index) => turns.run(() => task(index))))
  expect(most).toBe(2)
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(5)
})

describe('SRV records', () => {
  const of = (...pairs: [priority: number, weight: number][]) => pairs.map(([priority, weight]) => ({ priority, weight }))

  it.each([
    [of([10, 1], [20, 1], [10, 1]), [0, 1, 0]],
    [of([65_535, 1], [0, 1]), [1, 0]],
    [of([5, 1]), [0]],
  ])('priorities of %j are %j', (records, ranks) => {
    const rank = rankPriorities(records)
    expect(records.map(({ priority }) => rank(priority))).toEqual(ranks)
  })

  it.each([
    [of([0, 1], [0, 3]), [1, 3]],
    [of([0, 0], [0, 0]), [1, 1]],
    [of([0, 0], [0, 10]), [1, 1_000]],
    [of([0, 65_535], [0, 32_768]), [1_000, 500]],
    [of([0, 65_535], [0, 1]), [1_000, 1]],
  ])('weights of %j are %j', (records, weights) => {
    const weigh = scaleWeights(records)
    expect(records.map(({ weight }) => weigh(weight))).toEqual(weights)
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { HashPolicy, loadXxHash64, type XxHash64 } from '../../../src/balancing/index.ts'
import type { Call } from '../../../src/core/call.ts'
import { seededRandom } from '../../../src/core/random.ts'
import type { HashRule } from '../../../src/model/balancing.ts'
import { callOf } from '../../support/sample.ts'

let hash: XxHash64
beforeAll(async () => {
  hash = await loadXxHash64()
})

const MASK = 2n ** 64n - 1n
const xxh = (text: string): bigint => {
  hash.hash(text)
  return (BigInt(hash.hi) << 32n) | BigInt(hash.lo)
}
const rotl1 = (value: bigint): bigint => ((value << 1n) | (value >> 63n)) & MASK

function request(headers: Record<string, string | string[]>, path = '/'): Call {
  const headerValues = (name: string): string[] => [headers[name] ?? []].flat()
  return callOf({ tries: 0, path, headerValues, header: (name) => headerValues(name)[0] })
}

const rule = (what: Omit<HashRule, 'terminal'>, terminal = false): HashRule => ({ ...what, terminal })

function hashed(rules: readonly HashRule[], call: Call, random = seededRandom(1)): bigint {
  const { hi, lo } = new HashPolicy(hash, rules, random, 'web#1').affinityOf(call)
  return (BigInt(hi) << 32n) | BigInt(lo)
}

const user = rule({ header: 'x-user' })
const team = rule({ header: 'x-team' })

describe('what a call is hashed by', () => {
  it('one thing of a request', () => {
    expect(hashed([user], request({ 'x-user': 'ada' }))).toBe(xxh('ada'))
    expect(hashed([rule({ query: 'q' })], request({}, '/a?p=1&q=x%20y&q=z#q=no'))).toBe(xxh('x%20y'))
    expect(hashed([rule({ query: 'q' })], request({}, '/a?q'))).toBe(xxh(''))
    expect(hashed([rule({ source: true })], request({}))).toBe(xxh('web#1'))
    const cookie = rule({ cookie: { name: 'id' } })
    for (const written of ['id=7', 'a=b; id=7', 'xid=1; id="7"; id=8', ' id = 7 '])
      expect(hashed([cookie], request({ cookie: written }))).toBe(xxh('7'))
    expect(hashed([cookie], request({ cookie: ['a=b', 'id=7'] }))).toBe(xxh('7'))
  })

  it('several things, each turned by one bit before the next', () => {
    const call = (): Call => request({ 'x-user': 'ada', 'x-team': 'core' })
    expect(hashed([user, team], call())).toBe(rotl1(xxh('ada')) ^ xxh('core'))
    expect(hashed([team, user], call())).toBe(rotl1(xxh('core')) ^ xxh('ada'))
    // The same thing twice does not cancel itself out.
    expect(hashed([user, user], call())).toBe(rotl1(xxh('ada')) ^ xxh('ada'))
    expect(hashed([user, rule({ header: 'x-none' }), team], call())).toBe(rotl1(xxh('ada')) ^ xxh('core'))
  })

  it('a terminal one that is there ends it, one that is missing only when something was found', () => {
    const both = (): Call => request({ 'x-user': 'ada', 'x-team': 'core' })
    expect(hashed([rule({ header: 'x-user' }, true), team], both())).toBe(xxh('ada'))
    expect(hashed([rule({ header: 'x-none' }, true), team], both())).toBe(xxh('core'))
    // As Envoy has it: a terminal policy ends the list as soon as there is any hash.
    expect(hashed([user, rule({ header: 'x-none' }, true), team], both())).toBe(xxh('ada'))
  })

  it('the values of a header in their order, each seeded with the one before', () => {
    expect(hashed([user], request({ 'x-user': ['b', 'a'] }))).toBe(hashed([user], request({ 'x-user': ['a', 'b'] })))
    hash.hash('b', xxh('a'))
    const expected = (BigInt(hash.hi) << 32n) | BigInt(hash.lo)
    expect(hashed([user], request({ 'x-user': ['b', 'a'] }))).toBe(expected)
  })

  it('nothing found: random', () => {
    const random = seededRandom(1)
    const found = new Set(Array.from({ length: 100 }, () => hashed([user], request({}), random)))
    expect(found.size).toBe(100)
    for (const value of found) expect(value).toBeLessThanOrEqual(MASK)
  })

  it("the call's own key goes before everything", () => {
    const call = { ...request({ 'x-user': 'ada' }), hashKey: 'own' }
    expect(hashed([user], call)).toBe(xxh('own'))
  })

  it('is worked out once per call', () => {
    const policy = new HashPolicy(hash, [], seededRandom(1), '')
    const call = request({})
    expect(policy.affinityOf(call)).toBe(policy.affinityOf(call))
    expect(policy.affinityOf(request({}))).not.toEqual(policy.affinityOf(call))
  })

  it('a cookie that is missing is given, and hashes to the same from then on', () => {
    const rules = [rule({ cookie: { name: 'id', ttlMs: 3_600_000, path: '/shop' } })]
    const policy = new HashPolicy(hash, rules, seededRandom(1), '')
    const { cookies, hi, lo } = policy.affinityOf(request({}))
    expect(cookies).toEqual([expect.stringMatching(/^id=[0-9a-f]{16}; Max-Age=3600; Path=\/shop; HttpOnly$/)])
    const again = policy.affinityOf(request({ cookie: cookies[0]?.split(';')[0] ?? '' }))
    expect(again).toEqual({ hi, lo, random: false, cookies: [] })
    // Without a time to live none is given, and 0 is as long as the browser lives.
    expect(new HashPolicy(hash, [rule({ cookie: { name: 'id' } })], Math.random, '').affinityOf(request({})).cookies).toEqual([])
    const [brief] = new HashPolicy(hash, [rule({ cookie: { name: 'id', ttlMs: 0 } })], Math.random, '').affinityOf(request({})).cookies
    expect(brief).toMatch(/^id=[0-9a-f]{16}; HttpOnly$/)
  })
})

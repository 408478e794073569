import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import type { InboundRateLimitOptions, RateLimitHeaderOptions } from '../../../src/model/inbound-limits.ts'
import { cookieOf } from '../../../src/resilience/limit-key.ts'
import { LocalRateLimits } from '../../../src/resilience/local-rate-limits.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { type InboundCallOptions, inboundCall } from '../../support/inbound-call.ts'

const parsed = (rateLimits: InboundRateLimitOptions[], rateLimitHeaders: RateLimitHeaderOptions = {}) =>
  parseMeshOptions({ inbound: { rateLimits, rateLimitHeaders } }).inbound

function limitsOf(rateLimits: InboundRateLimitOptions[], headers: RateLimitHeaderOptions = {}, clock = new VirtualClock()) {
  const settings = parsed(rateLimits, headers)
  const limits = new LocalRateLimits(settings.rateLimits, clock, settings.rateLimitHeaders)
  return {
    limits,
    clock,
    ask: (call: InboundCallOptions = {}) => limits.admit(inboundCall(call)),
    /** How many of these requests it takes. */
    taken: (call: InboundCallOptions = {}, tries = 20) =>
      Array.from({ length: tries }).filter(() => limits.admit(inboundCall(call)).refused !== true).length,
    push: (next: InboundRateLimitOptions[]) => limits.reconfigure(parsed(next).rateLimits),
  }
}

describe.each(['token-bucket', 'gcra'] as const)('a rate limit by %s', (algorithm) => {
  it('begins full, then gives its rate, and says when to come again', () => {
    const { ask, taken, clock } = limitsOf([{ name: 'all', requests: 10, burst: 3, algorithm }])
    expect(taken()).toBe(3)
    expect(ask()).toMatchObject({
      refused: true,
      code: 'MESH_RATE_LIMITED',
      status: 429,
      retryAfterMs: 100,
      reason: 'the rate limit all is used up: 10 in 1s, 3 at once',
      from: 'options/inbound#rateLimits.all',
    })
    clock.advance(100)
    expect(taken()).toBe(1)
  })

  it('a push refills nothing, with another algorithm neither', () => {
    const by: InboundRateLimitOptions['by'] = [{ header: 'x-tenant' }]
    const { taken, push, clock } = limitsOf([{ name: 'a', requests: 10, per: '1h', by, algorithm }])
    const ann = { headers: { 'x-tenant': 'ann' } }
    expect([taken(ann, 6), taken({}, 2)]).toEqual([6, 2])
    push([{ name: 'a', requests: 8, per: '1h', by, algorithm: algorithm === 'gcra' ? 'token-bucket' : 'gcra' }])
    clock.advance(1)
    expect([taken(ann), taken({})]).toEqual([2, 6])
  })

  it('an override that comes or goes keeps what was spent', () => {
    const by: InboundRateLimitOptions['by'] = [{ header: 'x-tenant' }]
    const { taken, push } = limitsOf([{ name: 'a', requests: 4, per: '1h', by, algorithm }])
    const gold = { headers: { 'x-tenant': 'gold' } }
    expect(taken(gold, 3)).toBe(3)
    push([{ name: 'a', requests: 4, per: '1h', by, algorithm, overrides: [{ values: { 'x-tenant': 'gold' }, requests: 10, per: '1h' }] }])
    expect(taken(gold, 5)).toBe(5)
    push([{ name: 'a', requests: 9, per: '1h', by, algorithm }])
    expect(taken(gold)).toBe(1)
  })
})

describe('whom a limit counts apart', () => {
  const x = (value: string | string[]) => ({ headers: { 'x-tenant': value } })
  it.each<[string, InboundRateLimitOptions['by'], InboundCallOptions, other: InboundCallOptions, apart: boolean]>([
    ['nobody', undefined, { path: '/a' }, { path: '/b' }, false],
    ['a header', [{ header: 'X-Tenant' }], x('a'), x('b'), true],
    ['a header, and none', [{ header: 'x-tenant' }], x('a'), {}, true],
    ['no header', [{ header: 'x-tenant' }], {}, { path: '/b' }, false],
    ['an empty header is one', [{ header: 'x-tenant' }], x(''), {}, true],
    ['long values by what they begin with', [{ header: 'x-tenant' }], x(`${'a'.repeat(256)}1`), x(`${'a'.repeat(256)}2`), false],
    ['a cookie', [{ cookie: 'id' }], { headers: { cookie: 'x=1; id=7' } }, { headers: { cookie: 'id=8' } }, true],
    ['the same cookie', [{ cookie: 'id' }], { headers: { cookie: 'x=1; id=7; y=2' } }, { headers: { cookie: 'id=7' } }, false],
    ['paths', ['path'], { path: '/a?1' }, { path: '/b' }, true],
    ['paths without query', ['path'], { path: '/a?1' }, { path: '/a?2' }, false],
    ['methods', ['method'], { method: 'GET' }, { method: 'POST' }, true],
    ['identities', ['principal'], { principal: 'spiffe://a/ns/x/sa/y' }, { principal: 'spiffe://a/ns/x/sa/z' }, true],
    ['addresses', ['address'], { peerAddress: '10.0.0.1' }, { peerAddress: '10.0.0.2' }, true],
    ['clients behind one proxy', ['address'], { remoteAddress: '10.0.0.1' }, { remoteAddress: '10.0.0.2' }, true],
    ['IPv4 as it may be written', ['address'], { peerAddress: '10.0.0.1' }, { peerAddress: '::ffff:10.0.0.1' }, false],
    ['IPv6 of one network', ['address'], { peerAddress: '2001:db8::1' }, { peerAddress: '2001:db8::ffff:2' }, false],
    ['IPv6 of two', ['address'], { peerAddress: '2001:db8:0:1::1' }, { peerAddress: '2001:db8:0:2::1' }, true],
    [
      'two that look like one',
      [{ header: 'a' }, { header: 'b' }],
      { headers: { a: '1:1', b: '' } },
      { headers: { a: '', b: '1:1' } },
      true,
    ],
    ['one of two is missing', [{ header: 'a' }, { header: 'b' }], { headers: { a: '1' } }, { headers: { b: '1' } }, true],
  ])('%s', (_, by, call, other, apart) => {
    const { taken } = limitsOf([{ name: 'each', requests: 1, per: '1h', ...(by === undefined ? {} : { by }) }])
    expect([taken(call, 2), taken(other, 2)]).toEqual([1, apart ? 1 : 0])
  })

  it('the subject of a token', () => {
    const { taken } = limitsOf([{ name: 'each', requests: 1, per: '1h', by: ['request-principal'] }])
    const subject = (name: string) => ({ requestPrincipal: { id: `i/${name}`, issuer: 'i', subject: name, claims: {} } })
    expect([taken(subject('a')), taken(subject('b')), taken(subject('a'))]).toEqual([1, 1, 0])
  })

  it('routes: the longest of the paths that are written', () => {
    const { taken } = limitsOf([{ name: 'each', requests: 1, per: '1h', by: ['route'], match: { paths: ['/api', '/api/v2', '/'] } }])
    const paths = ['/api/v2/x', '/api/v2', '/api/v22', '/api', '/apis', '/']
    expect(paths.map((path) => taken({ path }, 2))).toEqual([1, 0, 1, 0, 1, 0])
  })

  it('remembers 10,000 values at most, and forgets those that were quiet longest', () => {
    const { taken, limits } = limitsOf([{ name: 'each', requests: 1, per: '1h', by: [{ header: 'x-tenant' }] }])
    taken(x('first'), 1)
    for (let tenant = 0; tenant < 10_000; tenant++) taken(x(`t${tenant}`), 1)
    expect([taken(x('t9999'), 1), taken(x('first'), 1), limits.stats().limits['each']?.keys]).toEqual([0, 1, 10_000])
  })
})

describe('which requests a limit is for', () => {
  it.each<[InboundRateLimitOptions['match'], InboundCallOptions, is: boolean]>([
    [{}, {}, true],
    [{ paths: ['/admin'] }, { path: '/admin/x' }, true],
    [{ paths: ['/admin'] }, { path: '/administrator' }, false],
    [{ paths: ['/Login'] }, { path: '/LOGIN', loosePathname: '/login' }, true],
    [{ paths: ['/login'] }, { path: '/LOGIN' }, false],
    [{ methods: ['post'] }, { method: 'POST' }, true],
    [{ methods: ['POST'] }, { method: 'GET' }, false],
    [{ hosts: ['shop', '*.example.com'] }, { hostname: 'a.example.com' }, true],
    [{ hosts: ['*.example.com'] }, { hostname: 'example.com' }, false],
    [{ hosts: ['*.example.com'] }, { hostname: '.example.com' }, false],
    [{ hosts: ['Shop.'] }, { hostname: 'shop' }, true],
    [{ principals: ['spiffe://a/*'] }, { principal: 'spiffe://a/ns/x/sa/y' }, true],
    [{ principals: ['spiffe://a/*'] }, { principal: 'spiffe://ab/ns/x/sa/y' }, false],
    [{ principals: ['*'] }, {}, false],
    [{ paths: ['/a'], methods: ['POST'] }, { path: '/a', method: 'GET' }, false],
  ])('%j: %j %s', (match, call, is) => {
    const { taken } = limitsOf([{ name: 'each', requests: 1, per: '1h', ...(match === undefined ? {} : { match }) }])
    expect(taken(call, 5)).toBe(is ? 1 : 5)
  })
})

describe('several limits', () => {
  it('all that match are charged; one that refuses lets nobody be charged; the strictest is named', () => {
    const { taken, ask, limits, clock } = limitsOf([
      { name: 'wide', requests: 100, per: '1h' },
      { name: 'narrow', requests: 2, per: '1h', by: ['address'] },
      { name: 'narrower', requests: 1, per: '1h', match: { paths: ['/a'] } },
    ])
    expect([taken({ path: '/a' }, 2), taken({ path: '/b' }, 9)]).toEqual([1, 1])
    expect(ask({ path: '/a' })).toMatchObject({ reason: 'the rate limit narrower is used up: 1 in 1h, 1 at once' })
    expect(taken({ peerAddress: '10.0.0.9' })).toBe(2)
    expect(limits.stats()).toEqual({
      allowed: 4,
      refused: 28,
      limits: {
        wide: { allowed: 4, refused: 0, dryRunRefused: 0, keys: 0 },
        narrow: { allowed: 4, refused: 27, dryRunRefused: 0, keys: 2 },
        narrower: { allowed: 1, refused: 2, dryRunRefused: 0, keys: 0 },
      },
    })
    // Whoever waits as long as is said finds room in all of them.
    const refusal = ask({ path: '/a' })
    clock.advance(refusal.refused === true ? (refusal.retryAfterMs ?? 0) : 0)
    expect(ask({ path: '/a' }).refused).not.toBe(true)
  })

  it('one that is only tried refuses nobody, and counts', () => {
    const { taken, limits } = limitsOf([
      { name: 'tried', requests: 2, per: '1h', dryRun: true },
      { name: 'real', requests: 5, per: '1h' },
    ])
    expect(taken({}, 10)).toBe(5)
    expect(limits.stats().limits).toMatchObject({ tried: { allowed: 2, refused: 0, dryRunRefused: 8 }, real: { allowed: 5, refused: 5 } })
  })

  it('the override that names most holds', () => {
    const { taken } = limitsOf([
      {
        name: 'each',
        requests: 1,
        per: '1h',
        by: [{ header: 'x-tenant' }, 'method', 'address'],
        overrides: [
          { values: { 'x-tenant': 'gold' }, requests: 3, per: '1h' },
          { values: { 'x-tenant': 'gold', method: 'POST' }, requests: 2, per: '1h' },
          { values: { address: '2001:db8::1' }, requests: 4, per: '1h' },
        ],
      },
    ])
    const call = (tenant: string, method: string, peerAddress = '10.0.0.1') => ({ headers: { 'x-tenant': tenant }, method, peerAddress })
    const asked = [
      call('tin', 'GET'),
      call('gold', 'GET'),
      call('gold', 'POST'),
      call('gold', 'GET', '10.0.0.2'),
      call('tin', 'GET', '2001:db8::2'),
    ]
    expect(asked.map((each) => taken(each))).toEqual([1, 3, 2, 3, 4])
  })

  it('a push keeps limits by their name, in any order', () => {
    const a: InboundRateLimitOptions = { name: 'a', requests: 3, per: '1h' }
    const b: InboundRateLimitOptions = { name: 'b', requests: 5, per: '1h' }
    const { taken, push, limits } = limitsOf([a, b])
    expect(taken({}, 2)).toBe(2)
    push([b, a])
    expect(taken()).toBe(1)
    push([b])
    expect(taken()).toBe(2)
    push([b, a])
    expect([taken(), Object.keys(limits.stats().limits)]).toEqual([0, ['b', 'a']])
  })
})

describe('what answers say', () => {
  const RATES: InboundRateLimitOptions[] = [
    { name: 'day', requests: 100, per: '24h' },
    { name: 'say "so"', requests: 10, per: '10s', burst: 2 },
  ]

  it('refusals by default: policies, what is left, when to come again', () => {
    const { ask, taken } = limitsOf(RATES)
    expect(ask()).not.toHaveProperty('answerHeaders')
    taken()
    expect(ask()).toMatchObject({
      retryAfterMs: 1_000,
      headers: [
        ['RateLimit-Policy', '"day";q=100;w=86400, "say \\"so\\"";q=10;w=10'],
        ['RateLimit', '"day";r=98;t=1728, "say \\"so\\"";r=0;t=1'],
      ],
    })
  })

  it('all answers on demand, and in the older form', () => {
    const { ask } = limitsOf(RATES, { answers: true, legacy: true, refusals: false })
    expect(ask()).toMatchObject({
      answerHeaders: [
        ['RateLimit-Limit', '10'],
        ['RateLimit-Remaining', '1'],
        ['RateLimit-Reset', '1'],
      ],
    })
    ask()
    expect(ask()).toMatchObject({ refused: true, headers: undefined })
  })

  it('nothing of limits that are only tried or not for the request', () => {
    const { ask } = limitsOf(
      [
        { name: 'tried', requests: 1, dryRun: true },
        { name: 'other', requests: 1, match: { paths: ['/x'] } },
      ],
      { answers: true },
    )
    expect(ask()).toMatchObject({ answerHeaders: [] })
  })

  it.each([
    [{ requests: 5, per: '100ms' }, 'q=50;w=1'],
    [{ requests: 1, per: '1500ms' }, 'q=1;w=2'],
    [{ requests: 300, per: '1m' }, 'q=300;w=60'],
  ])('%j in whole seconds: %s', (rate, policy) => {
    const { ask } = limitsOf([{ name: 'a', ...rate }], { answers: true })
    expect(ask()).toMatchObject({
      answerHeaders: [
        ['RateLimit-Policy', `"a";${policy}`],
        ['RateLimit', expect.any(String)],
      ],
    })
  })
})

describe('a cookie', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['id=1', '1'],
    ['a=b; id=1; c=d', '1'],
    ['a=b;id=1 ;c=d', '1'],
    ['xid=1', undefined],
    ['idx=1', undefined],
    ['id', undefined],
    ['id=', ''],
    ['id=1; id=2', '1'],
    ['a=id=3; id=4', '4'],
    [';;; id=5', '5'],
  ])('of %j is %j', (header, value) => expect(cookieOf(header, 'id')).toBe(value))
})

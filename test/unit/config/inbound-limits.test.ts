import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { DEFAULT_RATE_LIMIT_HEADERS, DEFAULT_SHEDDING } from '../../../src/model/inbound-limits.ts'

const parsed = (inbound: unknown) => parseMeshOptions({ inbound }).inbound

function problemsOf(inbound: unknown): string[] {
  try {
    parsed(inbound)
    return []
  } catch (error) {
    return (error as { cause: { problems: string[] } }).cause.problems
  }
}

describe('inbound.rateLimits', () => {
  it('are checked, and written out', () => {
    expect(parsed({}).rateLimits).toEqual([])
    expect(
      parsed({
        rateLimits: [
          {
            name: 'api',
            match: { paths: ['/api/../v1'], methods: ['post'], hosts: ['Shop.'], principals: ['spiffe://a/*'] },
            by: ['route', { header: 'X-Tenant' }, { cookie: 'Id' }, 'address'],
            requests: 5,
            per: '1m',
            burst: 9,
            algorithm: 'gcra',
            dryRun: true,
            overrides: [{ values: { address: '2001:DB8::1', 'x-tenant': 'gold' }, requests: 7 }],
          },
          { name: 'all', requests: 1 },
        ],
      }).rateLimits,
    ).toEqual([
      {
        name: 'api',
        match: { paths: ['/v1'], methods: ['POST'], hosts: ['shop'], principals: ['spiffe://a/*'] },
        by: [
          { kind: 'route', label: 'route', name: '' },
          { kind: 'header', label: 'x-tenant', name: 'x-tenant' },
          { kind: 'cookie', label: 'cookie:Id', name: 'Id' },
          { kind: 'address', label: 'address', name: '' },
        ],
        requests: 5,
        perMs: 60_000,
        burst: 9,
        algorithm: 'gcra',
        dryRun: true,
        overrides: [
          {
            requests: 7,
            values: new Map([
              ['address', '2001:db8:0:0::/64'],
              ['x-tenant', 'gold'],
            ]),
          },
        ],
      },
      { name: 'all', match: {}, by: [], requests: 1, algorithm: 'token-bucket', dryRun: false, overrides: [] },
    ])
  })

  const limit = (change: object) => ({ rateLimits: [{ name: 'a', requests: 1, ...change }] })
  it.each<[unknown, ...string[]]>([
    [{ rateLimits: {} }, 'inbound.rateLimits: expected a list of rate limits, got an object'],
    [limit({ requests: 0, per: '0s' }), 'requests: expected an integer from 1', 'per: expected a duration above 0'],
    [limit({ name: 'ä' }), 'name: expected 1 to 100 printable ASCII characters'],
    [{ rateLimits: [...limit({}).rateLimits, ...limit({}).rateLimits] }, '[1].name: a is already the name of number 0'],
    [limit({ by: ['tenant'] }), 'by[0]: expected route, path, method, principal, request-principal, address, got "tenant"'],
    [limit({ by: [{ header: 'a b' }] }), 'by[0].header: expected the name of a header'],
    [limit({ by: [{ header: 'a', cookie: 'b' }] }), 'by[0].header: unknown key'],
    [limit({ by: [{}] }), 'by[0].header: expected the name of a header, got undefined'],
    [limit({ by: ['path', 'path'] }), 'by[1]: path is there twice'],
    [limit({ by: ['route'] }), 'by: route is the one of match.paths that a request lies below, and there are none'],
    [limit({ match: { paths: [] } }), 'match.paths: expected at least one'],
    [limit({ match: { path: ['/a'] } }), 'match.path: unknown key, did you mean "paths"?'],
    [limit({ match: { principals: ['*/x'] } }), 'match.principals[0]: expected an identity'],
    [limit({ match: { hosts: ['a*'] } }), 'match.hosts[0]: expected a host'],
    [limit({ algorithm: 'leaky' }), 'algorithm: expected token-bucket, gcra, got "leaky"'],
    [limit({ overrides: [{ values: {}, requests: 1 }] }), 'overrides[0].values: expected at least one'],
    [limit({ by: ['method'], overrides: [{ values: { path: '/' }, requests: 1 }] }), 'values.path: expected one of by: method'],
    [
      limit({
        by: ['method'],
        overrides: [
          { values: { method: 'GET' }, requests: 1 },
          { values: { method: 'GET' }, requests: 2 },
        ],
      }),
      'overrides[1].values: the same values are there before',
    ],
    [{ rateLimits: Array.from({ length: 101 }, (_, n) => ({ name: `n${n}`, requests: 1 })) }, 'inbound.rateLimits: expected at most 100'],
    [{ rateLimitHeaders: { answer: true } }, 'inbound.rateLimitHeaders.answer: unknown key, did you mean "answers"?'],
    [{ rateLimitHeaders: { legacy: 1 } }, 'legacy: expected a boolean, got 1'],
  ])('%j is refused', (inbound, ...expected) => {
    const problems = problemsOf(inbound)
    expect(problems).toHaveLength(expected.length)
    for (const [at, text] of expected.entries()) expect(problems[at]).toContain(text)
  })

  it('headers have defaults', () => {
    expect(parsed({}).rateLimitHeaders).toEqual(DEFAULT_RATE_LIMIT_HEADERS)
    expect(parsed({ rateLimitHeaders: { answers: true } }).rateLimitHeaders).toEqual({ refusals: true, answers: true, legacy: false })
  })
})

describe('inbound.shedding', () => {
  it.each<[unknown, unknown]>([
    [undefined, false],
    [false, false],
    [true, DEFAULT_SHEDDING],
    [{}, DEFAULT_SHEDDING],
    [
      {
        maxLoopDelay: '20ms',
        maxUtilisationPercent: 95,
        maxInflight: 9,
        priorityHeader: 'X-P',
        exemptPaths: [],
        retryAfter: 500,
        closeConnections: true,
      },
      {
        maxLoopDelayMs: 20,
        maxUtilisationPercent: 95,
        maxInflight: 9,
        priorityHeader: 'x-p',
        exemptPaths: [],
        retryAfterMs: 500,
        closeConnections: true,
      },
    ],
  ])('%j is %j', (shedding, settings) => expect(parsed({ shedding }).shedding).toEqual(settings))

  it.each<[unknown, string]>([
    ['on', 'inbound.shedding: expected an object, got "on"'],
    [{ maxLoopDelay: 0 }, 'maxLoopDelay: expected a duration above 0'],
    [{ maxUtilisationPercent: 0.95 }, 'did you mean 95?'],
    [{ maxUtilisationPercent: 40 }, 'maxUtilisationPercent: expected a percentage from 50 to 100, got 40'],
    [{ maxInflight: 0 }, 'maxInflight: expected an integer from 1'],
    [{ exemptPaths: ['healthz'] }, 'exemptPaths[0]: expected a path that begins with /'],
  ])('%j is refused', (shedding, text) => {
    const problems = problemsOf({ shedding })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(text)
  })
})

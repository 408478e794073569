import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { ERRORS } from '../../../src/core/errors.ts'
import { createMesh, type MeshError, type ServiceOptions, type TrafficPolicyOptions } from '../../../src/index.ts'
import type { Source } from '../../../src/model/source.ts'

function problemsOf(options: unknown): string[] {
  try {
    parseMeshOptions(options)
    return []
  } catch (error) {
    return (error as MeshError).reason.split('\n').filter((line) => !/^\d+ problems$/.test(line))
  }
}

const COUNT = 'expected an integer from 1 to 1000000000'

describe('bad sections', () => {
  it.each<[section: object, problems: string[]]>([
    [
      { limits: { maxConnections: 0, maxRequest: 1 } },
      [`limits.maxRequest: unknown key, did you mean "maxRequests"?`, `limits.maxConnections: ${COUNT}, got 0`],
    ],
    [
      { limits: { perEndpoint: { maxRequests: 0.5, maxPending: 1 } } },
      [`limits.perEndpoint.maxPending: unknown key`, `limits.perEndpoint.maxRequests: ${COUNT}, got 0.5`],
    ],
    [{ rateLimit: { per: '1s' } }, [`rateLimit.requests: ${COUNT}, got undefined`]],
    [
      { rateLimit: { requests: 1, per: 0, key: 'a b' } },
      [
        "rateLimit.per: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got 0",
        'rateLimit.key: expected the name of a header, got "a b"',
      ],
    ],
    [
      { fault: { delay: { percent: 0.5 } } },
      [
        "fault.delay.duration: expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got undefined",
        'fault.delay.percent: expected a percentage from 0 to 100, got 0.5; did you mean 50?',
      ],
    ],
    [{ fault: { abort: {} } }, ['fault.abort: expected either status or code']],
    [{ fault: { abort: { status: 503, code: 'MESH_FAULT' } } }, ['fault.abort: expected either status or code']],
    [
      { fault: { abort: { status: 101, header: { value: 'x' } } } },
      [
        'fault.abort.status: expected an integer from 200 to 599, got 101',
        'fault.abort.header.name: expected the name of a header, got undefined',
        'fault.abort: expected either status or code',
      ],
    ],
    [{ fallback: {} }, ['fallback.respond: expected an object, got undefined']],
    [
      { fallback: { respond: { status: 600, headers: { 'a b': 'c', d: 'e\r\nf: g' }, body: 1 } } },
      [
        'fallback.respond.status: expected an integer from 200 to 599, got 600',
        'fallback.respond.headers["a b"]: name: expected the name of a header, got "a b"',
        'fallback.respond.headers.d: expected the value of a header, one line of Latin-1, got text',
        'fallback.respond.body: expected text or bytes, got 1',
      ],
    ],
    [
      { fallback: { on: ['4xx'], respond: () => ({}) } },
      [`fallback.on[0]: expected ${[...Object.keys(ERRORS), '5xx', 'gateway-error'].join(', ')}, got "4xx"`],
    ],
  ])('%j', (section, problems) => {
    const below = (prefix: string) => problems.map((problem) => `${prefix}.${problem}`)
    expect(problemsOf({ services: { orders: section } })).toEqual(below('services.orders'))
    expect(problemsOf({ defaults: section })).toEqual(below('defaults'))
  })
})

describe('bad policies', () => {
  it.each<[policies: unknown, problems: string[]]>([
    ['all', ['policies: expected a list of policies, got "all"']],
    [[{ action: 'deny' }], ['policies[0].name: expected text of 1 to 253 characters without control characters, got undefined']],
    [[{ name: 'a', action: 'drop' }], ['policies[0].action: expected continue, allow, deny, redirect, limit, got "drop"']],
    [[{ name: 'a', action: 'redirect' }], ['policies[0].redirectTo: expected with action redirect']],
    [
      [{ name: 'a', action: 'limit', redirectTo: 'b' }],
      ['policies[0].redirectTo: goes with action redirect, not with limit', 'policies[0].limit: expected with action limit'],
    ],
    [[{ name: 'a', action: 'deny', source: { principal: 'spiffe://x' } }], ['policies[0].source.principal: not available in this version']],
    [
      [{ name: 'a', action: 'deny', target: { paths: ['admin', '/a?b'], methods: [] } }],
      [
        'policies[0].target.methods: expected at least one',
        'policies[0].target.paths[0]: expected a path that begins with /, got "admin"',
        'policies[0].target.paths[1]: expected a path that begins with /, got "/a?b"',
      ],
    ],
    [
      [
        { name: 'a', action: 'deny' },
        { name: 'a', action: 'allow' },
      ],
      ['policies[1].name: a is already the name of number 0'],
    ],
  ])('%j', (policies, problems) => expect(problemsOf({ policies })).toEqual(problems))
})

describe('what is in force', () => {
  const inForce = (defaults: ServiceOptions, service: ServiceOptions) =>
    createMesh({ defaults, services: { orders: service } }).snapshot().services['default/orders']

  it('is off unless somebody wrote it', () => {
    expect(inForce({}, {})?.policy).toMatchObject({ limits: false, rateLimit: false, fault: false, fallback: false })
    expect(inForce({}, {})?.from['limits']).toMatchObject({ source: 'built-in' })
  })

  it('is merged field by field, and switched off with false', () => {
    const defaults: ServiceOptions = {
      limits: { maxRequests: 5, maxConnections: 7 },
      rateLimit: { requests: 3, per: '1m' },
      fault: { delay: { duration: '1s' } },
      fallback: { respond: { body: 'sorry' } },
    }
    const merged = inForce(defaults, { limits: { maxRequests: 9 }, rateLimit: false, fault: { abort: { status: 500 } } })
    expect(merged?.policy).toMatchObject({
      limits: { maxRequests: 9, maxConnections: 7 },
      rateLimit: false,
      fault: { delay: { durationMs: 1_000, percent: 100 }, abort: { status: 500, percent: 100 } },
      fallback: { respond: { status: 200, headers: {}, body: 'sorry' } },
    })
    expect(merged?.from['limits']).toMatchObject({ kind: 'traffic-policy', name: 'orders', section: 'limits' })
    expect(merged?.from['fallback']).toMatchObject({ kind: 'defaults' })
  })

  it('policies stand in the order in which they are asked, with who wrote them', () => {
    const policies: TrafficPolicyOptions[] = [
      { name: 'b', action: 'allow', target: { methods: ['get'], paths: ['//x/../a'] } },
      { name: 'a', action: 'deny' },
    ]
    expect(createMesh({ policies }).snapshot().policies).toEqual([
      {
        name: 'b',
        rule: { source: {}, target: { methods: ['GET'], paths: ['/a'] }, action: 'allow' },
        from: { source: 'options', kind: 'outbound-policy', namespace: 'default', name: 'b' },
      },
      expect.objectContaining({ name: 'a' }),
    ])
  })

  it('a policy that a source of somebody else writes badly is rejected, and the others apply', async () => {
    const rule = { source: {}, target: {}, action: 'deny' }
    const resource = (name: string, change: object) => ({ kind: 'outbound-policy', namespace: 'default', name, order: 0, rule, ...change })
    const source: Source = {
      name: 'mine',
      watch(sink) {
        const upserts = [resource('good', {}), resource('bad', { order: 'x', rule: { action: 'drop' } }), resource('none', { rule: null })]
        sink.update({ version: '1', upserts: upserts as never, removals: [], complete: true })
        return () => {}
      },
    }
    const mesh = createMesh({ sources: [source] })
    const rejected: unknown[] = []
    mesh.on('configRejected', ({ rejections }) => rejected.push(...rejections.map(({ problems }) => problems)))
    await mesh.ready()
    expect(rejected).toEqual([
      [
        'order: expected a whole number',
        'rule.source: expected an object',
        'rule.target: expected an object',
        'rule.action: expected an action',
      ],
      ['rule: expected an object'],
    ])
    expect(mesh.snapshot().policies.map(({ name }) => name)).toEqual(['good'])
    await mesh.close()
  })
})

import { describe, expect, it } from 'vitest'
import { canonicalPath } from '../../../../src/core/canonical-path.ts'
import type { AuthorizationNode, AuthorizationPolicyOptions } from '../../../../src/model/authorization.ts'
import type { InboundCall } from '../../../../src/model/inbound-call.ts'
import type { AuthorizationSnapshot } from '../../../../src/model/snapshot.ts'
import { Authorizer } from '../../../../src/security/authorization/authorizer.ts'
import { questionOf } from '../../../../src/security/authorization/question.ts'
import { foldPathname } from '../../../../src/security/canonical/pathname.ts'
import { inboundCall } from '../../../support/inbound-call.ts'

const WEB = 'spiffe://td/ns/default/sa/web'
const only = (name: string, ...paths: string[]): AuthorizationPolicyOptions => ({ name, rules: [{ to: [{ operation: { paths } }] }] })
const deny = (name: string, ...paths: string[]): AuthorizationPolicyOptions => ({ ...only(name, ...paths), action: 'deny' })
const inForce = (policy: AuthorizationPolicyOptions): AuthorizationSnapshot => ({
  name: policy.name,
  namespace: 'default',
  policy,
  from: { source: 'file', kind: 'authorization', namespace: 'default', name: policy.name },
})

/** So many rules that no index holds, that a decision is worth keeping. */
const MANY = Array.from({ length: 12 }, (_, index) => deny(`many-${index}`, `*never-${index}`))

/** A call that counts how often its headers are read. */
function counting(path: string): { call: InboundCall; reads: () => number } {
  let reads = 0
  const call = inboundCall({ path, principal: WEB })
  return { call: { ...call, values: () => [String(reads++ > -1)] }, reads: () => reads }
}

/** The same pattern as a condition of a tree. */
function treeFor(written: string): AuthorizationPolicyOptions {
  return { name: 'tree', permissions: [{ path: conditionOf(written) }], principals: [{ any: true }] }
}

function conditionOf(path: string): NonNullable<AuthorizationNode['path']> {
  if (path.includes('{*')) return { template: path }
  if (path.endsWith('*')) return { prefix: path.slice(0, -1) }
  return path.startsWith('*') ? { suffix: path.slice(1) } : { exact: path }
}

describe('the authorizer', () => {
  it('lets in with a permit, refuses with 403, a reason and the rule', () => {
    const authorizer = new Authorizer([deny('a', '/a'), deny('b', '/b', '/c')])
    expect(authorizer.admit(inboundCall()).refused).toBeUndefined()
    expect(authorizer.admit(inboundCall({ path: '/c' }))).toEqual({
      refused: true,
      code: 'MESH_FORBIDDEN',
      status: 403,
      reason: 'the policy b denies this request',
      from: 'options/authorization/default/b#rules[0]',
    })
  })

  it('says which policies it was that allow, when none allows this', () => {
    const ask = (...policies: AuthorizationPolicyOptions[]) => new Authorizer(policies).decide(inboundCall({ path: '/x' }))
    expect(ask(only('a', '/a'))).toMatchObject({ action: 'deny', rule: '', from: 'options/authorization/default/a' })
    expect(ask(only('a', '/a'), only('b', '/b'), deny('c', '/c')).from).toBe('options/authorization/default/a and 1 more')
  })

  it('names the first rule that matches, wherever the index has it', () => {
    const many = Array.from({ length: 20 }, (_, index) => deny(`exact-${index}`, `/p/${index}`))
    const ask = (...policies: AuthorizationPolicyOptions[]) => new Authorizer(policies).decide(inboundCall({ path: '/p/7' })).rule
    expect(ask(...many, deny('prefix', '/p*'))).toBe('exact-7')
    expect(ask(deny('prefix', '/p*'), ...many)).toBe('prefix')
    expect(ask(deny('suffix', '*7'), deny('prefix', '/p*'), ...many)).toBe('suffix')
  })

  it.each([
    ['/admin*', '/ADMIN', 'deny'],
    ['/Admin/*', '/admin/x', 'deny'],
    ['/admin', '/Admin/', 'deny'],
    ['/caf%C3%A9', '/CAF%c3%89', 'deny'],
    ['/a/{*}/b', '/A/x/B/', 'deny'],
    ['/a/{**}', '/A/x/y', 'deny'],
    ['*/secret', '/x/SECRET', 'deny'],
    ['/users/*', '/users', 'allow'],
    ['/users/*', '/USERS', 'allow'],
    ['/admin', '/administrator', 'allow'],
  ] as const)('of a loose application: %s is refused to %s: %s', (path, asked, action) => {
    const pathname = canonicalPath(asked)
    const call = inboundCall({ path: pathname, loosePathname: foldPathname(pathname) })
    expect(new Authorizer([deny('admin', path)]).decide(call).action).toBe(action)
    const tree: AuthorizationPolicyOptions = { ...treeFor(path), action: 'deny' }
    expect(new Authorizer([tree]).decide(call).action).toBe(action)
  })

  it.each([
    ['/public/*', '/public/', 'allow'],
    ['/public/*', '/public/x', 'allow'],
    ['/Public/*', '/Public/X/', 'allow'],
    ['/public/*', '/PUBLIC/x', 'deny'],
    ['/public', '/public/', 'deny'],
    ['/caf%C3%A9*', '/caf%C3%A9/x', 'allow'],
    ['/a/{**}', '/a/', 'allow'],
  ] as const)('of a loose application: only %s is allowed, and %s is let in: %s', (path, asked, action) => {
    const call = inboundCall({ path: asked, loosePathname: foldPathname(asked) })
    expect(new Authorizer([only('public', path)]).decide(call).action).toBe(action)
    expect(new Authorizer([treeFor(path)]).decide(call).action).toBe(action)
  })

  it('of a loose application: what is excepted is excepted in every spelling', () => {
    const asked = (pathname: string) => inboundCall({ path: pathname, loosePathname: foldPathname(pathname) })
    const open = new Authorizer([{ name: 'open', rules: [{ to: [{ operation: { notPaths: ['/admin', '/admin/*'] } }] }] }])
    const closed = new Authorizer([{ name: 'closed', action: 'deny', rules: [{ to: [{ operation: { notPaths: ['/public/*'] } }] }] }])
    for (const path of ['/admin', '/ADMIN', '/admin/', '/Admin/x']) expect(open.decide(asked(path)).action).toBe('deny')
    expect(open.decide(asked('/other/')).action).toBe('allow')
    for (const path of ['/public/', '/public/x', '/public/x/']) expect(closed.decide(asked(path)).action).toBe('allow')
    expect(closed.decide(asked('/other')).action).toBe('deny')
  })

  it('counts what policies in dry run would decide, and decides nothing by them', () => {
    const authorizer = new Authorizer([
      deny('a', '/a'),
      { ...deny('b', '/b'), dryRun: true },
      { ...only('c', '/a', '/b', '/c'), dryRun: true },
    ])
    for (const path of ['/a', '/b', '/c', '/d']) authorizer.admit(inboundCall({ path }))
    expect(authorizer.stats).toEqual({
      policies: 1,
      dryRunPolicies: 2,
      allowed: 3,
      denied: 1,
      dryRun: { allowed: 1, denied: 3 },
      errors: 0,
      missing: [],
    })
    expect(authorizer.explain(inboundCall({ path: '/b' }))).toMatchObject({
      action: 'allow',
      rule: '',
      dryRun: { action: 'deny', rule: 'b' },
    })
    expect(new Authorizer().explain(inboundCall())).not.toHaveProperty('dryRun')
  })

  it('what cannot be evaluated is refused, counted, told, and names its rule', () => {
    const told: unknown[] = []
    const when = { name: 'h', rules: [{ when: [{ key: 'request.headers[a]', notValues: ['b'] }] }] }
    const authorizer = new Authorizer([when], { failed: (error) => told.push(error) && undefined })
    const broken: InboundCall = {
      ...inboundCall(),
      values: () => {
        throw new Error('no headers')
      },
    }
    expect(authorizer.admit(broken)).toMatchObject({
      refused: true,
      code: 'MESH_FORBIDDEN',
      reason: 'a policy could not be evaluated, so this request is refused',
      from: 'options/authorization/default/h#rules[0]',
    })
    expect(told).toEqual([new Error('no headers')])
    expect(authorizer.stats).toMatchObject({ denied: 1, errors: 1 })
    expect(authorizer.admit(inboundCall()).refused).toBeUndefined()
    const deaf = new Authorizer([when], {
      failed: () => {
        throw new Error('the listener too')
      },
    })
    expect(deaf.admit(broken).refused).toBe(true)
  })

  it('keeps a decision only where nothing that may differ was asked', () => {
    const header = { when: [{ key: 'request.headers[x]', values: ['never'] }] }
    const authorizer = new Authorizer([
      deny('a', '/a'),
      { name: 'h', action: 'deny', rules: [{ to: [{ operation: { paths: ['/h/*'] } }], ...header }] },
      ...MANY,
    ])
    const asked = counting('/h/1')
    for (let round = 0; round < 3; round++) expect(authorizer.decide(asked.call).action).toBe('allow')
    expect(asked.reads()).toBe(3)
    const kept = counting('/a')
    for (let round = 0; round < 3; round++) expect(authorizer.decide(kept.call).action).toBe('deny')
    // What was kept is for the same method, host and local end only; and a push drops it.
    expect(authorizer.decide({ ...kept.call, method: 'PUT' }).action).toBe('deny')
    authorizer.reconfigure({ policies: [], missing: [] })
    expect(authorizer.decide(kept.call).action).toBe('allow')
  })

  it.each<[string, AuthorizationPolicyOptions, Partial<InboundCall>]>([
    ['method', { name: 'm', action: 'deny', rules: [{ to: [{ operation: { methods: ['PUT'] } }] }] }, { method: 'PUT' }],
    ['host', { name: 'h', action: 'deny', rules: [{ to: [{ operation: { hosts: ['other'] } }] }] }, { hostname: 'other', host: 'other' }],
    ['host with its port', { name: 'h', action: 'deny', rules: [{ to: [{ operation: { hosts: ['web:1'] } }] }] }, { host: 'web:1' }],
    ['port', { name: 'p', action: 'deny', rules: [{ to: [{ operation: { ports: [1] } }] }] }, { port: 1 }],
    [
      'own address',
      { name: 'd', action: 'deny', rules: [{ when: [{ key: 'destination.ip', values: ['10.0.0.1'] }] }] },
      { localAddress: '10.0.0.1' },
    ],
    ['peer', { name: 'w', action: 'deny', rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }] }, { principal: undefined }],
    [
      'peer’s address',
      { name: 's', action: 'deny', rules: [{ from: [{ source: { ipBlocks: ['10.0.0.1'] } }] }] },
      { peerAddress: '10.0.0.1' },
    ],
    [
      'client’s address',
      { name: 'r', action: 'deny', rules: [{ from: [{ source: { remoteIpBlocks: ['10.0.0.1'] } }] }] },
      { remoteAddress: '10.0.0.1' },
    ],
    ['server name', { name: 'n', action: 'deny', rules: [{ when: [{ key: 'connection.sni', values: ['x'] }] }] }, { serverName: 'x' }],
  ])('a decision that was kept is not for another %s', (_, policy, change) => {
    const authorizer = new Authorizer([...MANY, policy])
    const call = inboundCall({ principal: WEB })
    expect(authorizer.decide(call).action).toBe('allow')
    expect(authorizer.decide({ ...call, ...change }).action).toBe('deny')
    expect(authorizer.decide(call).action).toBe('allow')
  })

  it('policy that is missing refuses everything: for now, while it may come, and for good', () => {
    const authorizer = new Authorizer()
    authorizer.reconfigure({ policies: [inForce(only('a', '/'))], missing: [{ from: 'file', reason: 'not yet', pending: true }] })
    expect(authorizer.admit(inboundCall())).toMatchObject({ code: 'MESH_NOT_READY', status: 503, from: 'file' })
    authorizer.reconfigure({ policies: [inForce(only('a', '/'))], missing: [{ from: 'file', reason: 'broken', pending: false }] })
    expect(authorizer.admit(inboundCall())).toMatchObject({
      code: 'MESH_FORBIDDEN',
      reason: 'inbound policy of file is missing, so every request is refused: broken',
    })
    expect(authorizer.stats.missing).toEqual(['inbound policy of file is missing, so every request is refused: broken'])
    authorizer.reconfigure({ policies: [inForce({ name: 'a', action: 'odd' as 'deny' })], missing: [] })
    expect(authorizer.admit(inboundCall())).toMatchObject({ code: 'MESH_FORBIDDEN', from: 'file/authorization/default/a' })
    authorizer.reconfigure({ policies: [inForce(only('a', '/'))], missing: [] })
    expect(authorizer.admit(inboundCall()).refused).toBeUndefined()
  })

  it('says everything that is wrong with what it is made of', () => {
    expect(() => new Authorizer([{ name: '' }, { name: 'b', action: 'deny' }])).toThrow(
      [
        'policies[0].name: expected text of 1 to 253 characters without control characters',
        'policies[1].rules: expected rules: a deny policy without any never denies; an empty rule, {}, denies everything',
      ].join('\n'),
    )
  })
})

describe('a question', () => {
  it('is a request as it would come in', () => {
    const call = questionOf(
      {
        principal: 'td/ns/shop/sa/web',
        method: 'get',
        host: 'Shop.Example.com.:8080',
        path: '/a/../%62//c?d=e',
        headers: { 'X-A': 'one, two', 'x-b': ['three', 'four'] },
        source: '10.0.0.1',
        claims: { iss: 'i', sub: 's' },
      },
      'web',
    )
    expect(call).toMatchObject({
      principal: { id: 'spiffe://td/ns/shop/sa/web', trustDomain: 'td', namespace: 'shop', serviceAccount: 'web' },
      method: 'GET',
      hostname: 'shop.example.com',
      pathname: '/b/c',
      path: '/b/c?d=e',
      query: 'd=e',
      peerAddress: '10.0.0.1',
      remoteAddress: '10.0.0.1',
      requestPrincipal: { id: 'i/s' },
    })
    expect([call.values('x-a'), call.values('x-b'), call.values('x-c'), call.header('x-a')]).toEqual([
      ['one', 'two'],
      ['three', 'four'],
      [],
      'one',
    ])
    expect(questionOf({ principal: 'billing.internal' }).principal).toMatchObject({ id: 'billing.internal', trustDomain: undefined })
  })

  it('that cannot be asked says why', () => {
    expect(() => questionOf({ path: 'a', source: 'x', port: 70_000, verb: 'GET' } as never)).toThrow(
      [
        'authorize.verb: unknown key',
        'authorize.path: expected a path that begins with /, got "a"',
        'authorize.source: expected an address, got "x"',
        'authorize.port: expected an integer from 0 to 65535, got 70000',
      ].join('\n'),
    )
  })
})

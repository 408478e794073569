import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMeshError } from '../../src/core/errors.ts'
import type {
  AuthorizationOperation,
  AuthorizationPolicyOptions,
  AuthorizationRule,
  AuthorizationSource,
  AuthorizationWhen,
} from '../../src/model/authorization.ts'
import type { InboundCall } from '../../src/model/inbound-call.ts'
import type { Principal } from '../../src/model/principal.ts'
import { Authorizer } from '../../src/security/authorization/authorizer.ts'
import { looseDocument } from '../../src/security/authorization/loose.ts'
import { readPolicy } from '../../src/security/authorization/policy.ts'
import { questionOf } from '../../src/security/authorization/question.ts'
import { foldPathname } from '../../src/security/canonical/pathname.ts'
import { type InboundCallOptions, inboundCall } from '../support/inbound-call.ts'

// ---- a reference that knows nothing of indexes: Istio's rules, read aloud -----------------------------------

const like = (text: string | undefined, pattern: string): boolean => {
  if (text === undefined) return false
  if (pattern === '*') return true
  if (pattern.endsWith('*')) return text.startsWith(pattern.slice(0, -1))
  return pattern.startsWith('*') ? text.endsWith(pattern.slice(1)) : text === pattern
}
const field = (is: readonly string[] | undefined, not: readonly string[] | undefined, matches: (pattern: string) => boolean): boolean =>
  (is === undefined || is.some(matches)) && (not === undefined || !not.some(matches))

/** A name that is no SPIFFE id is taken for sure only when it is written out, and has no slash. */
function isPrincipal(principal: Principal | undefined, pattern: string, certain: boolean): boolean {
  if (principal === undefined || principal.trustDomain !== undefined) return like(principal?.id.replace('spiffe://', ''), pattern)
  return like(principal.id, pattern) && (!certain || pattern === '*' || (pattern === principal.id && !pattern.includes('/')))
}

function fromMatches(source: AuthorizationSource, { principal, peerAddress }: InboundCall, action: string): boolean {
  const certain = action === 'allow'
  return (
    (source.principals === undefined || source.principals.some((each) => isPrincipal(principal, each, certain))) &&
    (source.notPrincipals === undefined || !source.notPrincipals.some((each) => isPrincipal(principal, each, !certain))) &&
    field(source.namespaces, source.notNamespaces, (each) => like(principal?.namespace, each)) &&
    field(source.ipBlocks, source.notIpBlocks, (each) => peerAddress.startsWith(each.replace(/0\.0\/16$/, '')))
  )
}

function toMatches(operation: AuthorizationOperation, { hostname, host, method, port }: InboundCall, path: string): boolean {
  return (
    field(operation.hosts, operation.notHosts, (each) => like(hostname, each) || like(host, each)) &&
    field(operation.methods, operation.notMethods, (each) => like(method, each)) &&
    field(operation.paths, operation.notPaths, (each) =>
      each.includes('{') ? new RegExp(`^${each.replace('{**}', '.*').replaceAll('{*}', '[^/]+')}$`).test(path) : like(path, each),
    ) &&
    field(operation.ports?.map(String), operation.notPorts?.map(String), (each) => Number(each) === port)
  )
}

function whenMatches({ key, values, notValues }: AuthorizationWhen, call: InboundCall, action: string): boolean {
  const all = call.values(key.slice('request.headers['.length, -1))
  const any = (patterns: readonly string[]): boolean => all.some((value) => patterns.some((each) => like(value, each)))
  const every = (patterns: readonly string[]): boolean => all.length > 0 && all.every((value) => patterns.some((each) => like(value, each)))
  const [positive, negative] = action === 'allow' ? [every, any] : [any, every]
  const texts = (given: readonly (string | number)[] | undefined): string[] | undefined => given?.map(String)
  return (
    (values === undefined || positive(texts(values) as string[])) && (notValues === undefined || !negative(texts(notValues) as string[]))
  )
}

function ruleMatches({ from, to, when }: AuthorizationRule, call: InboundCall, path: string, action: string): boolean {
  return (
    (from === undefined || from.some(({ source }) => fromMatches(source, call, action))) &&
    (to === undefined || to.some(({ operation }) => toMatches(operation, call, path))) &&
    (when === undefined || when.every((each) => whenMatches(each, call, action)))
  )
}

function reference(policies: readonly AuthorizationPolicyOptions[], call: InboundCall, path: string): { action: string; from: string } {
  const first = (action: 'allow' | 'deny'): string | undefined => {
    for (const { name, action: own = 'allow', rules = [], dryRun } of policies) {
      if (own !== action || dryRun === true) continue
      const index = rules.findIndex((rule) => ruleMatches(rule, call, path, action))
      if (index >= 0) return `options/authorization/default/${name}#rules[${index}]`
    }
    return undefined
  }
  const denied = first('deny')
  if (denied !== undefined) return { action: 'deny', from: denied }
  const allowing = policies.filter(({ action = 'allow', dryRun }) => action === 'allow' && dryRun !== true)
  const allowed = first('allow')
  if (allowed !== undefined) return { action: 'allow', from: allowed }
  if (allowing.length === 0) return { action: 'allow', from: '' }
  const name = `options/authorization/default/${allowing[0]?.name}`
  return { action: 'deny', from: allowing.length === 1 ? name : `${name} and ${allowing.length - 1} more` }
}

// ---- random policies and requests over few words, so that they meet -----------------------------------------

const PRINCIPALS = ['td/ns/shop/sa/web', 'td/ns/shop/sa/cart', 'td/ns/ops/sa/web', 'other/ns/shop/sa/web']
const PATHS = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/abc/d', '/x/b', '/x/b/c', '/A']
const HOSTS = ['web', 'web.shop', 'api.web', 'api']
const METHODS = ['GET', 'POST', 'PUT']

/** `optional` is written less often than not, so that rules stay wide enough to meet. */
const list = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.uniqueArray(each, { minLength: 1, maxLength: 3 })
const some = <T extends object>(model: { [Key in keyof T]: fc.Arbitrary<NonNullable<T[Key]>> }): fc.Arbitrary<T> =>
  fc
    .record(model as unknown as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] })
    .filter((found) => Object.keys(found).length > 0) as unknown as fc.Arbitrary<T>
const wild = (words: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...words) },
    { weight: 1, arbitrary: fc.constantFrom(...words).map((word) => `${word.slice(0, 4)}*`) },
    { weight: 1, arbitrary: fc.constantFrom(...words).map((word) => `*${word.slice(-3)}`) },
    { weight: 1, arbitrary: fc.constant('*') },
  )
const paths = fc.oneof(wild(PATHS), fc.constantFrom('/a/*', '/a*', '/a/{*}', '/{*}/b', '/a/{**}', '/{*}/b/{**}'))

const rule: fc.Arbitrary<AuthorizationRule> = fc.record(
  {
    from: fc.array(
      fc.record({
        source: some<AuthorizationSource>({
          principals: list(wild(PRINCIPALS)),
          notPrincipals: list(wild(PRINCIPALS)),
          namespaces: list(wild(['shop', 'ops'])),
          notNamespaces: list(fc.constantFrom('shop', 'ops')),
          ipBlocks: list(fc.constantFrom('10.1.0.0/16', '10.2.0.0/16')),
          notIpBlocks: list(fc.constantFrom('10.1.0.0/16', '10.2.0.0/16')),
        } as never),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    to: fc.array(
      fc.record({
        operation: some<AuthorizationOperation>({
          hosts: list(wild(HOSTS)),
          notHosts: list(wild(HOSTS)),
          methods: list(wild(METHODS)),
          notMethods: list(fc.constantFrom(...METHODS)),
          paths: list(paths),
          notPaths: list(paths),
          ports: list(fc.constantFrom(80, 8080)),
        } as never),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    when: fc.array(
      fc
        .record(
          {
            key: fc.constantFrom('request.headers[x-a]', 'request.headers[x-b]'),
            values: list(wild(['one', 'two'])),
            notValues: list(wild(['one', 'two'])),
          },
          { requiredKeys: ['key'] },
        )
        .filter(({ values, notValues }) => values !== undefined || notValues !== undefined),
      { minLength: 1, maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<AuthorizationRule>

const policies = fc
  .array(
    fc.record({
      action: fc.constantFrom('allow', 'deny', 'allow'),
      dryRun: fc.constantFrom(false, false, true),
      rules: fc.array(rule, { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: 12 },
  )
  .map((found) => found.map((each, index): AuthorizationPolicyOptions => ({ ...each, name: `p${index}`, action: each.action as 'allow' })))

const request: fc.Arbitrary<InboundCallOptions> = fc
  .record({
    principal: fc.option(fc.constantFrom(...PRINCIPALS), { nil: undefined }),
    method: fc.constantFrom(...METHODS),
    hostname: fc.constantFrom(...HOSTS),
    pathname: fc.constantFrom(...PATHS),
    port: fc.constantFrom(80, 8080, 9090),
    peerAddress: fc.constantFrom('10.1.0.1', '10.2.3.4', '10.3.0.1'),
    headers: fc.record(
      { 'x-a': fc.array(fc.constantFrom('one', 'two', 'three'), { maxLength: 2 }), 'x-b': fc.constantFrom('one', 'two') },
      { requiredKeys: [] },
    ),
  })
  .map(({ principal, hostname, ...rest }) => ({
    ...rest,
    hostname,
    host: hostname,
    ...(principal === undefined ? {} : { principal: `spiffe://${principal}` }),
  }))

/** Many rules that name one thing each, as they make the most of the index, and some that it cannot hold. */
const narrow: fc.Arbitrary<AuthorizationRule> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ paths: list(paths) }).map((operation) => ({ to: [{ operation }] })) },
  { weight: 2, arbitrary: fc.record({ paths: list(paths), methods: list(wild(METHODS)) }).map((operation) => ({ to: [{ operation }] })) },
  {
    weight: 2,
    arbitrary: fc.record({ hosts: list(wild([...HOSTS, 'web:80', 'api:8080'])) }).map((operation) => ({ to: [{ operation }] })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ principals: list(wild([...PRINCIPALS, 'billing', ...PRINCIPALS])) }).map((source) => ({ from: [{ source }] })),
  },
  { weight: 1, arbitrary: fc.record({ methods: list(fc.constantFrom(...METHODS)) }).map((operation) => ({ to: [{ operation }] })) },
)
const onlyPaths = fc.record({
  paths: fc.array(fc.constantFrom(...PATHS, '/a/*', '/a*', '/a/{*}', '/x/{**}', '/q/*', '/r'), { minLength: 1, maxLength: 2 }),
})
const ofOneKind = fc.oneof(
  fc.array(narrow, { minLength: 8, maxLength: 40 }),
  fc.array(
    onlyPaths.map((operation): AuthorizationRule => ({ to: [{ operation }] })),
    { minLength: 6, maxLength: 20 },
  ),
  fc.array(
    list(fc.constantFrom(...PRINCIPALS, 'billing', 'x/y')).map((principals): AuthorizationRule => ({ from: [{ source: { principals } }] })),
    { minLength: 6, maxLength: 20 },
  ),
  fc.array(
    list(fc.constantFrom(...HOSTS, 'web:80', 'api:8080', 'q', 'r')).map((hosts): AuthorizationRule => ({ to: [{ operation: { hosts } }] })),
    { minLength: 6, maxLength: 20 },
  ),
  fc.array(
    fc
      .record({ paths: list(fc.constantFrom('*b', '*c', '*/d', '*q')), methods: list(fc.constantFrom(...METHODS)) })
      .map((operation): AuthorizationRule => ({ to: [{ operation }] })),
    { minLength: 10, maxLength: 20 },
  ),
)
const many = fc
  .tuple(ofOneKind, fc.constantFrom('allow' as const, 'deny' as const), fc.boolean())
  .map(([rules, action, together]): AuthorizationPolicyOptions[] =>
    together ? [{ name: 'p', action, rules }] : rules.map((each, index) => ({ name: `p${index}`, action, rules: [each] })),
  )
const peer: fc.Arbitrary<Principal | undefined> = fc.constantFrom(
  undefined,
  ...['billing', 'x/y', 'td/ns/shop/sa/web'].map((id) => ({ id, trustDomain: undefined, namespace: undefined, serviceAccount: undefined })),
  ...PRINCIPALS.map((id) => ({
    id: `spiffe://${id}`,
    trustDomain: id.split('/')[0],
    namespace: id.split('/')[2],
    serviceAccount: id.split('/')[4],
  })),
)
const plainRequest = fc
  .record({
    principal: peer,
    method: fc.constantFrom(...METHODS),
    hostname: fc.constantFrom(...HOSTS),
    port: fc.constantFrom('', ':80', ':8080'),
    pathname: fc.constantFrom(...PATHS),
  })
  .map(({ principal, port, ...rest }): InboundCall => ({ ...inboundCall({ ...rest, host: `${rest.hostname}${port}` }), principal }))

describe('the policies, whatever they are', () => {
  it('decide as a scan would where there are many rules of a kind, also a second time', () => {
    fc.assert(
      fc.property(many, fc.array(plainRequest, { minLength: 8, maxLength: 20 }), (given, calls) => {
        const authorizer = new Authorizer(given)
        for (const call of [...calls, ...calls]) {
          const { action, from } = authorizer.decide(call)
          const expected = reference(given, call, call.pathname)
          if (action !== expected.action || from !== expected.from) expect({ action, from }).toEqual(expected)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('decide as a scan of all of them would, and name the same rule, also a second time', () => {
    let denied = 0
    let total = 0
    fc.assert(
      fc.property(policies, fc.array(request, { minLength: 4, maxLength: 8 }), (given, requests) => {
        const authorizer = new Authorizer(given)
        for (const each of [...requests, ...requests]) {
          const call = inboundCall(each)
          const { action, from } = authorizer.decide(call)
          expect({ action, from }).toEqual(reference(given, call, call.pathname))
          total++
          if (action === 'deny') denied++
        }
      }),
      { numRuns: 250 },
    )
    // A generator whose policies never meet its requests would prove nothing.
    expect(denied / total).toBeGreaterThan(0.2)
    expect(denied / total).toBeLessThan(0.95)
  })

  it('let a request of a loose application in only when its folded path would be, by what is folded alike', () => {
    fc.assert(
      fc.property(policies, request, (given, asked) => {
        const call = { ...inboundCall(asked), loosePathname: foldPathname(inboundCall(asked).pathname) }
        const exact = reference(given, call, call.pathname).action
        const decided = new Authorizer(given).decide(call).action
        // It may only take away what the policy as it is written allows.
        if (exact === 'deny') expect(decided).toBe('deny')
        else expect(decided).toBe(reference(given.map(looseDocument), call, call.loosePathname).action)
      }),
      { numRuns: 200 },
    )
  })

  it('a policy that is refused is refused with words and places, and nothing else is thrown', () => {
    const keys = fc.constantFrom(
      'name',
      'action',
      'rules',
      'from',
      'to',
      'when',
      'source',
      'operation',
      'paths',
      'permissions',
      'principals',
      'and',
      'not',
      'header',
      'key',
      'values',
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.anything(),
        fc.string(),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (document) => {
        const read = readPolicy(document, 'default')
        if (!('problems' in read)) return
        expect(read.problems.length).toBeGreaterThan(0)
        for (const { message } of read.problems) expect(message).toMatch(/\S/)
      }),
      { numRuns: 1_000 },
    )
  })

  it('a question that cannot be asked is refused by MESH_CONFIG, and nothing else is thrown', () => {
    const value = fc.oneof(fc.string(), fc.anything())
    const names = ['principal', 'method', 'host', 'path', 'headers', 'source', 'port', 'claims'] as const
    const asked = fc.oneof(fc.anything(), fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] }))
    const authorizer = new Authorizer([{ name: 'a', rules: [{ to: [{ operation: { paths: ['/a*'], hosts: ['*.b'] } }] }] }])
    fc.assert(
      fc.property(asked, (given) => {
        try {
          expect(['allow', 'deny']).toContain(authorizer.explain(questionOf(given as never)).action)
        } catch (error) {
          expect(isMeshError(error) && error.code).toBe('MESH_CONFIG')
        }
      }),
      { numRuns: 500 },
    )
  })
})

import { describe, expect, it } from 'vitest'
import { problemText } from '../../../../src/core/problem.ts'
import { readPolicy } from '../../../../src/security/authorization/policy.ts'

function problems(document: unknown): string[] {
  const read = readPolicy(document, 'default')
  return 'problems' in read ? read.problems.map(problemText) : []
}
const rule = (fields: object): object => ({ name: 'a', rules: [fields] })
const from = (source: unknown): object => rule({ from: [{ source }] })
const to = (operation: unknown): object => rule({ to: [{ operation }] })
const when = (condition: unknown): object => rule({ when: [condition] })
const tree = (node: unknown): object => ({ name: 'a', permissions: [node], principals: [{ any: true }] })

describe('a policy that cannot be used is refused, with the place', () => {
  it.each<[unknown, string]>([
    [undefined, 'expected an object, got undefined'],
    [[], 'expected an object, got a list'],
    [{}, 'name: expected text of 1 to 253 characters without control characters'],
    [{ name: 'a\n' }, 'name: expected text of 1 to 253 characters without control characters'],
    [{ name: 'a', selector: {} }, 'selector: unknown key'],
    [{ name: 'a', rule: [] }, 'rule: unknown key, did you mean "rules"?'],
    [{ name: 'a', action: 'Allow' }, 'action: expected allow or deny, got "Allow"'],
    [{ name: 'a', action: 'AUDIT' }, 'action: audit is not available in this version; dryRun: true counts and decides nothing'],
    [{ name: 'a', action: 'CUSTOM' }, 'action: custom is not available in this version'],
    [{ name: 'a', dryRun: 'yes' }, 'dryRun: expected a boolean, got "yes"'],
    [{ name: 'a', action: 'deny' }, 'rules: expected rules: a deny policy without any never denies; an empty rule, {}, denies everything'],
    [{ name: 'a', action: 'deny', rules: [] }, 'rules: a deny policy without any never denies; an empty rule, {}, denies everything'],
    [{ name: 'a', rules: {} }, 'rules: expected a list of rules, got an object'],
    [{ name: 'a', rules: [null] }, 'rules[0]: expected an object, got null'],
    [rule({ fro: [] }), 'rules[0].fro: unknown key, did you mean "from"?'],
    [rule({ from: [] }), 'rules[0].from: expected a list of { source }, got an empty one, which would match nothing'],
    [rule({ from: [{}] }), 'rules[0].from[0].source: expected an object, got undefined'],
    [
      from({ principals: [] }),
      'rules[0].from[0].source.principals: expected a list of principals, got an empty one, which would match nothing',
    ],
    [
      from({ principals: [''] }),
      'rules[0].from[0].source.principals[0]: expected a SPIFFE id such as cluster.local/ns/shop/sa/web, got ""',
    ],
    [
      from({ principals: ['a*b'] }),
      'rules[0].from[0].source.principals[0]: a star stands alone, at the beginning or at the end, got "a*b"',
    ],
    [
      from({ principals: ['*a*'] }),
      'rules[0].from[0].source.principals[0]: a star stands alone, at the beginning or at the end, got "*a*"',
    ],
    [
      from({}),
      'rules[0].from[0].source: expected at least one of principals, notPrincipals, requestPrincipals, notRequestPrincipals, namespaces, notNamespaces, serviceAccounts, notServiceAccounts, ipBlocks, notIpBlocks, remoteIpBlocks, notRemoteIpBlocks',
    ],
    [from({ principals: undefined }), 'rules[0].from[0].source.principals: expected a value, got undefined'],
    [rule({ from: undefined }), 'rules[0].from: expected a value, got undefined'],
    [rule({ from: null }), 'rules[0].from: expected a list of { source }, got null'],
    [from({ serviceAccounts: ['a*'] }), 'rules[0].from[0].source.serviceAccounts[0]: expected account or namespace/account'],
    [
      from({ ipBlocks: ['10.0.0.0/33'] }),
      'rules[0].from[0].source.ipBlocks[0]: expected an address or a range such as 10.0.0.0/8, got "10.0.0.0/33"',
    ],
    [
      from({ ipBlocks: ['10.0.0'] }),
      'rules[0].from[0].source.ipBlocks[0]: expected an address or a range such as 10.0.0.0/8, got "10.0.0"',
    ],
    [from({ principal: ['a'] }), 'rules[0].from[0].source.principal: unknown key, did you mean "principals"?'],
    [to({ ports: ['http'] }), 'rules[0].to[0].operation.ports[0]: expected an integer from 1 to 65535, got "http"'],
    [to({ ports: [0] }), 'rules[0].to[0].operation.ports[0]: expected an integer from 1 to 65535, got 0'],
    [to({ methods: ['GET POST'] }), 'rules[0].to[0].operation.methods[0]: "GET POST" is in no method'],
    [to({ hosts: ['http://web'] }), 'rules[0].to[0].operation.hosts[0]: "http://web" is in no host'],
    [to({ paths: ['admin'] }), 'rules[0].to[0].operation.paths[0]: expected a path that begins with /, got "admin"'],
    [
      to({ paths: ['/a/../b'] }),
      'rules[0].to[0].operation.paths[0]: no request has such a path, since paths are compared in their canonical form: "/a/../b"; did you mean "/b"?',
    ],
    [
      to({ paths: ['/%61'] }),
      'rules[0].to[0].operation.paths[0]: no request has such a path, since paths are compared in their canonical form: "/%61"; did you mean "/a"?',
    ],
    [
      to({ paths: ['/a//b*'] }),
      'rules[0].to[0].operation.paths[0]: no request has such a path, since paths are compared in their canonical form: "/a//b"',
    ],
    [
      to({ paths: ['*/a?b'] }),
      'rules[0].to[0].operation.paths[0]: no request has such a path, since paths are compared in their canonical form: "/a?b"',
    ],
    // Those that Istio's reference calls invalid.
    [to({ paths: ['/*/baz/{*}'] }), 'rules[0].to[0].operation.paths[0]: {*} and {**} stand for whole segments, got "*"'],
    [to({ paths: ['/**/baz/{*}'] }), 'rules[0].to[0].operation.paths[0]: {*} and {**} stand for whole segments, got "**"'],
    [to({ paths: ['/{**}/foo/{*}'] }), 'rules[0].to[0].operation.paths[0]: after {**} only literals may follow'],
    [to({ paths: ['/foo/{*}.txt'] }), 'rules[0].to[0].operation.paths[0]: {*} and {**} stand for whole segments, got "{*}.txt"'],
    [to({ paths: ['/foo/{id}'] }), 'rules[0].to[0].operation.paths[0]: {*} and {**} stand for whole segments, got "{id}"'],
    [when({ key: 'source.ip' }), 'rules[0].when[0]: expected values or notValues'],
    [
      when({ key: 'request.headers[:path]', values: ['a'] }),
      'rules[0].when[0].key: :path is no header here: methods, paths and hosts have conditions of their own',
    ],
    [when({ key: 'request.headers[a b]', values: ['a'] }), 'rules[0].when[0].key: expected the name of a header'],
    [
      when({ key: 'request.headers[a]', values: ['a,b'] }),
      'rules[0].when[0].values[0]: values are compared one by one, apart at their commas: no value has a comma',
    ],
    [when({ key: 'source.ip', values: ['x'] }), 'rules[0].when[0].values[0]: expected an address or a range such as 10.0.0.0/8, got "x"'],
    [{ name: 'a', permissions: [{ any: true }] }, 'principals: expected a list of conditions, got undefined'],
    [
      { name: 'a', rules: [{}], permissions: [{ any: true }], principals: [{ any: true }] },
      'expected either rules, or permissions and principals',
    ],
    [tree({ any: false }), 'permissions[0].any: expected true'],
    [tree({ and: [] }), 'permissions[0].and: expected a list of conditions, got an empty one, which would match nothing'],
    [
      tree({ header: { name: 'x' } }),
      'permissions[0].header: expected exactly one of exact, prefix, suffix, contains, regex, range, present',
    ],
    [
      tree({ header: { name: 'x', exact: 'a', present: true } }),
      'permissions[0].header: expected exactly one of exact, prefix, suffix, contains, regex, range, present',
    ],
    [
      tree({ header: { name: 'x', range: { start: 1, end: 1 } } }),
      'permissions[0].header.range: expected an end above the start: the range ends before it',
    ],
    [tree({ path: { exact: 'a' } }), 'permissions[0].path.exact: expected a path that begins with /, got "a"'],
    [tree({ path: { exact: '/a', prefix: '/b' } }), 'permissions[0].path: expected one of exact, prefix, suffix, contains, regex'],
    [tree({ path: { regex: '(' } }), 'permissions[0].path.regex: not a pattern in the syntax of RE2: missing closing ): `(`'],
    [tree({ path: { regex: '(a)\\1' } }), 'permissions[0].path.regex: not a pattern in the syntax of RE2: invalid escape sequence: `\\1`'],
    [tree({ destinationPort: '80' }), 'permissions[0].destinationPort: expected an integer from 1 to 65535, got "80"'],
    [
      tree({ claim: { path: [], exact: 'a' } }),
      'permissions[0].claim.path: expected a list of names, got an empty one, which would match nothing',
    ],
  ])('%j', (document, expected) => expect(problems(document)).toContain(expected))

  it('two keys in one node are no node, and neither is none', () => {
    for (const node of [{}, { any: true, path: { exact: '/a' } }])
      expect(problems(tree(node))[0]).toMatch(/^permissions\[0\]: expected exactly one of any, and/)
  })

  it('what is nested without end, or too much, or cannot be read, is told and takes no time', () => {
    let deep: object = { any: true }
    for (let depth = 0; depth < 1_000; depth++) deep = { not: deep }
    expect(problems(tree(deep))[0]).toMatch(/is nested too deeply$/)
    // Aliases of YAML are one object in many places.
    let wide: object = { any: true }
    for (let depth = 0; depth < 30; depth++) wide = { or: Array(9).fill(wide) }
    expect(problems(tree(wide))[0]).toMatch(/has too much in it: at most 100000 values$/)
    const odd = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no')
        },
      },
    )
    expect(problems(odd)).toEqual(['cannot be read'])
  })

  it('a pattern that would hang the platform’s own engine takes no time', () => {
    const read = readPolicy(tree({ header: { name: 'x', regex: '(a+)+' } }), 'default')
    expect('problems' in read).toBe(false)
    expect(problems(tree({ header: { name: 'x', regex: 'a'.repeat(2_049) } }))).toHaveLength(1)
  })
})

import { describe, expect, it } from 'vitest'
import type { AuthorizationNode, AuthorizationPolicyOptions } from '../../../src/model/authorization.ts'
import { Authorizer } from '../../../src/security/authorization/authorizer.ts'
import { foldPattern } from '../../../src/security/authorization/folded-policy.ts'
import { foldPathname } from '../../../src/security/canonical/pathname.ts'
import { inboundCall } from '../../support/inbound-call.ts'

const operation = (action: 'allow' | 'deny', paths: string[], notPaths?: string[]): AuthorizationPolicyOptions => ({
  name: `${action}-${paths[0]}`,
  action,
  rules: [{ to: [{ operation: { paths, ...(notPaths && { notPaths }) } }] }],
})
const tree = (action: 'allow' | 'deny', permission: AuthorizationNode): AuthorizationPolicyOptions => ({
  name: `${action}-tree`,
  action,
  permissions: [permission],
  principals: [{ any: true }],
})

/** What becomes of a path before an application that routes as written, and before one that routes loosely. */
function decide(policies: AuthorizationPolicyOptions[], path: string): string[] {
  const authorizer = new Authorizer(policies)
  return [undefined, foldPathname(path)].map((loosePathname) => authorizer.decide(inboundCall({ path, loosePathname })).action)
}

describe('authorization before an application that routes loosely', () => {
  it.each<[string, AuthorizationPolicyOptions[], string, string, string]>([
    ['as written', [operation('deny', ['/admin'])], '/admin', 'deny', 'deny'],
    ['another', [operation('deny', ['/admin'])], '/administration', 'allow', 'allow'],
    ['case', [operation('deny', ['/admin'])], '/ADMIN', 'allow', 'deny'],
    ['case of the rule', [operation('deny', ['/Admin'])], '/admin', 'allow', 'deny'],
    ['a slash at the end', [operation('deny', ['/admin'])], '/admin/', 'allow', 'deny'],
    ['one in the rule', [operation('deny', ['/admin/'])], '/admin', 'allow', 'deny'],
    ['a prefix', [operation('deny', ['/admin/*'])], '/ADMIN/x', 'allow', 'deny'],
    ['a prefix is not what it begins with', [operation('deny', ['/admin/*'])], '/admin', 'allow', 'allow'],
    ['a suffix', [operation('deny', ['*.json'])], '/a.JSON/', 'allow', 'deny'],
    ['a template', [operation('deny', ['/users/{*}/keys'])], '/USERS/a/Keys/', 'allow', 'deny'],
    ['an open template', [operation('deny', ['/users/{**}'])], '/Users/a/b', 'allow', 'deny'],
    ['letters behind escapes', [operation('deny', ['/%C3%A9'])], '/%C3%89', 'allow', 'deny'],
    ['a letter that becomes another', [operation('deny', ['/keys'])], '/%E2%84%AAeys', 'allow', 'deny'],
    ['what is allowed in capitals', [operation('allow', ['/shop.Orders/*'])], '/shop.Orders/Get', 'allow', 'allow'],
    ['what is allowed is not in another case', [operation('allow', ['/orders'])], '/ORDERS', 'deny', 'deny'],
    ['a directory', [operation('allow', ['/app/*'])], '/app/', 'allow', 'allow'],
    ['an exception', [operation('allow', ['/*'], ['/admin', '/admin/*'])], '/ADMIN', 'allow', 'deny'],
    ['an exception with a slash', [operation('allow', ['/*'], ['/admin'])], '/admin/', 'allow', 'deny'],
    [
      'an exception beside something else',
      [operation('allow', ['/*'], ['/admin']), operation('allow', ['/public'])],
      '/ADMIN',
      'allow',
      'deny',
    ],
    ['everything', [operation('deny', ['*'])], '/', 'deny', 'deny'],
    ['tree: exact', [tree('deny', { path: { exact: '/admin' } })], '/Admin/', 'allow', 'deny'],
    ['tree: prefix', [tree('deny', { path: { prefix: '/Admin' } })], '/admin/x', 'allow', 'deny'],
    ['tree: suffix', [tree('deny', { path: { suffix: '.json' } })], '/A.JSON/', 'allow', 'deny'],
    ['tree: contains', [tree('deny', { path: { contains: 'Dmi' } })], '/aDMIn', 'allow', 'deny'],
    ['tree: regex', [tree('deny', { path: { regex: '/a|/b' } })], '/B/', 'allow', 'deny'],
    ['tree: template', [tree('deny', { path: { template: '/a/{*}' } })], '/A/x/', 'allow', 'deny'],
    ['tree: not', [tree('allow', { not: { path: { exact: '/admin' } } })], '/ADMIN', 'allow', 'deny'],
    ['tree: and, or', [tree('deny', { and: [{ or: [{ path: { exact: '/a' } }] }, { method: { exact: 'GET' } }] })], '/A', 'allow', 'deny'],
  ])('%s', (_, policies, path, exact, loose) => expect(decide(policies, path)).toEqual([exact, loose]))

  it('counts one decision, and says which policy it was', () => {
    const authorizer = new Authorizer([operation('deny', ['/admin'])])
    const refusal = authorizer.admit(inboundCall({ path: '/ADMIN', loosePathname: '/admin' }))
    expect(refusal).toMatchObject({ refused: true, from: expect.stringContaining('deny-/admin') })
    expect(authorizer.stats).toMatchObject({ allowed: 0, denied: 1, errors: 0 })
  })
})

describe('foldPattern', () => {
  it.each([
    ['/', ['/']],
    ['*', ['*']],
    ['/*', ['/*']],
    ['/A', ['/a', '/a/']],
    ['/A/', ['/a', '/a/']],
    ['/A*', ['/a*']],
    ['/A/*', ['/a/*']],
    ['*/B', ['*/b', '*/b/']],
    ['/A/{*}', ['/a/{*}', '/a/{*}/']],
    ['/A/{**}', ['/a/{**}']],
  ])('%s: %j', (pattern, folded) => expect(foldPattern(pattern)).toEqual(folded))
})

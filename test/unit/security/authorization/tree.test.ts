import { describe, expect, it } from 'vitest'
import type { AuthorizationNode } from '../../../../src/model/authorization.ts'
import { Authorizer } from '../../../../src/security/authorization/authorizer.ts'
import { type InboundCallOptions, inboundCall } from '../../../support/inbound-call.ts'

const ANY: AuthorizationNode[] = [{ any: true }]
const WEB = 'spiffe://cluster.local/ns/default/sa/web'

/** Whether one node matches, as an allow and as a deny policy see it, on either side of the tree. */
function matches(node: AuthorizationNode, asked: InboundCallOptions): { allow: boolean; deny: boolean } {
  const call = inboundCall(asked)
  const ask = (action: 'allow' | 'deny', permissions: AuthorizationNode[], principals: AuthorizationNode[]): string =>
    new Authorizer([{ name: 'p', action, permissions, principals }]).decide(call).action
  const allow = ask('allow', [node], ANY) === 'allow'
  const deny = ask('deny', [node], ANY) === 'deny'
  expect(ask('allow', ANY, [node]) === 'allow').toBe(allow)
  expect(ask('deny', ANY, [node]) === 'deny').toBe(deny)
  return { allow, deny }
}
const BOTH = { allow: true, deny: true }
const NEITHER = { allow: false, deny: false }
const header = (...values: string[]): InboundCallOptions => ({ headers: { 'x-n': values } })

describe('a tree of conditions', () => {
  it.each<[string, AuthorizationNode, InboundCallOptions, { allow: boolean; deny: boolean }]>([
    ['any', { any: true }, {}, BOTH],
    ['and: all', { and: [{ any: true }, { method: { exact: 'GET' } }] }, {}, BOTH],
    ['and: not all', { and: [{ any: true }, { method: { exact: 'PUT' } }] }, {}, NEITHER],
    ['or: one', { or: [{ method: { exact: 'PUT' } }, { any: true }] }, {}, BOTH],
    ['or: none', { or: [{ method: { exact: 'PUT' } }] }, {}, NEITHER],
    ['not', { not: { method: { exact: 'PUT' } } }, {}, BOTH],
    ['not not', { not: { not: { any: true } } }, {}, BOTH],

    ['header exact', { header: { name: 'X-N', exact: 'a' } }, header('a'), BOTH],
    ['header exact, the empty one', { header: { name: 'x-n', exact: '' } }, header(''), BOTH],
    ['header prefix', { header: { name: 'x-n', prefix: 'ab' } }, header('abc'), BOTH],
    ['header suffix', { header: { name: 'x-n', suffix: 'bc' } }, header('abc'), BOTH],
    ['header contains', { header: { name: 'x-n', contains: 'b' } }, header('abc'), BOTH],
    ['header without regard to case', { header: { name: 'x-n', exact: 'ABC', ignoreCase: true } }, header('aBc'), BOTH],
    // header_match of Envoy's route components: the whole value, and a range without its end.
    ['the regex \\d{3} and 123', { header: { name: 'x-n', regex: '\\d{3}' } }, header('123'), BOTH],
    ['the regex \\d{3} and 1234', { header: { name: 'x-n', regex: '\\d{3}' } }, header('1234'), NEITHER],
    ['the regex \\d{3} and 123.456', { header: { name: 'x-n', regex: '\\d{3}' } }, header('123.456'), NEITHER],
    ['the regex \\d{3} and 1234, inverted', { header: { name: 'x-n', regex: '\\d{3}', invert: true } }, header('1234'), BOTH],
    ['the range [-10,0) and -1', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('-1'), BOTH],
    ['the range [-10,0) and -10', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('-10'), BOTH],
    ['the range [-10,0) and 0', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('0'), NEITHER],
    ['the range [-10,0) and somestring', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('somestring'), NEITHER],
    ['the range [-10,0) and 10.9', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('10.9'), NEITHER],
    ['the range [-10,0) and -1somestring', { header: { name: 'x-n', range: { start: -10, end: 0 } } }, header('-1somestring'), NEITHER],
    ['the range [-10,0) and -1, inverted', { header: { name: 'x-n', range: { start: -10, end: 0 }, invert: true } }, header('-1'), NEITHER],
    ['present', { header: { name: 'x-n', present: true } }, header(''), BOTH],
    ['present, and it is not', { header: { name: 'x-n', present: true } }, {}, NEITHER],
    ['not present', { header: { name: 'x-n', present: false } }, {}, BOTH],
    ['present, inverted', { header: { name: 'x-n', present: true, invert: true } }, {}, BOTH],
    ['not present, inverted', { header: { name: 'x-n', present: false, invert: true } }, header('a'), BOTH],
    // Envoy's matchHeaders: a header that is not there matches no value, whether inverted or not.
    ['an absent header', { header: { name: 'x-n', exact: 'a' } }, {}, NEITHER],
    ['an absent header, inverted', { header: { name: 'x-n', exact: 'a', invert: true } }, {}, NEITHER],
    ['an absent header, negated', { not: { header: { name: 'x-n', exact: 'a' } } }, {}, BOTH],
    // Envoy joins several values by commas, which lets `admin` pass a policy against it.
    ['one of several values', { header: { name: 'x-n', exact: 'admin' } }, header('admin', 'x'), { allow: false, deny: true }],
    [
      'one of several, inverted',
      { header: { name: 'x-n', exact: 'admin', invert: true } },
      header('admin', 'x'),
      { allow: false, deny: true },
    ],
    ['one of several, negated', { not: { header: { name: 'x-n', exact: 'admin' } } }, header('admin', 'x'), { allow: false, deny: true }],

    ['path exact, without its query', { path: { exact: '/a' } }, { path: '/a?b=c' }, BOTH],
    ['path prefix', { path: { prefix: '/a' } }, { path: '/ab' }, BOTH],
    ['path suffix', { path: { suffix: '.html' } }, { path: '/a.html' }, BOTH],
    ['path contains', { path: { contains: '/b/' } }, { path: '/a/b/c' }, BOTH],
    ['path regex, the whole of it', { path: { regex: '/a' } }, { path: '/ab' }, NEITHER],
    ['path regex', { path: { regex: '/a/\\d+(/.*)?' } }, { path: '/a/12/x' }, BOTH],
    ['path without regard to case', { path: { prefix: '/Admin', ignoreCase: true } }, { path: '/aDMIN/x' }, BOTH],
    ['path template', { path: { template: '/a/{*}/b' } }, { path: '/a/1/b' }, BOTH],
    ['host', { host: { exact: 'Web' } }, {}, BOTH],
    ['host regex', { host: { regex: 'w.b' } }, {}, BOTH],
    ['method', { method: { exact: 'get' } }, {}, BOTH],
    ['method regex', { method: { regex: 'GET|PUT' } }, { method: 'PUT' }, BOTH],
    ['claim', { claim: { path: ['realm', 'role'], suffix: 'min' } }, token({ realm: { role: 'admin' } }), BOTH],
    ['claim present', { claim: { path: ['realm'], present: true } }, token({ realm: {} }), BOTH],
    ['claim not present', { claim: { path: ['realm'], present: false } }, {}, BOTH],
    ['claim without a token', { claim: { path: ['realm'], exact: 'a' } }, {}, NEITHER],
    ['source', { sourceIp: '127.0.0.0/8' }, {}, BOTH],
    ['remote', { remoteIp: '10.0.0.0/8' }, { remoteAddress: '10.1.1.1' }, BOTH],
    ['destination', { destinationIp: '127.0.0.1' }, {}, BOTH],
    ['port', { destinationPort: 8080 }, {}, BOTH],
    ['port range', { destinationPortRange: { start: 8080, end: 8081 } }, {}, BOTH],
    ['port range, its end', { destinationPortRange: { start: 8000, end: 8080 } }, {}, NEITHER],
    ['server name', { serverName: { exact: 'A.example.com' } }, { serverName: 'a.example.com' }, BOTH],
    ['authenticated', { authenticated: {} }, { principal: WEB }, BOTH],
    ['not authenticated', { authenticated: {} }, {}, NEITHER],
    ['authenticated as', { authenticated: { principal: { exact: WEB } } }, { principal: WEB }, BOTH],
    ['the whole id', { authenticated: { principal: { exact: WEB.slice('spiffe://'.length) } } }, { principal: WEB }, NEITHER],
    ['authenticated by a pattern', { authenticated: { principal: { regex: 'spiffe://[^/]+/ns/default/.*' } } }, { principal: WEB }, BOTH],
  ])('%s', (_, node, asked, expected) => expect(matches(node, asked)).toEqual(expected))

  it('permissions and principals must both match, one of each', () => {
    const policy = {
      name: 'service-admin',
      permissions: [{ and: [{ header: { name: 'x-n', exact: 'a' } }, { destinationPort: 8080 }] }, { path: { prefix: '/open' } }],
      principals: [{ authenticated: { principal: { exact: WEB } } }, { sourceIp: '10.0.0.0/8' }],
    }
    const ask = (asked: InboundCallOptions): string => new Authorizer([policy]).decide(inboundCall(asked)).action
    expect(ask({ principal: WEB, headers: { 'x-n': 'a' } })).toBe('allow')
    expect(ask({ principal: WEB, pathname: '/open/x' })).toBe('allow')
    expect(ask({ peerAddress: '10.0.0.1', pathname: '/open/x' })).toBe('allow')
    expect(ask({ pathname: '/open/x' })).toBe('deny')
    expect(ask({ principal: WEB })).toBe('deny')
  })
})

function token(claims: Record<string, unknown>): InboundCallOptions {
  return { requestPrincipal: { id: 'i/s', issuer: 'i', subject: 's', claims } }
}

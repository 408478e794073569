import { describe, expect, it } from 'vitest'
import type { AuthorizationPolicyOptions, AuthorizationRule } from '../../../../src/model/authorization.ts'
import type { InboundCall } from '../../../../src/model/inbound-call.ts'
import { Authorizer } from '../../../../src/security/authorization/authorizer.ts'
import { type InboundCallOptions, inboundCall } from '../../../support/inbound-call.ts'

const WEB = 'spiffe://cluster.local/ns/shop/sa/web'
const CART = 'spiffe://cluster.local/ns/cart/sa/cart'

function decide(policies: AuthorizationPolicyOptions[], asked: InboundCallOptions = {}): 'allow' | 'deny' {
  return new Authorizer(policies, { namespace: 'shop' }).decide(inboundCall(asked)).action
}

/** Whether one rule matches, as an allow and as a deny policy see it. */
function matches(rule: AuthorizationRule, asked: InboundCallOptions): { allow: boolean; deny: boolean } {
  return {
    allow: decide([{ name: 'a', action: 'allow', rules: [rule] }], asked) === 'allow',
    deny: decide([{ name: 'd', action: 'deny', rules: [rule] }], asked) === 'deny',
  }
}
const BOTH = { allow: true, deny: true }
const NEITHER = { allow: false, deny: false }

const source = (fields: object): AuthorizationRule => ({ from: [{ source: fields }] })
const operation = (fields: object): AuthorizationRule => ({ to: [{ operation: fields }] })
const when = (key: string, values?: (string | number)[], notValues?: string[]): AuthorizationRule => ({
  when: [{ key, ...(values === undefined ? {} : { values }), ...(notValues === undefined ? {} : { notValues }) }],
})
const token = (claims: Record<string, unknown>): InboundCallOptions => ({
  requestPrincipal: { id: 'issuer/subject', issuer: 'issuer', subject: 'subject', claims },
})

describe('which policy decides', () => {
  const allowGet: AuthorizationPolicyOptions = { name: 'get', rules: [operation({ methods: ['GET'] })] }
  const denyAdmin: AuthorizationPolicyOptions = { name: 'admin', action: 'DENY', rules: [operation({ paths: ['/admin*'] })] }

  it.each<[string, AuthorizationPolicyOptions[], InboundCallOptions, string]>([
    ['no policies: allow', [], {}, 'allow'],
    ['an allow policy without rules allows nothing', [{ name: 'nothing' }], {}, 'deny'],
    ['nor one with an empty list', [{ name: 'nothing', action: 'ALLOW', rules: [] }], {}, 'deny'],
    ['an empty rule matches everything', [{ name: 'all', rules: [{}] }], {}, 'allow'],
    ['and denies everything', [{ name: 'all', action: 'deny', rules: [{}] }], {}, 'deny'],
    ['only deny policies: what they do not match is allowed', [denyAdmin], { method: 'PUT' }, 'allow'],
    ['allow policies: what none matches is denied', [allowGet], { method: 'POST' }, 'deny'],
    ['one that matches is enough', [{ name: 'nothing' }, allowGet], {}, 'allow'],
    ['deny comes before allow', [allowGet, denyAdmin], { pathname: '/admin/x' }, 'deny'],
    ['in whatever order', [denyAdmin, allowGet], { pathname: '/admin/x' }, 'deny'],
    ['one of several rules is enough', [{ name: 'a', rules: [operation({ ports: [1] }), operation({ ports: [8080] })] }], {}, 'allow'],
  ])('%s', (_, policies, asked, expected) => expect(decide(policies, asked)).toBe(expected))
})

describe('from', () => {
  it.each<[string, AuthorizationRule, InboundCallOptions, { allow: boolean; deny: boolean }]>([
    ['a principal as Istio writes it', source({ principals: ['cluster.local/ns/shop/sa/web'] }), { principal: WEB }, BOTH],
    ['a principal with its scheme', source({ principals: [WEB] }), { principal: WEB }, BOTH],
    ['another one', source({ principals: [WEB] }), { principal: CART }, NEITHER],
    ['nobody', source({ principals: ['*'] }), {}, NEITHER],
    ['anybody with a certificate', source({ principals: ['*'] }), { principal: WEB }, BOTH],
    ['a prefix', source({ principals: ['cluster.local/ns/shop/*'] }), { principal: WEB }, BOTH],
    ['a prefix with the scheme', source({ principals: ['spiffe://cluster.local/ns/shop/*'] }), { principal: WEB }, BOTH],
    ['a suffix', source({ principals: ['*/sa/web'] }), { principal: WEB }, BOTH],
    ['a suffix does not reach into the scheme', source({ principals: ['*/cluster.local/ns/shop/sa/web'] }), { principal: WEB }, NEITHER],
    ['not a principal', source({ notPrincipals: [WEB] }), { principal: CART }, BOTH],
    ['not a principal, which it is', source({ notPrincipals: [WEB] }), { principal: WEB }, NEITHER],
    ['not a principal, when there is none', source({ notPrincipals: [WEB] }), {}, BOTH],
    ['a namespace', source({ namespaces: ['shop'] }), { principal: WEB }, BOTH],
    ['a namespace, of nobody', source({ namespaces: ['*'] }), {}, NEITHER],
    ['not a namespace, of nobody', source({ notNamespaces: ['shop'] }), {}, BOTH],
    ['an account in the namespace of the policy', source({ serviceAccounts: ['web'] }), { principal: WEB }, BOTH],
    ['an account of the same name elsewhere', source({ serviceAccounts: ['cart'] }), { principal: CART }, NEITHER],
    ['an account with its namespace', source({ serviceAccounts: ['cart/cart'] }), { principal: CART }, BOTH],
    ['not an account', source({ notServiceAccounts: ['cart/cart'] }), { principal: WEB }, BOTH],
    ['a range', source({ ipBlocks: ['10.1.0.0/16'] }), { peerAddress: '10.1.2.3' }, BOTH],
    ['an address', source({ ipBlocks: ['10.1.2.3'] }), { peerAddress: '::ffff:10.1.2.3' }, BOTH],
    ['outside of a range', source({ ipBlocks: ['10.1.0.0/16'] }), { peerAddress: '10.2.0.1' }, NEITHER],
    ['a range of IPv6', source({ ipBlocks: ['2001:db8::/33'] }), { peerAddress: '2001:db8:7fff::1' }, BOTH],
    ['outside of it', source({ ipBlocks: ['2001:db8::/33'] }), { peerAddress: '2001:db8:8000::1' }, NEITHER],
    ['the client is not the peer', source({ ipBlocks: ['10.1.0.0/16'] }), { peerAddress: '10.2.0.1', remoteAddress: '10.1.0.1' }, NEITHER],
    ['the client', source({ remoteIpBlocks: ['10.1.0.0/16'] }), { peerAddress: '10.2.0.1', remoteAddress: '10.1.0.1' }, BOTH],
    ['not a range', source({ notIpBlocks: ['0.0.0.0/0'] }), { peerAddress: '10.2.0.1' }, NEITHER],
    ['a token', source({ requestPrincipals: ['issuer/*'] }), token({}), BOTH],
    ['no token', source({ requestPrincipals: ['*'] }), {}, NEITHER],
    ['not a token, when there is none', source({ notRequestPrincipals: ['*'] }), {}, BOTH],
    ['all fields must hold', source({ namespaces: ['shop'], ipBlocks: ['10.0.0.0/8'] }), { principal: WEB }, NEITHER],
    ['one source is enough', { from: [{ source: { namespaces: ['x'] } }, { source: { principals: ['*'] } }] }, { principal: WEB }, BOTH],
  ])('%s', (_, rule, asked, expected) => expect(matches(rule, asked)).toEqual(expected))

  it('a name in a certificate is no SPIFFE id: it may not pass for one, and cannot slip by as none', () => {
    const ask = (pattern: string, id: string) => {
      const principal = { id, trustDomain: undefined, namespace: undefined, serviceAccount: undefined }
      const call: InboundCall = { ...inboundCall(), principal }
      const rules = [source({ principals: [pattern] })]
      return {
        allow: new Authorizer([{ name: 'a', rules }]).decide(call).action === 'allow',
        deny: new Authorizer([{ name: 'd', action: 'deny', rules }]).decide(call).action === 'deny',
      }
    }
    expect(ask('billing.internal', 'billing.internal')).toEqual(BOTH)
    expect(ask('*', 'billing.internal')).toEqual(BOTH)
    expect(ask('cluster.local/ns/shop/sa/web', 'cluster.local/ns/shop/sa/web')).toEqual({ allow: false, deny: true })
    expect(ask('*/sa/web', 'x/sa/web')).toEqual({ allow: false, deny: true })
    expect(ask('billing*', 'billing.internal')).toEqual({ allow: false, deny: true })
  })
})

describe('to', () => {
  it.each<[string, AuthorizationRule, InboundCallOptions, { allow: boolean; deny: boolean }]>([
    ['a host', operation({ hosts: ['Shop.Example.com'] }), { hostname: 'shop.example.com', host: 'SHOP.example.com:8080' }, BOTH],
    ['a host with a port', operation({ hosts: ['web:8080'] }), { host: 'web:8080' }, BOTH],
    ['a host with another port', operation({ hosts: ['web:80'] }), { host: 'web:8080' }, NEITHER],
    ['a host on any port, as Istio advises', operation({ hosts: ['web', 'web:*'] }), { host: 'web:8080' }, BOTH],
    ['a suffix of hosts', operation({ hosts: ['*.example.com'] }), { hostname: 'a.example.com' }, BOTH],
    ['a suffix of hosts, and not the domain', operation({ hosts: ['*.example.com'] }), { hostname: 'example.com' }, NEITHER],
    ['not a host', operation({ notHosts: ['web'] }), { hostname: 'web' }, NEITHER],
    ['a port as text', operation({ ports: ['8080'] }), {}, BOTH],
    ['not a port', operation({ notPorts: ['8080'] }), {}, NEITHER],
    ['a method', operation({ methods: ['get'] }), {}, BOTH],
    ['a method in small letters is the same one', operation({ methods: ['GET'] }), { method: 'get' }, BOTH],
    ['a prefix of methods', operation({ methods: ['P*'] }), { method: 'PATCH' }, BOTH],
    ['not a method', operation({ notMethods: ['GET', 'HEAD'] }), { method: 'DELETE' }, BOTH],
    ['a path', operation({ paths: ['/info'] }), { path: '/info?a=1' }, BOTH],
    ['a path is not its prefix', operation({ paths: ['/info'] }), { path: '/info/more' }, NEITHER],
    ['a path prefix', operation({ paths: ['/test/*'] }), { path: '/test/test2' }, BOTH],
    ['a path suffix', operation({ paths: ['*/info'] }), { path: '/a/b/info' }, BOTH],
    ['any path', operation({ paths: ['*'] }), { path: '/' }, BOTH],
    ['not a path', operation({ paths: ['/test/*'], notPaths: ['/test/open'] }), { path: '/test/open' }, NEITHER],
    // The templates of Istio's own reference.
    ['/foo/{*} and one segment', operation({ paths: ['/foo/{*}'] }), { path: '/foo/bar' }, BOTH],
    ['/foo/{*} and two', operation({ paths: ['/foo/{*}'] }), { path: '/foo/bar/baz' }, NEITHER],
    ['/foo/{*} and an empty one', operation({ paths: ['/foo/{*}'] }), { path: '/foo/' }, NEITHER],
    ['/foo/{**}/ and below', operation({ paths: ['/foo/{**}/'] }), { path: '/foo/bar/' }, BOTH],
    ['/foo/{**}/ and no slash at the end', operation({ paths: ['/foo/{**}/'] }), { path: '/foo/bar' }, NEITHER],
    ['/foo/{**} and all below', operation({ paths: ['/foo/{**}'] }), { path: '/foo/bar/baz.txt' }, BOTH],
    ['/foo/{**} and itself', operation({ paths: ['/foo/{**}'] }), { path: '/foo' }, NEITHER],
    ['/foo/{*}/bar/{**}', operation({ paths: ['/foo/{*}/bar/{**}'] }), { path: '/foo/buzz/bar/baz/x' }, BOTH],
    ['/foo/{*}/bar/{**} and its beginning', operation({ paths: ['/foo/{*}/bar/{**}'] }), { path: '/foo/buzz/bar' }, NEITHER],
    ['/{**}/x does not overlap itself', operation({ paths: ['/ab/{**}/ba'] }), { path: '/ab/ba' }, NEITHER],
  ])('%s', (_, rule, asked, expected) => expect(matches(rule, asked)).toEqual(expected))
})

describe('when', () => {
  const headers = (...values: string[]): InboundCallOptions => ({ headers: { 'x-team': values } })

  it.each<[string, AuthorizationRule, InboundCallOptions, { allow: boolean; deny: boolean }]>([
    ['a header', when('request.headers[X-Team]', ['a']), headers('a'), BOTH],
    ['a header that is absent', when('request.headers[x-team]', ['*']), {}, NEITHER],
    ['a header that is there', when('request.headers[x-team]', ['*']), headers(''), BOTH],
    [
      'one of several values: allow wants all, deny one',
      when('request.headers[x-team]', ['a']),
      headers('a', 'b'),
      { allow: false, deny: true },
    ],
    ['all values', when('request.headers[x-team]', ['a', 'b*']), headers('a', 'bc'), BOTH],
    ['not one of several', when('request.headers[x-team]', undefined, ['a']), headers('a', 'b'), { allow: false, deny: true }],
    ['none of them', when('request.headers[x-team]', undefined, ['c']), headers('a', 'b'), BOTH],
    ['not a value, of an absent header', when('request.headers[x-team]', undefined, ['a']), {}, BOTH],
    ['a peer address', when('source.ip', ['127.0.0.0/8']), {}, BOTH],
    ['a client address', when('remote.ip', ['10.0.0.0/8']), { remoteAddress: '10.0.0.1' }, BOTH],
    ['a namespace', when('source.namespace', ['shop']), { principal: WEB }, BOTH],
    ['a principal', when('source.principal', ['cluster.local/ns/shop/*']), { principal: WEB }, BOTH],
    ['a token', when('request.auth.principal', ['issuer/subject']), token({}), BOTH],
    ['an audience', when('request.auth.audiences', ['me']), token({ aud: ['you', 'me'] }), BOTH],
    ['the one audience', when('request.auth.audiences', ['me']), token({ aud: 'me' }), BOTH],
    ['a presenter', when('request.auth.presenter', ['app']), token({ azp: 'app' }), BOTH],
    ['a claim', when('request.auth.claims[group]', ['admin']), token({ group: 'admin' }), BOTH],
    ['an element of a claim', when('request.auth.claims[groups]', ['admin']), token({ groups: ['dev', 'admin'] }), BOTH],
    ['not an element', when('request.auth.claims[groups]', undefined, ['admin']), token({ groups: ['dev', 'admin'] }), NEITHER],
    ['a nested claim', when('request.auth.claims[realm][roles]', ['a*']), token({ realm: { roles: ['abc'] } }), BOTH],
    ['a claim that is there', when('request.auth.claims[group]', ['*']), token({ group: '' }), BOTH],
    ['a claim that is not', when('request.auth.claims[group]', ['*']), token({}), NEITHER],
    ['no inherited claim', when('request.auth.claims[constructor][name]', ['*']), token({}), NEITHER],
    ['a scope', when('request.auth.claims[scope]', ['write']), token({ scope: 'read write' }), BOTH],
    ['a number', when('request.auth.claims[level]', [3]), token({ level: 3 }), BOTH],
    ['an own address', when('destination.ip', ['127.0.0.1']), {}, BOTH],
    ['an own port', when('destination.port', [8080]), {}, BOTH],
    ['a server name', when('connection.sni', ['*.example.com']), { serverName: 'a.example.com' }, BOTH],
    ['no server name', when('connection.sni', ['*']), {}, NEITHER],
    [
      'all conditions',
      { when: [...(when('destination.port', [8080]).when ?? []), ...(when('connection.sni', ['*']).when ?? [])] },
      {},
      NEITHER,
    ],
  ])('%s', (_, rule, asked, expected) => expect(matches(rule, asked)).toEqual(expected))
})

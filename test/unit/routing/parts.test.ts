import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.ts'
import { safePattern, substitutionProblem } from '../../../src/core/safe-pattern.ts'
import type { PathRewriteSettings, RedirectSettings } from '../../../src/model/route-settings.ts'
import { CompiledRule } from '../../../src/routing/compiled-rule.ts'
import { hashKeyOf } from '../../../src/routing/hash-key.ts'
import { HostSearch } from '../../../src/routing/host-search.ts'
import { Location } from '../../../src/routing/location.ts'
import { PathRewrite } from '../../../src/routing/path-rewrite.ts'
import { pathTemplate } from '../../../src/routing/path-template.ts'
import { viewOf } from '../../support/routing.ts'

describe('the host search', () => {
  const search = new HostSearch<string>()
  const patterns = [
    '*',
    'www.foo.com',
    '*.foo.com',
    '*-bar.foo.com',
    '*.bar.foo.com',
    'foo.*',
    'foo.co*',
    'shop',
    'shop:8080',
    '*.foo.com:81',
  ]
  for (const pattern of patterns) search.add(pattern, pattern)
  search.add('shop', 'a second one')
  search.seal()
  const find = (host: string, port = 80): string | undefined => search.exact(host, port) ?? search.wildcard(host, port)

  it.each([
    ['www.foo.com', 'www.foo.com'],
    ['api.foo.com', '*.foo.com'],
    ['a.b.foo.com', '*.foo.com'],
    // Envoy: the longest ending first; `*-bar.foo.com` takes baz-bar.foo.com, and not -bar.foo.com.
    ['baz-bar.foo.com', '*-bar.foo.com'],
    ['-bar.foo.com', '*.foo.com'],
    ['x.bar.foo.com', '*.bar.foo.com'],
    ['.foo.com', 'nobody'],
    ['foo.net', 'foo.*'],
    ['foo.com', 'foo.co*'],
    ['foo.', '*'],
    ['shop', 'shop'],
    ['elsewhere.example', '*'],
  ])('%s is %s', (host, pattern) => expect(find(host)).toBe(pattern === 'nobody' ? '*' : pattern))

  it('a port goes before none, and only on its own port', () => {
    expect([find('shop', 8080), find('shop', 80), find('api.foo.com', 81)]).toEqual(['shop:8080', 'shop', '*.foo.com:81'])
  })
  it('an ending goes before a beginning, and finds nobody where nobody is', () => {
    const two = new HostSearch<string>()
    two.add('a.*', 'beginning')
    two.add('*.b', 'ending')
    two.seal()
    expect([two.wildcard('a.b', 80), two.wildcard('a.c', 80), two.wildcard('b', 80)]).toEqual(['ending', 'beginning', undefined])
  })
})

describe('rewriting a path', () => {
  it.each<[PathRewriteSettings, path: string, prefixLength: number, becomes: string]>([
    [{ prefix: '/v2' }, '/api/orders', 4, '/v2/orders'],
    [{ prefix: '/' }, '/api/orders', 4, '/orders'],
    [{ prefix: '/' }, '/api', 4, '/'],
    [{ prefix: '/' }, '/apiary', 4, '/ary'],
    [{ prefix: '/x' }, '/api', 4, '/x'],
    [{ path: '/only' }, '/api/orders', 0, '/only'],
    // Envoy's own examples of regex_rewrite.
    [{ regex: { pattern: '^/service/([^/]+)(/.*)$', substitution: '\\2/instance/\\1' } }, '/service/foo/v1/api', 0, '/v1/api/instance/foo'],
    [{ regex: { pattern: 'one', substitution: 'two' } }, '/xxx/one/yyy/one/zzz', 0, '/xxx/two/yyy/two/zzz'],
    [{ regex: { pattern: '^(.*?)one(.*)$', substitution: '\\1two\\2' } }, '/xxx/one/yyy/one/zzz', 0, '/xxx/two/yyy/one/zzz'],
    [{ regex: { pattern: '(?i)/xxx/', substitution: '/yyy/' } }, '/aaa/XxX/bbb', 0, '/aaa/yyy/bbb'],
    [{ regex: { pattern: '/nobody', substitution: '/x' } }, '/api', 0, '/api'],
    [{ regex: { pattern: '^/(a)?', substitution: '\\\\\\1' } }, '/b', 0, '/\\b'],
  ])('%j of %s', (settings, path, prefixLength, becomes) => expect(new PathRewrite(settings).apply(path, prefixLength)).toBe(becomes))
})

describe('where a redirect leads', () => {
  it.each<[Partial<RedirectSettings>, authority: string, secure: boolean, path: string, location: string]>([
    [{ scheme: 'https' }, 'shop', false, '/a?b', 'https://shop/a?b'],
    [{ scheme: 'https' }, 'shop:8080', false, '/a', 'https://shop/a'],
    [{ host: 'new' }, 'shop:8080', false, '/a', 'http://new/a'],
    [{ host: 'new:81' }, 'shop', true, '/a', 'https://new:81/a'],
    [{ path: '/x' }, 'shop:8080', false, '/a?b=c', 'http://shop:8080/x?b=c'],
    [{ path: '/x', stripQuery: true }, 'shop', false, '/a?b=c', 'http://shop/x'],
    [{ port: 443 }, 'shop', true, '/', 'https://shop/'],
    [{ port: 444 }, '[::1]:8080', true, '/', 'https://[::1]:444/'],
    [{ prefix: '/new' }, 'shop', false, '/api/x', 'http://shop/new/x'],
    [{ regex: { pattern: '/api/(.*)', substitution: '/\\1/api' } }, 'shop', false, '/api/x', 'http://shop/x/api'],
  ])('%j of %s', (settings, authority, secure, path, expected) => {
    const location = new Location({ stripQuery: false, status: 301, ...settings })
    expect(location.of({ secure, authority }, viewOf({ path }), 4)).toBe(expected)
  })
})

describe('the draw among backends', () => {
  const ruleOf = (weights: readonly number[], name = 'canary') => {
    const backends = weights.map((weight, index) => ({ service: String(index), weight }))
    return new CompiledRule({ name, matches: [], caseSensitive: true, mirror: [], hash: [], backends }, 'shop')
  }
  const counts = (weights: number[], key?: (turn: number) => string): number[] => {
    const rule = ruleOf(weights)
    const random = seededRandom(7)
    const drawn = weights.map(() => 0)
    for (let turn = 0; turn < 20_000; turn++) {
      const index = Number(rule.pick(key?.(turn), random)?.service)
      drawn[index] = (drawn[index] ?? 0) + 1
    }
    return drawn.map((count) => count / 20_000)
  }

  it.each([[[90, 10]], [[1, 1, 1]], [[0, 5, 0, 5]], [[1_000_000, 1]], [[7]]])('follows the weights %j', (weights) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    for (const [index, share] of counts(weights).entries()) expect(Math.abs(share - (weights[index] as number) / total)).toBeLessThan(0.015)
    for (const [index, share] of counts(weights, (turn) => `user-${turn}`).entries())
      expect(Math.abs(share - (weights[index] as number) / total)).toBeLessThan(0.015)
  })
  it('never draws one without weight, wherever it stands', () => {
    expect([counts([0, 1, 0]), ruleOf([3, 7, 0]).pick(undefined, () => 1 - 2 ** -53)?.service]).toEqual([[0, 1, 0], '1'])
  })
  it('a key always gets the same one, and another in another rule', () => {
    const keys = Array.from({ length: 200 }, (_, index) => `user-${index}`)
    const draw = (name: string): (string | undefined)[] => {
      const rule = ruleOf([1, 1], name)
      return keys.map((key) => rule.pick(key, () => 0.99)?.service)
    }
    expect(draw('one')).toEqual(draw('one'))
    const both = draw('one').filter((index, at) => index === draw('other')[at]).length
    expect(both).toBeGreaterThan(60)
    expect(both).toBeLessThan(140)
  })
})

describe('the key of a request', () => {
  it.each([
    ['x', { headers: { 'x-user': 'x' } }],
    ['c', { headers: { cookie: 'a=b; session=c; session=d' } }],
    ['q', { path: '/?u=q' }],
    ['x', { path: '/?u=q', headers: { 'x-user': 'x', cookie: 'session=c' } }],
    ['q', { path: '/?u=q', headers: { 'x-user': '' } }],
    [undefined, { headers: { cookie: 'sessions=c; session' } }],
  ])('%s of %j', (key, request) => {
    const from = [
      { from: 'header', name: 'x-user' },
      { from: 'cookie', name: 'session' },
      { from: 'query', name: 'u' },
    ] as const
    expect(hashKeyOf(from, viewOf(request))).toBe(key)
  })
})

describe('patterns and templates', () => {
  it('are linear: what takes a native pattern for ever takes a moment', () => {
    const pattern = safePattern('(a+)+$')
    if ('problem' in pattern) throw new Error(pattern.problem)
    const start = performance.now()
    expect(pattern.matches(`${'a'.repeat(20_000)}b`)).toBe(false)
    expect(performance.now() - start).toBeLessThan(2_000)
  })
  it.each([
    ['(', 'missing closing )'],
    ['(?=a)', 'invalid or unsupported Perl syntax'],
    ['(a)\\1', 'invalid escape sequence'],
    ['a'.repeat(3_000), 'at most 2048 are taken'],
  ])('%.20s is told: %s', (pattern, problem) => expect(safePattern(pattern)).toEqual({ problem: expect.stringContaining(problem) }))
  it.each([
    ['\\1', 1, undefined],
    ['\\0-\\\\', 0, undefined],
    ['\\2', 1, '\\2 is no group of the pattern, which has 1'],
    ['\\a', 1, '\\a is no group; a backslash is written \\\\'],
    ['\\', 0, '\\ is no group; a backslash is written \\\\'],
  ])('the substitution %s of %d groups', (text, groups, problem) => expect(substitutionProblem(text, groups)).toBe(problem))
  it.each([
    ['users', 'begins with no /'],
    ['/{a}/{a}', 'a is there twice'],
    ['/{}', '{} has no name of letters, digits and _, at most 16'],
    ['/{a=}', '{a=} stands for nothing'],
    ['/{a', 'has braces that do not belong together'],
    ['/a}', 'has braces that do not belong together'],
    ['/**/x/*', 'has a wildcard after **'],
    ['/***', 'has three * in a row'],
    ['/*a*', 'has two wildcards in one segment: *a*'],
    ['/{a}{b}', 'has two wildcards side by side'],
  ])('the template %s %s', (template, problem) => expect(pathTemplate(template)).toEqual({ problem }))
})

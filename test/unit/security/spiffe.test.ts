import { describe, expect, it } from 'vitest'
import { matchesSan, readSanMatch, sanText } from '../../../src/security/spiffe/san-matcher.ts'
import { parseSpiffeId } from '../../../src/security/spiffe/spiffe-id.ts'

describe('SPIFFE ids', () => {
  const longest = `spiffe://example.org/${'a'.repeat(2_048 - 21)}`
  it.each<[string, string, string]>([
    ['spiffe://example.org/ns/a/sa/b', 'example.org', '/ns/a/sa/b'],
    ['spiffe://example.org', 'example.org', ''],
    ['spiffe://a/b', 'a', '/b'],
    ['spiffe://1.2.3.4/service', '1.2.3.4', '/service'],
    ['spiffe://under_score-dash.org/A.b_C-9', 'under_score-dash.org', '/A.b_C-9'],
    ['spiffe://example.org/...', 'example.org', '/...'],
    [`spiffe://${'a'.repeat(255)}/x`, 'a'.repeat(255), '/x'],
    [longest, 'example.org', longest.slice(20)],
  ])('%s', (id, trustDomain, path) => expect(parseSpiffeId(id)).toEqual({ id, trustDomain, path }))

  it.each([
    '',
    'example.org/a',
    'http://example.org/a',
    'Spiffe://example.org/a',
    'SPIFFE://example.org/a',
    'spiffe:/example.org/a',
    'spiffe:example.org/a',
    'spiffe://',
    'spiffe:///a',
    'spiffe://Example.org/a',
    'spiffe://exämple.org/a',
    'spiffe://example.org:443/a',
    'spiffe://user@example.org/a',
    'spiffe://user:password@example.org/a',
    'spiffe://[::1]/a',
    'spiffe://example.org?a=b',
    'spiffe://example.org#a',
    'spiffe://example.org/',
    'spiffe://example.org/a/',
    'spiffe://example.org//a',
    'spiffe://example.org/a//b',
    'spiffe://example.org/.',
    'spiffe://example.org/a/../b',
    'spiffe://example.org/a?b',
    'spiffe://example.org/a#b',
    'spiffe://example.org/a%2fb',
    'spiffe://example.org/a b',
    'spiffe://example.org/*',
    'spiffe://*/a',
    'spiffe://example.org/ä',
    'spiffe://example.org/a\u0000',
    'spiffe://example.org/a\n',
    'spiffe://example.org\n/a',
    `spiffe://${'a'.repeat(256)}/x`,
    `${longest}a`,
  ])('is none: %j', (id) => expect(parseSpiffeId(id)).toHaveProperty('problem'))
})

describe('names that a certificate must have', () => {
  const id = 'spiffe://example.org/ns/a/sa/b'
  it.each<[string, string[], string[], boolean]>([
    [id, [id], [], true],
    [id, [`${id}c`], [], false],
    [id, [id.toUpperCase()], [], false],
    [id, [], [id], true],
    ['spiffe://example.org/*', [id], [], true],
    ['spiffe://example.org/*', ['spiffe://example.org.evil.com/x'], [], false],
    ['spiffe://example.org/*', ['spiffe://example.org/'], [], false],
    ['spiffe://example.org/ns/a/*', [id], [], true],
    ['spiffe://example.org/ns/a/*', ['spiffe://example.org/ns/ab/sa/b'], [], false],
    ['*/sa/b', [id], [], true],
    ['*/sa/b', ['/sa/b'], [], false],
    ['*', [id], [], true],
    ['*', [], [], false],
    ['orders.internal', [], ['ORDERS.internal'], true],
    ['Orders.Internal', [], ['orders.internal'], true],
    ['orders.internal', [], ['*.internal'], true],
    ['a.orders.internal', [], ['*.internal'], false],
    ['internal', [], ['*.internal'], false],
    ['*.internal', [], ['orders.internal'], true],
    ['*.internal', [], ['.internal'], false],
  ])('%s against %j and %j', (written, uris, dnsNames, matches) => {
    const match = readSanMatch(written)
    if ('problem' in match) throw new Error(match.problem)
    expect(matchesSan([match], { uris, dnsNames })).toBe(matches)
    expect(sanText(match).toLowerCase()).toBe(written.toLowerCase())
  })

  it.each([
    'spiffe://example.org*',
    'spiffe://*',
    'spiffe:*',
    'spiffe://Example.org/*',
    'spiffe://example.org/a/',
    'a*b',
    '**',
    '*a*',
    'spiffe://a:1/*',
  ])('is refused: %s', (written) => expect(readSanMatch(written)).toHaveProperty('problem'))
})

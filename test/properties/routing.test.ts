import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MatchOptions } from '../../src/index.ts'
import { Rules } from '../../src/routing/rules.ts'
import { type AskedRequest, matches, matchOf, viewOf } from '../support/routing.ts'

const segment = fc.constantFrom('a', 'b', 'ab', 'A', 'abc', '1')
const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
const separated = path.filter((each) => each.length > 1)
const template = fc.array(fc.oneof(segment, fc.constant('*')), { minLength: 1, maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
const regex = fc.oneof(
  path.map((each) => `${each}.*`),
  path.map((each) => `${each}?`),
  fc.tuple(path, path).map(([a, b]) => `${a}|${b}`),
  fc.constantFrom('.*', '/[ab]+', '^/a+/?b*', '(?i)/AB'),
)
const pathMatch = fc.oneof(
  path.map((exact) => ({ exact })),
  path.map((prefix) => ({ prefix })),
  separated.map((pathSeparatedPrefix) => ({ pathSeparatedPrefix })),
  regex.map((each) => ({ regex: each })),
  template.map((each) => ({ template: each })),
)
const value = fc.constantFrom('1', '2', '')
const header = fc.oneof(
  value.map((exact) => ({ name: 'x', exact })),
  value.map((exact) => ({ name: 'y', exact, invert: true })),
  fc.boolean().map((present) => ({ name: 'y', present })),
)
const query = fc.oneof(
  value.map((exact) => ({ name: 'q', exact })),
  fc.boolean().map((present) => ({ name: 'q', present })),
)
const matchArbitrary: fc.Arbitrary<MatchOptions> = fc.record(
  {
    path: pathMatch,
    headers: fc.array(header, { maxLength: 2 }),
    query: fc.array(query, { maxLength: 1 }),
    method: fc.constantFrom('GET', 'POST'),
    fraction: fc.constantFrom(0, 30, 70, 100),
  },
  { requiredKeys: [] },
)
const rule = fc.record({ matches: fc.array(matchArbitrary, { maxLength: 3 }), caseSensitive: fc.boolean() })
const request: fc.Arbitrary<AskedRequest> = fc.record({
  path: fc.tuple(path, fc.constantFrom('', '?q=1', '?q', '?x&q=2')).map(([before, after]) => before + after),
  method: fc.constantFrom('GET', 'POST'),
  headers: fc.dictionary(fc.constantFrom('x', 'y'), value),
  draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
})

describe('the trie of rules', () => {
  it('finds what a scan of the list finds first', () =>
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 40 }), fc.array(request, { minLength: 1, maxLength: 8 }), (rules, requests) => {
        const compiled = rules.map(({ matches: options, caseSensitive }, index) => ({
          index,
          matches: options.map(matchOf),
          caseSensitive,
        }))
        const trie = new Rules(compiled)
        for (const asked of requests) {
          const scanned = rules.findIndex(
            ({ matches: options, caseSensitive }) => options.length === 0 || options.some((each) => matches(each, asked, caseSensitive)),
          )
          expect(trie.find(viewOf(asked))?.rule.index ?? -1).toBe(scanned)
        }
      }),
      { numRuns: 300 },
    ))

  it('tells many rules under one path apart by a header, in their order', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(30), { minLength: 8, maxLength: 200 }), fc.nat(30), fc.nat(199), (values, wanted, open) => {
        const rules = values.map((each, index) => ({
          index,
          matches: [
            matchOf(index === open ? { path: { prefix: '/' } } : { path: { prefix: '/' }, headers: [{ name: 'x', exact: `${each}` }] }),
          ],
          caseSensitive: true,
        }))
        const found = new Rules(rules).find(viewOf({ headers: { x: `${wanted}` } }))
        const scanned = values.findIndex((each, index) => index === open || each === wanted)
        expect(found?.rule.index ?? -1).toBe(scanned)
      }),
      { numRuns: 200 },
    ))
})

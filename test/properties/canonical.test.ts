import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PathSettings } from '../../src/model/inbound.ts'
import { canonicalHost } from '../../src/security/canonical/host.ts'
import { canonicalPathname, foldPathname, plainEnd } from '../../src/security/canonical/pathname.ts'
import { canonicalTarget } from '../../src/security/canonical/target.ts'

/** Pieces that paths are attacked with, beside ordinary ones. */
const PIECES = [
  '/',
  '.',
  '..',
  '%2e',
  '%2F',
  '%5c',
  '\\',
  ';',
  '%3b',
  '%25',
  '%',
  'a',
  'B',
  '%61',
  '%00',
  '%c3%a9',
  '\u00c3',
  '%E2%84%AA',
  '?',
  '#',
  ' ',
]
const path = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)
const settings: fc.Arbitrary<PathSettings> = fc.record({
  normalize: fc.constantFrom('none', 'base', 'merge-slashes', 'decode-and-merge-slashes'),
  escapedSlashes: fc.constantFrom('keep', 'reject', 'unescape'),
  parameters: fc.constantFrom('refuse', 'strip', 'keep'),
  routing: fc.constant(undefined),
})
const runs = { numRuns: 3_000 }

describe('the canonical path', () => {
  it('read again is itself', () => {
    fc.assert(
      fc.property(path, settings, (written, rules) => {
        const once = canonicalPathname(written.replace(/[?#]/g, ''), rules)
        if (typeof once !== 'string') return
        expect(canonicalPathname(once, rules)).toBe(once)
      }),
      runs,
    )
  })

  it('has no dots, doubled slashes, raw backslashes or escaped letters left', () => {
    fc.assert(
      fc.property(path, settings, (written, rules) => {
        const canonical = canonicalPathname(written.replace(/[?#]/g, ''), rules)
        if (typeof canonical !== 'string' || rules.normalize === 'none') return
        expect(canonical).toMatch(/^\/(?!\/)/)
        expect(canonical).not.toMatch(/(?:^|\/)\.\.?(?:\/|$)|\\|%[46][1-9a-f]|%2[de]/i)
        if (rules.normalize !== 'base') expect(canonical).not.toContain('//')
        if (rules.parameters !== 'keep') expect(canonical).not.toContain(';')
      }),
      runs,
    )
  })

  it('found quickly is the one found slowly', () => {
    fc.assert(
      fc.property(path, settings, (written, rules) => {
        const end = plainEnd(written)
        if (end >= 0) expect(canonicalPathname(written.slice(0, end), rules)).toBe(written.slice(0, end))
      }),
      runs,
    )
  })

  it('folded alike, whatever its spelling was', () => {
    fc.assert(
      fc.property(path, (written) => {
        const rules = { normalize: 'merge-slashes', escapedSlashes: 'unescape', parameters: 'strip', routing: undefined } as const
        const canonical = canonicalPathname(written.replace(/[?#]/g, ''), rules)
        if (typeof canonical === 'string') expect(foldPathname(canonical)).toBe(foldPathname(canonical.toUpperCase()))
      }),
      runs,
    )
  })
})

describe('whatever comes in', () => {
  it('is read or refused, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('GET', 'OPTIONS', 'CONNECT'), settings, (target, method, rules) => {
        canonicalTarget(method, target, rules)
        canonicalTarget(method, `/${target}`, rules)
        canonicalHost(target)
        foldPathname(target)
      }),
      runs,
    )
  })
})

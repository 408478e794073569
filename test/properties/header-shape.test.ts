import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { HeaderSettings } from '../../src/model/inbound.ts'
import { isShaped, shapeOf } from '../../src/security/canonical/header-shape.ts'
import { type HeaderFindings, type Standing, scanHeaders } from '../../src/security/canonical/headers.ts'

const NAMES = [
  'Host',
  'host',
  'hOST',
  'Authorization',
  'authorization',
  'Content-Length',
  'Cache-Control',
  'x-mesh-priority',
  'X-Envoy-Attempt-Count',
  'X-Forwarded-Client-Cert',
  'x_real_ip',
  'Accept',
]
const header = fc.tuple(fc.constantFrom(...NAMES), fc.string({ maxLength: 12 }))
const headers = fc.array(header, { maxLength: 8 })
const settings: fc.Arbitrary<HeaderSettings> = fc.record({
  underscores: fc.constantFrom('refuse', 'drop', 'keep'),
  maxCount: fc.constantFrom(4, 8, 200),
  maxBytes: fc.constantFrom(40, 80, 65_536),
})
const standing = fc.constantFrom<Standing>('stranger', 'peer', 'proxy')
const cutAt = fc.constantFrom(6, 12, 2_000)

function nothing(): HeaderFindings {
  return { writtenHost: undefined, marked: false }
}

/** As the guard does it: what was in order is remembered. */
function remembered(raw: readonly string[], rules: HeaderSettings, who: Standing, cut: number): ReturnType<typeof shapeOf> {
  const findings = nothing()
  if (scanHeaders(raw, rules, who, findings, cut) !== undefined || findings.marked) return undefined
  return shapeOf(raw, findings.writtenHost !== undefined)
}

it('headers that have the shape of others are judged as the scan would judge them, and their host is the same', () => {
  let shaped = 0
  fc.assert(
    fc.property(headers, headers, fc.boolean(), settings, standing, cutAt, (first, second, alike, rules, who, cut) => {
      const shape = remembered(first.flat(), rules, who, cut)
      if (shape === undefined) return
      // Often the same names with other values, as the requests of a connection have them.
      const next = alike ? first.flatMap(([name], at) => [name, second[at]?.[1] ?? '']) : second.flat()
      const quick = nothing()
      const slow = nothing()
      const problem = scanHeaders(next, rules, who, slow, cut)
      if (isShaped(next, shape, rules.maxBytes, quick)) {
        shaped++
        expect(problem).toBeUndefined()
        expect(quick).toEqual(slow)
      } else {
        expect(quick).toEqual(nothing())
        if (alike) expect(problem?.reason).toBe('the headers are too large')
      }
    }),
    { numRuns: 3_000 },
  )
  expect(shaped).toBeGreaterThan(100)
})

it('what a stranger makes long is not kept', () => {
  const many = Array.from({ length: 65 }, (_, at) => [`x-${at}`, '']).flat()
  expect(shapeOf(many, false)).toBeUndefined()
  expect(shapeOf(['x'.repeat(2_049), ''], false)).toBeUndefined()
  expect(shapeOf(['Accept', '*/*', 'hOsT', 'web'], true)).toEqual({ names: ['Accept', 'hOsT'], size: 10, hostAt: 3 })
})

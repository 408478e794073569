import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { parseContents } from '../../src/config/file/read-configuration.ts'
import { parseMeshOptions } from '../../src/config/mesh-options.ts'
import { unfoldServices } from '../../src/config/short-form.ts'
import { AddressPolicy } from '../../src/core/address.ts'
import { systemClock } from '../../src/core/clock.ts'

const parse = (content: string | Uint8Array) =>
  parseContents(
    { version: '', files: [{ label: 'mesh.yaml', content: Buffer.from(content as string) }] },
    { policy: new AddressPolicy([]), namespace: 'default' },
    systemClock,
  )

const service = fc.record(
  {
    timeout: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constantFrom('250ms', '2s', '1m30s')),
    hosts: fc.uniqueArray(fc.domain(), { maxLength: 1 }),
    endpoints: fc.uniqueArray(
      fc.integer({ min: 1, max: 65_535 }).map((port) => `10.0.0.1:${port}`),
      { maxLength: 4 },
    ),
    retry: fc.oneof(fc.constant(false), fc.record({ attempts: fc.integer({ min: 0, max: 10 }) })),
  },
  { requiredKeys: [] },
)
const document = fc.record({
  services: fc.dictionary(
    fc.stringMatching(/^[a-zA-Z0-9 @:#|'"{}[\]~!&*%-]{1,20}$/).filter((name) => name !== '__proto__'),
    service,
    { maxKeys: 5 },
  ),
})
const isRight = (given: unknown): boolean => {
  try {
    parseMeshOptions(given)
    return true
  } catch {
    return false
  }
}

describe('files', () => {
  it('say the same as options, in YAML, in JSON and in JSON with indents', () =>
    fc.assert(
      fc.asyncProperty(document.filter(isRight), async (given) => {
        const expected = parseMeshOptions(given).resources
        for (const text of [stringify(given), JSON.stringify(given), JSON.stringify(given, null, '\t')]) {
          const { services, problems } = await parse(text)
          expect(problems).toEqual([])
          expect(unfoldServices(services ?? new Map(), 'default')).toEqual(expected)
        }
      }),
      { numRuns: 100 },
    ))

  it('whatever is in them, it is taken or told with a place that is there', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc
            .array(
              fc.constantFrom(
                'services:',
                ' ',
                '\n',
                '  a:',
                '- ',
                '{',
                '}',
                '[',
                ']',
                '&a',
                '*a',
                '!t',
                '<<: ',
                '"',
                "'",
                '|',
                '>',
                '? ',
                ': ',
                '---',
                '%',
                '#',
                '\t',
                '\0',
              ),
            )
            .map((parts) => parts.join('')),
          fc
            .tuple(
              document.map((given) => stringify(given)),
              fc.nat(),
              fc.string({ maxLength: 3 }),
            )
            .map(([text, at, odd]) => {
              const place = at % (text.length + 1)
              return text.slice(0, place) + odd + text.slice(place + 1)
            }),
          fc.uint8Array({ maxLength: 200 }),
        ),
        async (content) => {
          const { services, problems } = await parse(content)
          expect(services === undefined).toBe(problems.length > 0)
          const lines = Buffer.from(content as string)
            .toString('utf8')
            .split('\n')
          for (const { line, column } of problems) {
            expect(line).toBeGreaterThanOrEqual(1)
            expect(line).toBeLessThanOrEqual(lines.length)
            expect(column).toBeGreaterThanOrEqual(1)
            expect(column).toBeLessThanOrEqual((lines[line - 1] as string).length + 1)
          }
        },
      ),
      { numRuns: 500 },
    ))
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { DEFAULT_LANES } from '../../src/model/defaults.ts'
import type { SelectionSettings, SelectionStep } from '../../src/model/subsets.ts'
import { choicesOf } from '../support/choices.ts'
import { callOf } from '../support/sample.ts'

type Metadata = Record<string, string>

/** Few values of few keys, so that matches and misses are both there; a list counts as its values. */
const metadata = fc.record(
  { version: fc.constantFrom('v1', 'v2', '["v1","v2"]'), region: fc.constantFrom('eu', 'us'), lane: fc.constantFrom('blue', 'red', '') },
  { requiredKeys: [] },
) as fc.Arbitrary<Metadata>
const fleet = fc.array(fc.record({ metadata, out: fc.boolean() }), { maxLength: 12 })
const wanted = fc.record(
  { version: fc.constantFrom('v1', 'v2', 'v3'), region: fc.constantFrom('eu', 'us') },
  { requiredKeys: [] },
) as fc.Arbitrary<Metadata>
const places: fc.Arbitrary<readonly SelectionStep[]> = fc
  .tuple(
    fc.array(
      wanted.map((each): SelectionStep => ({ metadata: each })),
      { maxLength: 3 },
    ),
    fc.boolean(),
  )
  .map(([steps, any]) => (any ? [...steps, { any: true as const }] : steps))
const lanes = fc.option(fc.boolean(), { nil: undefined })
const colour = fc.constantFrom(undefined, 'blue', 'red', 'grey')

const has = ({ spec }: Endpoint, asked: Metadata): boolean =>
  Object.entries(asked).every(([key, value]) => {
    const own = spec.metadata[key]
    return own === value || (own?.startsWith('[') === true && (JSON.parse(own) as string[]).includes(value))
  })

/** Those of `among` that a call of a colour goes to, said anew. */
function laneOf(among: Endpoint[], asked: string | undefined, strict: boolean | undefined): Endpoint[] {
  if (strict === undefined) return among
  const own = asked === undefined ? [] : among.filter((endpoint) => has(endpoint, { lane: asked }))
  if (own.some(({ out }) => !out) || (strict && own.length > 0)) return own
  if (strict && asked !== undefined) return []
  const plain = among.filter(({ spec }) => (spec.metadata['lane'] ?? '') === '')
  return plain.length > 0 ? plain : among
}

/** Whom a first try may go to: the first place where somebody is usable, else the last where there is somebody at all. */
function expected(
  endpoints: Endpoint[],
  steps: readonly SelectionStep[],
  asked: string | undefined,
  strict: boolean | undefined,
): Endpoint[] {
  const there = steps
    .map(({ metadata: each = {} }) => endpoints.filter((endpoint) => has(endpoint, each)))
    .filter((matching) => matching.length > 0)
    .map((matching) => laneOf(matching, asked, strict))
  return there.find((each) => each.some(({ out }) => !out)) ?? there.at(-1) ?? []
}

describe('calls by metadata', () => {
  it('go to whom they are meant for, or elsewhere as it is said, whatever endpoints there are and become', () => {
    fc.assert(
      fc.property(fleet, fleet, wanted, places, lanes, colour, fc.nat(), (before, after, meant, otherwise, strict, asked, seed) => {
        const lane = strict === undefined ? false : { ...DEFAULT_LANES, strict }
        const all = [...before, ...after]
        const { choices, set, endpoints } = choicesOf(
          all.map((each) => each.metadata),
          { lanes: lane },
          seed,
        )
        const selection: SelectionSettings = { metadata: meant, otherwise }
        const choice = choices.of(selection, '')
        for (const present of [endpoints.slice(0, before.length), endpoints, endpoints.slice(before.length)]) {
          set.replace(present)
          for (const endpoint of present) set.setHealth(endpoint, all[endpoints.indexOf(endpoint)]?.out === true, false)
          const allowed = expected(present, [{ metadata: meant }, ...otherwise], asked, strict)
          const panics = allowed.filter(({ out }) => !out).length * 100 < 50 * allowed.length
          for (let turn = 0; turn < 4; turn++) {
            const picked = choice.pick(callOf({ tries: 0 }), asked, 0)
            if (allowed.length === 0) expect(picked).toBeUndefined()
            else expect(allowed).toContain(picked)
            if (picked !== undefined && !panics) expect(picked.out).toBe(false)
          }
        }
      }),
    )
  })

  it('further tries go to everybody who is allowed, and to nobody else', () => {
    fc.assert(
      fc.property(fleet, wanted, places, fc.nat(), (all, meant, otherwise, seed) => {
        const { choices, set, endpoints } = choicesOf(
          all.map((each) => each.metadata),
          {},
          seed,
        )
        for (const [index, { out }] of all.entries()) set.setHealth(endpoints[index] as Endpoint, out, false)
        const choice = choices.of({ metadata: meant, otherwise }, '')
        const steps = [{ metadata: meant }, ...otherwise] as readonly SelectionStep[]
        const allowed = endpoints.filter((endpoint) => steps.some(({ metadata: each = {} }) => has(endpoint, each)))
        const tried: Endpoint[] = []
        for (;;) {
          const call = callOf({ tries: tried.length }, tried)
          expect(choice.hasUntried(call, undefined)).toBe(tried.length < allowed.length && allowed.some((each) => !tried.includes(each)))
          const picked = choice.pick(call, undefined, 0)
          if (picked === undefined || tried.includes(picked)) break
          expect(allowed).toContain(picked)
          // Whoever is out comes after everybody who is not.
          if (tried.length > 0 && picked.out) expect(allowed.filter((each) => !tried.includes(each)).every(({ out }) => out)).toBe(true)
          tried.push(picked)
        }
        if (allowed.length > 0) expect(allowed.filter((each) => !tried.includes(each)).every(({ out }) => out)).toBe(true)
        else expect(tried).toEqual([])
      }),
    )
  })
})

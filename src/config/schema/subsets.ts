import * as v from 'valibot'
import type { NamedSubsetSettings, SelectionSettings, SelectionStep } from '../../model/subsets.ts'
import { checked, compact, isPlainObject, listOf, mapOf, type Report, record, text } from './blocks.ts'

/** Metadata that endpoints must have. */
const wanted: v.GenericSchema<unknown, Readonly<Record<string, string>>> = v.pipe(
  mapOf(
    text(253),
    checked('text', (input) => (typeof input === 'string' ? input : undefined)),
  ),
  v.check((map) => map.size > 0, 'expected at least one key'),
  v.check((map) => map.size <= 32, 'expected at most 32 keys'),
  v.transform((map) => Object.freeze(Object.fromEntries(map))),
)

const step: v.GenericSchema<unknown, SelectionStep> = v.lazy((input) => (typeof input === 'string' ? namedStep : metadataStep))

const metadataStep: v.GenericSchema<unknown, SelectionStep> = v.pipe(
  wanted,
  v.transform((metadata) => Object.freeze({ metadata })),
)

const namedStep: v.GenericSchema<unknown, SelectionStep> = v.pipe(
  text(253),
  v.transform((name) => (name === 'any' ? ANY : Object.freeze({ subset: name }))),
)

const stepList = listOf('places', step, (steps, report) => {
  const last = Math.max(-1, ...steps.keys())
  for (const [at, { any, subset }] of steps) {
    if (any === true && at < last) report([at], 'any endpoint will do from here on, so nothing may follow')
    if (subset === 'none') report([at], 'a list ends with nowhere by itself: leave "none" out')
  }
})

/** Where calls go while nobody is usable that they are meant for. */
const otherwise: v.GenericSchema<unknown, readonly SelectionStep[]> = v.lazy((input) =>
  typeof input === 'string'
    ? checked('none, any or a list of subsets and metadata', (word) => (word === 'any' ? [ANY] : word === 'none' ? [] : undefined))
    : stepList,
)

const whole = record({ metadata: wanted, otherwise: v.optional(otherwise, []) })

/** One subset: its metadata alone, or under `metadata` beside what else is said of it. */
const subset: v.GenericSchema<unknown, NamedSubsetSettings> = v.pipe(
  v.lazy((input) =>
    // A label that is called `otherwise` must be written under `metadata`: who forgot that would never hear of it.
    isPlainObject(input) && (typeof input['metadata'] === 'object' || Object.hasOwn(input, 'otherwise'))
      ? whole
      : v.pipe(
          wanted,
          v.transform((metadata) => ({ metadata, otherwise: [] })),
        ),
  ) as v.GenericSchema<unknown, NamedSubsetSettings>,
  v.transform((written) => Object.freeze(written)),
)

const subsetName = v.pipe(
  text(253),
  v.check((name) => name !== 'any' && name !== 'none', 'any and none are words of otherwise, and no names of subsets'),
) as v.GenericSchema<unknown, string>

/** `subsets` of a service or of `defaults`. */
export const subsets: v.GenericSchema<unknown, Readonly<Record<string, NamedSubsetSettings>>> = v.pipe(
  mapOf(subsetName, subset),
  v.transform((map) => Object.freeze(Object.fromEntries(map))),
)

/** What a backend or a mirror may say of the endpoints of its service. */
export const selectionEntries = {
  subset: v.optional(text(253)),
  metadata: v.optional(wanted),
  otherwise: v.optional(otherwise),
}

/** What these must be to each other. */
export function acrossSelection(_: unknown, report: Report, given: Readonly<Record<string, unknown>>): void {
  const { subset: name, metadata, otherwise: places } = given
  if (name !== undefined && metadata !== undefined) report([], 'subset and metadata exclude each other')
  if (places !== undefined && name === undefined && metadata === undefined) report(['otherwise'], 'goes with subset or metadata')
}

/** The part of a backend or mirror that says which endpoints of its service are meant. */
export function selectionOf({ subset: name, metadata, otherwise: places }: SelectionSettings): SelectionSettings {
  return compact({ subset: name, metadata, otherwise: places })
}

const ANY: SelectionStep = Object.freeze({ any: true })

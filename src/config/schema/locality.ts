import * as v from 'valibot'
import type { LocalitySettings, PlaceWeight, PrioritySettings } from '../../model/locality.ts'
import { checked, compact, integer, isPlainObject, listOf, mapOf, oneOf, print, record, text } from './blocks.ts'

const boolean = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

const forceLocalZone: v.GenericSchema<unknown, number | false> = v.lazy((input) =>
  isPlainObject(input)
    ? v.pipe(
        record({ minEndpoints: integer(1, 1_000_000) }),
        v.transform(({ minEndpoints }) => minEndpoints),
      )
    : v.pipe(
        boolean,
        v.transform((on): number | false => (on ? 1 : false)),
      ),
) as v.GenericSchema<unknown, number | false>

const place = checked('a region, region/zone or region/zone/subZone', (input) =>
  typeof input === 'string' && v.is(text(761), input) && input.split('/').every((part) => part !== '') ? input : undefined,
)

const weights: v.GenericSchema<unknown, readonly PlaceWeight[]> = v.pipe(
  mapOf(place, integer(0, 1_000_000), (written, report) => {
    if (![...written.values()].some((weight) => weight > 0)) report([], 'expected at least one place with a weight above 0')
  }),
  v.transform((map) => Object.freeze([...map].map(([name, weight]) => Object.freeze({ place: name, weight })))),
)

const failover = v.pipe(
  listOf('regions', record({ from: text(253), to: text(253) }), (written, report) => {
    for (const [index, { from, to }] of written) if (from === to) report([index, 'to'], 'expected another region than from')
  }),
  v.transform((list) => Object.freeze(list)),
)

/** What only one mode reads; written with another one it is a mistake. */
const OF_MODE = { minEndpoints: 'zone-aware', forceLocalZone: 'zone-aware', weights: 'weighted', failover: 'failover' } as const

/** `locality` of a service or of `defaults`; what was not written stays absent. */
export const locality: v.GenericSchema<unknown, Partial<LocalitySettings>> = v.pipe(
  record(
    {
      mode: v.optional(oneOf(['zone-aware', 'weighted', 'failover'])),
      minEndpoints: v.optional(integer(1, 1_000_000)),
      forceLocalZone: v.optional(forceLocalZone),
      weights: v.optional(weights),
      failover: v.optional(failover),
    },
    [],
    (written, report, given) => {
      const { mode } = written
      for (const [key, own] of Object.entries(OF_MODE)) {
        if (mode !== undefined && mode !== own && given[key] !== undefined) report([key], `goes with mode ${own}, not with ${mode}`)
      }
      if (mode === 'weighted' && given['weights'] === undefined)
        report(['weights'], 'expected the weights of places, which mode weighted needs')
    },
  ),
  v.transform((written) => compact(written) as Partial<LocalitySettings>),
)

/** `priorities` of a service or of `defaults`. */
export const priorities: v.GenericSchema<unknown, Partial<PrioritySettings>> = v.pipe(
  record({
    overprovisioningPercent: v.optional(
      checked(
        'a percentage from 100 to 1000',
        (input) => (typeof input === 'number' && input >= 100 && input <= 1_000 ? input : undefined),
        // Envoy writes it as a factor.
        (input) =>
          typeof input === 'number' && input >= 1 && input <= 10
            ? `${input}; did you mean ${Number((input * 100).toPrecision(6))}?`
            : print(input),
      ),
    ),
    failTrafficOnPanic: v.optional(boolean),
  }),
  v.transform((written) => compact(written) as Partial<PrioritySettings>),
)

/** `retry.otherPriorities`: the try from which on others are preferred; `false` is never. */
export const otherPriorities: v.GenericSchema<unknown, number | false> = v.lazy((input) =>
  isPlainObject(input)
    ? v.pipe(
        record({ after: integer(1, 10) }),
        v.transform(({ after }) => after),
      )
    : v.pipe(
        boolean,
        v.transform((on): number | false => (on ? 1 : false)),
      ),
) as v.GenericSchema<unknown, number | false>

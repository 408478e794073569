import * as v from 'valibot'
import { parseDuration } from '../../core/duration.ts'
import type { HedgeSettings, Percentile } from '../../model/hedge.ts'
import { checked, compact, integer, percent, record } from './blocks.ts'
import { yesOrNo } from './route-match.ts'

const after = checked("a duration above 0 such as '200ms', a percentile from p50 to p99.9, or false", (input) => {
  if (input === false) return false
  if (typeof input === 'string' && /^p\d{2}(?:\.\d)?$/.test(input)) return Number(input.slice(1)) >= 50 ? (input as Percentile) : undefined
  const ms = parseDuration(input)
  return ms === 0 ? undefined : ms
})

const ownEntries = { after: v.optional(after), max: v.optional(integer(1, 4)), onTryTimeout: v.optional(yesOrNo) }

/** The section `hedge` of a service. */
export const hedge: v.GenericSchema<unknown, Partial<HedgeSettings>> = v.pipe(
  record({ ...ownEntries, extraLoadPercent: v.optional(percent()) }),
  v.transform((written) => compact(written) as Partial<HedgeSettings>),
)

/** Fields of it that a rule may write. */
export const ruleHedge: v.GenericSchema<unknown, Partial<HedgeSettings>> = v.pipe(
  v.unknown(),
  v.rawCheck(({ dataset: { value }, addIssue }) => {
    if (Object.hasOwn((value ?? {}) as object, 'extraLoadPercent'))
      addIssue({ message: 'extraLoadPercent belongs to the service: what bounds its load is one for all rules' })
  }),
  hedge,
)

import * as v from 'valibot'
import type { LaneSettings } from '../../model/route-settings.ts'
import { checked, compact, record, text } from './blocks.ts'
import { headerName } from './protection.ts'

/** `lanes` of a service or of `defaults`. */
export const lanes: v.GenericSchema<unknown, Partial<LaneSettings>> = v.pipe(
  record({
    header: v.optional(headerName),
    label: v.optional(text(253)),
    baseline: v.optional(text(253)),
    strict: v.optional(checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))),
  }),
  v.transform((written) => compact(written) as Partial<LaneSettings>),
)

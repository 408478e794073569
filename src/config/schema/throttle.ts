import * as v from 'valibot'
import type { ThrottleSettings } from '../../model/throttle.ts'
import { checked, compact, duration, integer, percent, record } from './blocks.ts'

const aggression = checked('a number from 0.1 to 10', (input) =>
  typeof input === 'number' && input >= 0.1 && input <= 10 ? input : undefined,
)

const section: v.GenericSchema<unknown, Partial<ThrottleSettings>> = v.pipe(
  record({
    successPercent: v.optional(percent(1)),
    aggression: v.optional(aggression),
    window: v.optional(duration()),
    maxRejectPercent: v.optional(percent()),
    minPerSecond: v.optional(integer(0, 1_000_000)),
  }),
  v.transform(({ window, ...rest }) => compact({ ...rest, windowMs: window }) as Partial<ThrottleSettings>),
)

/** `throttle` of a service: `true` for what is below, or the defaults. */
export const throttle = v.lazy((input) =>
  input === true
    ? v.pipe(
        v.literal(true),
        v.transform(() => ({})),
      )
    : section,
) as v.GenericSchema<unknown, Partial<ThrottleSettings>>

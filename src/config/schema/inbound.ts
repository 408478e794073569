import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import { record } from './blocks.ts'
import { rateLimitHeaders, rateLimits, shedding } from './inbound-limits.ts'
import { allowAddresses } from './service.ts'

/** `inbound: { … }` of the options. */
export const inbound: v.GenericSchema<unknown, InboundSettings> = record({
  trustedProxies: v.optional(allowAddresses, []),
  rateLimits: v.optional(rateLimits, []),
  rateLimitHeaders: v.optional(rateLimitHeaders, {}),
  shedding: v.optional(shedding, false),
})

import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import { authentication } from './authentication.ts'
import { record } from './blocks.ts'
import { allowAddresses } from './service.ts'

/** `inbound: { … }` of the options. */
export const inbound: v.GenericSchema<unknown, InboundSettings> = record({
  trustedProxies: v.optional(allowAddresses, []),
  authentication: v.optional(authentication),
})

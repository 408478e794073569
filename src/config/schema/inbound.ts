import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import { record } from './blocks.ts'
import { inboundTls } from './inbound-tls.ts'
import { allowAddresses } from './service.ts'

/** `inbound: { … }` of the options. */
export const inbound = record({
  trustedProxies: v.optional(allowAddresses, []),
  tls: v.optional(inboundTls),
}) as v.GenericSchema<unknown, InboundSettings>

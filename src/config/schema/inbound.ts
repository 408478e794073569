import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import { authorizationPolicies, type ParsedAuthorizationPolicy } from './authorization.ts'
import { record } from './blocks.ts'
import { allowAddresses } from './service.ts'

/** `inbound: { … }` of the options. */
export const inbound: v.GenericSchema<unknown, InboundSettings & { authorization: readonly ParsedAuthorizationPolicy[] }> = record({
  trustedProxies: v.optional(allowAddresses, []),
  authorization: v.optional(authorizationPolicies, []),
})

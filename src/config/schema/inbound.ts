import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import type { InboundGate } from '../../model/inbound-call.ts'
import { listOf, record, withMethods } from './blocks.ts'
import { headers, paths } from './inbound-paths.ts'
import { healthPaths, lifecycle } from './lifecycle.ts'
import { allowAddresses } from './service.ts'

/** `inbound: { … }` of the options. */
export const inbound: v.GenericSchema<unknown, InboundSettings> = record({
  trustedProxies: v.optional(allowAddresses, []),
  paths: v.optional(paths, {}),
  headers: v.optional(headers, {}),
  lifecycle: v.optional(lifecycle, {}),
  health: v.optional(healthPaths, {}),
  gates: v.optional(listOf('gates', withMethods<InboundGate>('a gate', 'admit')), []),
})

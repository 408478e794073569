import * as v from 'valibot'
import type { InboundSettings } from '../../model/inbound.ts'
import type { InboundGate } from '../../model/inbound-call.ts'
import { inboundConcurrency } from './adaptive-concurrency.ts'
import { authentication } from './authentication.ts'
import { authorizationPolicies, type ParsedAuthorizationPolicy } from './authorization.ts'
import { listOf, record, withMethods } from './blocks.ts'
import { rateLimitHeaders, rateLimits, shedding } from './inbound-limits.ts'
import { headers, paths } from './inbound-paths.ts'
import { inboundTls } from './inbound-tls.ts'
import { healthPaths, lifecycle } from './lifecycle.ts'
import { trustedProxies } from './trusted-proxies.ts'

/** `inbound: { … }` of the options. */
export const inbound: v.GenericSchema<unknown, InboundSettings & { authorization: readonly ParsedAuthorizationPolicy[] }> = record({
  trustedProxies: v.optional(trustedProxies, []),
  tls: v.optional(inboundTls),
  authentication: v.optional(authentication),
  paths: v.optional(paths, {}),
  headers: v.optional(headers, {}),
  lifecycle: v.optional(lifecycle, {}),
  health: v.optional(healthPaths, {}),
  gates: v.optional(listOf('gates', withMethods<InboundGate>('a gate', 'admit')), []),
  rateLimits: v.optional(rateLimits, []),
  rateLimitHeaders: v.optional(rateLimitHeaders, {}),
  shedding: v.optional(shedding, false),
  adaptiveConcurrency: v.optional(inboundConcurrency, false),
  authorization: v.optional(authorizationPolicies, []),
})

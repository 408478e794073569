import * as v from 'valibot'
import type { HealthPathSettings, LifecycleSettings } from '../../model/readiness.ts'
import { checked, duration, record } from './blocks.ts'

/** A path that has one spelling only, for it is compared with what comes as it comes. */
const plainPath = checked('a path such as /readyz, without query and escapes', (input) =>
  typeof input === 'string' && /^\/[A-Za-z0-9._~/-]{1,200}$/.test(input) && !/\/\.{0,2}(?:\/|$)/.test(input) ? input : undefined,
)

const boolean = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

/** `inbound.lifecycle` of the options. */
export const lifecycle: v.GenericSchema<unknown, LifecycleSettings> = v.pipe(
  record({ drainDelay: v.optional(duration({ zero: true }), 0), warmUpTimeout: v.optional(duration({ zero: true }), 10_000) }),
  v.transform(({ drainDelay, warmUpTimeout }) => ({ drainDelayMs: drainDelay, warmUpTimeoutMs: warmUpTimeout })),
)

/** `inbound.health` of the options. */
export const healthPaths: v.GenericSchema<unknown, HealthPathSettings> = v.pipe(
  record({ liveness: v.optional(plainPath), readiness: v.optional(plainPath), grpc: v.optional(boolean, false) }, [], (written, report) => {
    if (written.liveness !== undefined && written.liveness === written.readiness)
      report(['readiness'], 'the same path as liveness, and the two are different questions')
  }),
  v.transform(({ liveness, readiness, grpc }) => ({ liveness, readiness, grpc })),
)

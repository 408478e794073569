import * as v from 'valibot'
import { DEFAULT_INBOUND_TLS } from '../../model/defaults.ts'
import type { InboundTlsSettings } from '../../model/identity.ts'
import { compact, duration, oneOf, record } from './blocks.ts'
import { sanMatches } from './san-matches.ts'
import { certificates } from './tls.ts'

/** What `mesh.tls` and `mesh.server` take for one server: what it does not say is absent. */
export const inboundTlsFields = v.pipe(
  record({
    mode: v.optional(oneOf(['off', 'simple', 'permissive', 'strict'])),
    ca: v.optional(certificates),
    sans: v.optional(sanMatches),
    minVersion: v.optional(oneOf(['TLSv1.2', 'TLSv1.3'])),
    maxConnectionAge: v.optional(duration()),
    handshakeTimeout: v.optional(duration()),
  }),
  v.transform(({ maxConnectionAge, handshakeTimeout, ...rest }) =>
    compact({ ...rest, maxConnectionAgeMs: maxConnectionAge, handshakeTimeoutMs: handshakeTimeout }),
  ),
) as v.GenericSchema<unknown, Partial<InboundTlsSettings>>

/** `inbound.tls: { … }` of the options. */
export const inboundTls = v.pipe(
  inboundTlsFields,
  v.transform((written): InboundTlsSettings => Object.freeze({ ...DEFAULT_INBOUND_TLS, ...written })),
) as v.GenericSchema<unknown, InboundTlsSettings>

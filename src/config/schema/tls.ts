import * as v from 'valibot'
import { builtinModule } from '../../core/builtin-module.ts'
import { SecretValue } from '../../core/secret.ts'
import type { PolicySections } from '../../model/resources.ts'
import { readCertificates } from '../../security/x509/pem.ts'
import { checked, oneOf, printType, record, text } from './blocks.ts'
import { sanMatches } from './san-matches.ts'

/** PEM or DER, one or several; copied, so that whoever changes his buffer later changes nothing here. */
export const pem: v.GenericSchema<unknown, (string | Buffer)[]> = checked(
  'PEM text or bytes, or a list of them',
  (input) => {
    const parts = Array.isArray(input) ? (input as unknown[]) : [input]
    const usable = parts.length > 0 && parts.every((part) => (typeof part === 'string' || part instanceof Uint8Array) && part.length > 0)
    return usable ? (parts as (string | Uint8Array)[]).map((part) => (typeof part === 'string' ? part : Buffer.from(part))) : undefined
  },
  printType,
)

/** Certificates, each as PEM. */
export const certificates = v.pipe(
  pem,
  v.rawTransform<(string | Buffer)[], readonly string[]>(({ dataset, addIssue, NEVER }) => {
    const read = attempt(() => dataset.value.flatMap(readCertificates))
    if (read !== undefined) return read
    addIssue({ message: 'no certificate can be read from it' })
    return NEVER
  }),
) as v.GenericSchema<unknown, readonly string[]>

/** A private key as PEM; never printed. */
export const privateKey = v.pipe(
  pem,
  v.check(
    (parts) =>
      parts.length === 1 && attempt(() => builtinModule('node:crypto').createPrivateKey(parts[0] as string | Buffer)) !== undefined,
    'no private key can be read from it',
  ),
  v.transform((parts) => new SecretValue(parts[0] as string | Buffer)),
)

const fields = record({
  mode: v.optional(oneOf(['off', 'simple', 'mutual'])),
  ca: v.optional(certificates),
  cert: v.optional(certificates),
  key: v.optional(privateKey),
  serverName: v.optional(text(253)),
  sans: v.optional(sanMatches),
  minVersion: v.optional(oneOf(['TLSv1.2', 'TLSv1.3'])),
})

type TlsFields = v.InferOutput<typeof fields>

/** How a service is reached under TLS; nothing of a key or a certificate ever stands in a problem. */
export const tls: v.GenericSchema<unknown, NonNullable<PolicySections['tls']>> = v.pipe(
  fields,
  v.rawCheck<TlsFields>(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const { mode, ca, cert, key } = dataset.value
    if (mode === 'mutual' && (ca ?? cert ?? key) !== undefined)
      addIssue({ message: 'in mode mutual our certificate is `identity`, and whom to believe stands in `trust`' })
    else if ((cert === undefined) !== (key === undefined)) addIssue({ message: 'cert and key go together' })
    else if (
      cert !== undefined &&
      attempt(() => builtinModule('node:tls').createSecureContext({ cert: cert.join(''), key: key?.reveal() as string })) === undefined
    )
      addIssue({ message: 'key is not the key of cert' })
  }),
  v.transform((written) => written as NonNullable<PolicySections['tls']>),
)

/** What `read` gives; undefined when it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

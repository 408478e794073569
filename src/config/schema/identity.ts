import { resolve } from 'node:path'
import * as v from 'valibot'
import type { Secret } from '../../core/secret.ts'
import type { Held, IdentitySettings, TrustSettings } from '../../model/identity.ts'
import { makeIdentity } from '../../security/identity/identity.ts'
import { readAuthorities, readRevocations } from '../../security/identity/trust-bundle.ts'
import { trustDomainProblem } from '../../security/spiffe/spiffe-id.ts'
import { readRevocationLists } from '../../security/x509/pem.ts'
import { checked, duration, mapOf, type Report, record, text } from './blocks.ts'
import { attempt, certificates, pem, privateKey } from './tls.ts'

/** A path, made absolute: a program may change its directory later. */
const path = v.pipe(
  text(4_096),
  v.transform((written) => resolve(written)),
)

const revocationLists = v.pipe(
  pem,
  v.rawTransform<(string | Buffer)[], readonly Uint8Array[]>(({ dataset, addIssue, NEVER }) => {
    const read = attempt(() => dataset.value.flatMap(readRevocationLists))
    if (read !== undefined) return read
    addIssue({ message: 'no revocation list can be read from it' })
    return NEVER
  }),
) as v.GenericSchema<unknown, readonly Uint8Array[]>

function held<T>(value: T | undefined, file: string | undefined): Held<T> {
  return Object.freeze({ value, file })
}

/** `identity: { … }` of the options. */
export const identity = v.pipe(
  record(
    {
      cert: v.optional(certificates),
      key: v.optional(privateKey),
      certFile: v.optional(path),
      keyFile: v.optional(path),
      ca: v.optional(certificates),
      caFile: v.optional(path),
      poll: v.optional(duration(), 10_000),
    },
    [],
    ({ cert, key, certFile, keyFile, ca, caFile }, report) => {
      oneOfThem('cert', cert, certFile, report)
      oneOfThem('key', key, keyFile, report)
      if (ca !== undefined && caFile !== undefined) report(['caFile'], 'ca and caFile exclude each other')
      if (ca !== undefined) complain(['ca'], () => readAuthorities(ca), report)
      if (cert !== undefined && key !== undefined) complain([], () => makeIdentity(cert, key), report)
    },
  ),
  v.transform(
    ({ cert, key, certFile, keyFile, ca, caFile, poll }): IdentitySettings =>
      Object.freeze({
        cert: held(cert, certFile),
        key: held<Secret>(key, keyFile),
        ca: ca === undefined && caFile === undefined ? undefined : held(ca, caFile),
        pollMs: poll,
      }),
  ),
) as v.GenericSchema<unknown, IdentitySettings>

const trustDomain = checked('a trust domain such as example.org', (input) =>
  typeof input === 'string' && trustDomainProblem(input) === undefined ? input : undefined,
)

const trustSettings = v.pipe(
  record(
    { ca: v.optional(certificates), caFile: v.optional(path), crl: v.optional(revocationLists), crlFile: v.optional(path) },
    [],
    ({ ca, caFile, crl, crlFile }, report) => {
      oneOfThem('ca', ca, caFile, report)
      if (crl !== undefined && crlFile !== undefined) report(['crlFile'], 'crl and crlFile exclude each other')
      if (ca !== undefined) complain(['ca'], () => readAuthorities(ca), report)
      if (crl !== undefined) complain(['crl'], () => readRevocations(crl), report)
    },
  ),
  v.transform(
    ({ ca, caFile, crl, crlFile }): TrustSettings =>
      Object.freeze({ ca: held(ca, caFile), crl: crl === undefined && crlFile === undefined ? undefined : held(crl, crlFile) }),
  ),
) as v.GenericSchema<unknown, TrustSettings>

/** `trust: { … }` of the options, by trust domain. */
export const trust = mapOf(trustDomain, trustSettings)

function oneOfThem(name: string, value: unknown, file: string | undefined, report: Report): void {
  if (value === undefined && file === undefined) report([name], `expected ${name} or ${name}File`)
  if (value !== undefined && file !== undefined) report([`${name}File`], `${name} and ${name}File exclude each other`)
}

/** What is wrong is told without a byte of a certificate or a key. */
function complain(at: readonly PropertyKey[], read: () => unknown, report: Report): void {
  try {
    read()
  } catch (error) {
    report(at, (error as Error).message)
  }
}

import { builtinModule } from '../../core/builtin-module.ts'
import type { Certificate } from './certificate.ts'
import { DerError, derOf, oidText, TAG, timeOf } from './der.ts'

/** What an issuer took back (RFC 5280 §5). */
export interface RevocationList {
  /** Name of the issuer, DER. */
  readonly issuer: Buffer
  /** Serial numbers in hexadecimal digits. */
  readonly revoked: ReadonlySet<string>
  readonly thisUpdate: number
  /** Milliseconds since the epoch after which it says nothing any more; Infinity when it does not say. */
  readonly nextUpdate: number
  /** Whether `issuer` signed it, and may. */
  signedBy(issuer: Certificate): boolean
}

/** Signature algorithms and the hash that goes with each; Ed25519 and Ed448 have their own. */
const HASHES: ReadonlyMap<string, string | undefined> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', undefined],
  ['1.3.101.113', undefined],
])

/** Extensions of a list that change nothing about what it says: number, key of the issuer, other ways to it. */
const HARMLESS: ReadonlySet<string> = new Set(['2.5.29.20', '2.5.29.35', '2.5.29.18', '2.5.29.46'])

/**
 * Reads a revocation list. One that is only a part (delta, for some certificates, of another issuer) is refused: taken for the whole
 * it would let through what it does not mention.
 * @throws Error that says what is wrong with it
 */
export function readRevocationList(der: Buffer): RevocationList {
  const outer = derOf(der, TAG.sequence)
  const signed = outer.read(TAG.sequence)
  const algorithm = outer.read(TAG.sequence)
  const { contents: bits } = outer.read(TAG.bitString)
  outer.end()
  const body = derOf(signed.whole, TAG.sequence)
  body.optional(TAG.integer)
  if (!body.read(TAG.sequence).whole.equals(algorithm.whole)) throw new DerError('two signature algorithms')
  const issuer = body.read(TAG.sequence).whole
  const thisUpdate = timeOf(body.any())
  const next = body.optional(TAG.utcTime) ?? body.optional(TAG.generalizedTime)
  const revoked = new Set<string>()
  const entries = body.nextTag === TAG.sequence ? body.enter(TAG.sequence) : undefined
  while (entries !== undefined && !entries.done) {
    const entry = entries.enter(TAG.sequence)
    revoked.add(entry.read(TAG.integer).contents.toString('hex'))
    entry.any()
    const extensions = entry.optional(TAG.sequence)
    // `certificateIssuer` and its like: the entry speaks of somebody else's certificate.
    if (extensions !== undefined) refuseCritical(extensions.whole)
    entry.end()
  }
  const extensions = body.optional(0xa0)
  body.end()
  if (extensions !== undefined) refuseCritical(extensions.contents, HARMLESS)
  const id = oidText(derOf(algorithm.whole, TAG.sequence).read(TAG.oid))
  if (!HASHES.has(id)) throw new DerError(`signed with ${id}, which is not known here`)
  const hash = HASHES.get(id)
  /** The authorities of a bundle are asked at each handshake. */
  const judged = new WeakMap<Certificate, boolean>()
  const fits = ({ subject, keyUsage, x509 }: Certificate): boolean =>
    subject.equals(issuer) &&
    keyUsage?.crlSign !== false &&
    builtinModule('node:crypto').verify(hash, signed.whole, x509.publicKey, bits.subarray(1))
  return Object.freeze({
    issuer,
    revoked,
    thisUpdate,
    nextUpdate: next === undefined ? Number.POSITIVE_INFINITY : timeOf(next),
    signedBy(authority: Certificate): boolean {
      const known = judged.get(authority)
      if (known !== undefined) return known
      const fit = fits(authority)
      judged.set(authority, fit)
      return fit
    },
  })
}

function refuseCritical(der: Buffer, harmless: ReadonlySet<string> = new Set()): void {
  const list = derOf(der, TAG.sequence)
  while (!list.done) {
    const extension = list.enter(TAG.sequence)
    const id = oidText(extension.read(TAG.oid))
    const critical = extension.optional(TAG.boolean) !== undefined
    if (critical && !harmless.has(id)) throw new DerError(`extension ${id} is not understood`)
  }
}

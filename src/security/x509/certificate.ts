import type { X509Certificate } from 'node:crypto'
import { builtinModule } from '../../core/builtin-module.ts'
import { bitsOf, booleanOf, DerError, DerReader, derOf, oidText, smallInteger, TAG, timeOf } from './der.ts'

/** What a certificate says, as far as anybody here asks; read from its DER and from nothing else. */
export interface Certificate {
  /** Node's view of the same bytes: it checks signatures. */
  readonly x509: X509Certificate
  readonly serial: string
  /** Name of its issuer, DER. */
  readonly issuer: Buffer
  readonly subject: Buffer
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly isAuthority: boolean
  /** Authorities that may still come between it and a leaf. */
  readonly pathLength: number
  /** Undefined: it does not say what its key is for. */
  readonly keyUsage: { readonly digitalSignature: boolean; readonly certSign: boolean; readonly crlSign: boolean } | undefined
  /** Object identifiers; undefined: for everything. */
  readonly extendedKeyUsage: readonly string[] | undefined
  /** It limits the names below it, which only OpenSSL judges. */
  readonly constrainsNames: boolean
  /** An extension that must be understood and is not. */
  readonly unknownCritical: string | undefined
}

const OID = Object.freeze({
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
})

/** Policies and their mappings and constraints: OpenSSL knows them, and nothing here depends on them. */
const UNDERSTOOD: ReadonlySet<string> = new Set([...Object.values(OID), '2.5.29.32', '2.5.29.33', '2.5.29.36', '2.5.29.54'])

/** Purposes of a key (RFC 5280 §4.2.1.12). */
export const PURPOSE = Object.freeze({ server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2', any: '2.5.29.37.0' })

/** A certificate is a few kilobytes; more is somebody trying something. */
const MAX_BYTES = 64 * 1024
const MAX_NAMES = 1_000

/**
 * Reads a certificate (RFC 5280 §4.1).
 * @throws Error that says what is wrong with it
 */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_BYTES) throw new DerError(`a certificate of ${der.length} bytes`)
  const x509 = new (builtinModule('node:crypto').X509Certificate)(der)
  const outer = derOf(x509.raw, TAG.sequence)
  const body = outer.enter(TAG.sequence)
  outer.read(TAG.sequence)
  outer.read(TAG.bitString)
  outer.end()

  const version = body.optional(0xa0)
  if (version === undefined || smallInteger(derInside(version.contents)) !== 2) throw new DerError('expected a certificate of version 3')
  const serial = body.read(TAG.integer).contents.toString('hex')
  body.read(TAG.sequence)
  const issuer = body.read(TAG.sequence).whole
  const validity = body.enter(TAG.sequence)
  const notBefore = timeOf(validity.any())
  const notAfter = timeOf(validity.any())
  validity.end()
  const subject = body.read(TAG.sequence).whole
  body.read(TAG.sequence)
  body.optional(0xa1)
  body.optional(0xa2)
  body.optional(0x81)
  body.optional(0x82)
  const extensions = body.optional(0xa3)
  body.end()
  const names = { uris: [] as string[], dnsNames: [] as string[] }
  const said = readExtensions(extensions?.contents, names)
  return Object.freeze({ x509, serial, issuer, subject, notBefore, notAfter, ...names, ...said })
}

function readExtensions(contents: Buffer | undefined, names: { uris: string[]; dnsNames: string[] }) {
  let constraints = { isAuthority: false, pathLength: Number.POSITIVE_INFINITY }
  let keyUsage: Certificate['keyUsage']
  let extendedKeyUsage: readonly string[] | undefined
  let constrainsNames = false
  let unknownCritical: string | undefined
  const seen = new Set<string>()
  const list = contents === undefined ? undefined : derOf(contents, TAG.sequence)
  while (list !== undefined && !list.done) {
    const extension = list.enter(TAG.sequence)
    const id = oidText(extension.read(TAG.oid))
    const flag = extension.optional(TAG.boolean)
    const critical = flag !== undefined && booleanOf(flag)
    const value = extension.read(TAG.octetString).contents
    extension.end()
    // RFC 5280 §4.2: never twice. Whoever reads the first and whoever reads the last would see two certificates.
    if (seen.has(id)) throw new DerError(`extension ${id} is there twice`)
    seen.add(id)
    if (id === OID.subjectAltName) readNames(value, names)
    else if (id === OID.basicConstraints) constraints = readConstraints(value)
    else if (id === OID.keyUsage) keyUsage = readKeyUsage(value)
    else if (id === OID.extendedKeyUsage) extendedKeyUsage = readPurposes(value)
    else if (id === OID.nameConstraints) constrainsNames = true
    else if (critical && !UNDERSTOOD.has(id)) unknownCritical = id
  }
  return { ...constraints, keyUsage, extendedKeyUsage, constrainsNames, unknownCritical }
}

/** RFC 5280 §4.2.1.6: [2] is a DNS name, [6] a URI, both IA5String. */
function readNames(value: Buffer, names: { uris: string[]; dnsNames: string[] }): void {
  const list = derOf(value, TAG.sequence)
  for (let count = 0; !list.done; count++) {
    if (count === MAX_NAMES) throw new DerError(`more than ${MAX_NAMES} names`)
    const { tag, contents } = list.any()
    if (tag === 0x86) names.uris.push(ia5(contents))
    else if (tag === 0x82) names.dnsNames.push(ia5(contents))
  }
}

/** Printable ASCII only: a NUL in the middle has ended names for others before. */
function ia5(contents: Buffer): string {
  for (const byte of contents) if (byte < 0x20 || byte > 0x7e) throw new DerError('a name with characters that no name has')
  return contents.toString('latin1')
}

function readConstraints(value: Buffer) {
  const list = derOf(value, TAG.sequence)
  const flag = list.optional(TAG.boolean)
  const length = list.optional(TAG.integer)
  list.end()
  const isAuthority = flag !== undefined && booleanOf(flag)
  return { isAuthority, pathLength: length === undefined ? Number.POSITIVE_INFINITY : smallInteger(length) }
}

function readKeyUsage(value: Buffer): Certificate['keyUsage'] {
  const bit = bitsOf(derInside(value, TAG.bitString))
  return Object.freeze({ digitalSignature: bit(0), certSign: bit(5), crlSign: bit(6) })
}

function readPurposes(value: Buffer): readonly string[] {
  const list = derOf(value, TAG.sequence)
  const purposes: string[] = []
  while (!list.done) purposes.push(oidText(list.read(TAG.oid)))
  return purposes
}

/** The one value of `tag` that `contents` are. */
function derInside(contents: Buffer, tag: number = TAG.integer) {
  const reader = new DerReader(contents)
  const value = reader.read(tag)
  reader.end()
  return value
}

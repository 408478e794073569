import { builtinModule } from '../../core/builtin-module.ts'
import type { Secret } from '../../core/secret.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { claimsSpiffe, svidOf } from '../spiffe/svid.ts'
import { type Certificate, readCertificate } from '../x509/certificate.ts'

/** A certificate with its key: who we are until another takes its place. */
export interface Identity {
  /** The SPIFFE id, or the first name of a certificate that carries none. */
  readonly id: string
  /** Undefined: good for a server's name, and not for mutual TLS. */
  readonly spiffe: SpiffeId | undefined
  /** The leaf and the intermediate certificates after it, PEM. */
  readonly chain: string
  readonly key: Secret
  readonly leaf: Certificate
}

/**
 * A certificate and a key that belong together.
 * @throws Error that says why they do not, and shows nothing of them
 */
export function makeIdentity(certificates: readonly string[], key: Secret): Identity {
  const [first] = certificates
  if (first === undefined) throw new Error('there is no certificate')
  const leaf = readCertificate(new (builtinModule('node:crypto').X509Certificate)(first).raw)
  if (!leaf.x509.checkPrivateKey(readKey(key))) throw new Error('key is not the key of cert')
  const spiffe = claimsSpiffe(leaf) ? svidOf(leaf) : undefined
  if (spiffe !== undefined && 'problem' in spiffe) throw new Error(`cert is no SVID: ${spiffe.problem}`)
  return Object.freeze({ id: spiffe?.id ?? nameOf(leaf), spiffe, chain: certificates.join(''), key, leaf })
}

/** What a certificate without a SPIFFE id is called: its first DNS name, its first URI, else its subject. */
export function nameOf({ dnsNames, uris, x509 }: Certificate): string {
  return dnsNames[0] ?? uris[0] ?? (x509.subject ?? '').replaceAll('\n', ', ')
}

function readKey(key: Secret) {
  try {
    return builtinModule('node:crypto').createPrivateKey(key.reveal() as string | Buffer)
  } catch {
    // What OpenSSL says of a key may show parts of it.
    throw new Error('no private key can be read from it')
  }
}

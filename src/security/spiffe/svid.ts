import type { Certificate } from '../x509/certificate.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/**
 * The SPIFFE id that `leaf` proves once its path is verified, or why it proves none (X509-SVID §2–§5): exactly one URI, a path in it,
 * no authority, a key that may sign handshakes and neither certificates nor revocation lists.
 */
export function svidOf(leaf: Certificate): SpiffeId | { readonly problem: string } {
  const { uris, isAuthority, keyUsage } = leaf
  const [uri] = uris
  if (uri === undefined) return { problem: 'the certificate carries no SPIFFE id' }
  if (uris.length > 1) return { problem: `the certificate carries ${uris.length} URIs, and an SVID carries one` }
  if (isAuthority) return { problem: 'the certificate is that of an authority' }
  if (keyUsage === undefined) return { problem: 'the certificate does not say what its key is for' }
  if (!keyUsage.digitalSignature) return { problem: 'its key is not for signatures' }
  if (keyUsage.certSign || keyUsage.crlSign) return { problem: 'its key is for signing certificates or revocation lists' }
  const id = parseSpiffeId(uri)
  if ('problem' in id) return { problem: `its URI is no SPIFFE id: ${id.problem}` }
  // An id without a path is that of the trust domain, which only its authorities may carry.
  return id.path === '' ? { problem: 'its SPIFFE id has no path' } : id
}

/** Whether a certificate claims to be an SVID, well or badly: then nothing else may be made of it. */
export function claimsSpiffe({ uris }: Certificate): boolean {
  return uris.some((uri) => /^spiffe:/i.test(uri))
}

import { builtinModule } from '../../core/builtin-module.ts'
import { type Certificate, readCertificate } from '../x509/certificate.ts'
import type { Anchors } from '../x509/path.ts'
import { type RevocationList, readRevocationList } from '../x509/revocation-list.ts'

/** Whom we believe in one trust domain, replaced whole when it changes. */
export interface TrustBundle extends Anchors {
  /** The authorities as Node's secure contexts take them, PEM. */
  readonly pem: readonly string[]
}

/**
 * @throws Error that says which of the certificates is none of an authority: believed all the same, it could stand for a whole
 * trust domain
 */
export function readAuthorities(pem: readonly string[]): readonly Certificate[] {
  if (pem.length === 0) throw new Error('there is no certificate')
  return pem.map((each, index) => {
    const certificate = readCertificate(new (builtinModule('node:crypto').X509Certificate)(each).raw)
    if (certificate.isAuthority && certificate.keyUsage?.certSign !== false) return certificate
    throw new Error(`certificate ${index + 1} is not that of an authority`)
  })
}

/** @throws Error that says which of the lists cannot be used */
export function readRevocations(der: readonly Uint8Array[]): readonly RevocationList[] {
  return der.map((each, index) => {
    try {
      return readRevocationList(Buffer.from(each))
    } catch (error) {
      throw new Error(`revocation list ${index + 1}: ${(error as Error).message}`)
    }
  })
}

/** @throws Error that says what is wrong with a part of it */
export function makeTrustBundle(pem: readonly string[], revocationLists: readonly Uint8Array[] = []): TrustBundle {
  return Object.freeze({ pem, authorities: readAuthorities(pem), revocations: readRevocations(revocationLists) })
}

/** Whether somebody may be believed by `former` and not by `present`: an authority went, or what was revoked changed. */
export function losesTrust(former: TrustBundle | undefined, present: TrustBundle): boolean {
  if (former === undefined) return false
  const kept = new Set(present.pem)
  if (former.pem.some((each) => !kept.has(each))) return true
  return present.revocations.length > 0 || former.revocations.length > 0
}

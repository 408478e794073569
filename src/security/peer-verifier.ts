import type { Clock } from '../core/clock.ts'
import type { Principal } from '../model/principal.ts'
import { nameOf } from './identity/identity.ts'
import type { IdentityStore } from './identity/identity-store.ts'
import type { SpiffeId } from './spiffe/spiffe-id.ts'
import { claimsSpiffe, svidOf } from './spiffe/svid.ts'
import { type Certificate, PURPOSE, readCertificate } from './x509/certificate.ts'
import { type Anchors, findPath, UNKNOWN_ISSUER } from './x509/path.ts'

/** A peer whose certificate holds: who it is, and by which certificates. */
export interface VerifiedPeer {
  readonly principal: Principal
  readonly leaf: Certificate
}

/** What a peer proved, or why it proved nothing. */
export type Verdict = VerifiedPeer | { readonly problem: string }

/** How a peer is judged. */
export interface Judgement {
  /** What the peer is to us; its key must be for that. */
  readonly role: 'client' | 'server'
  /** Authorities for certificates without a SPIFFE id; undefined: such certificates prove nothing. */
  readonly others: Anchors | undefined
  /** OpenSSL verified a path of its own. Limits on names are its business alone. */
  readonly openSslAgrees: boolean
}

/**
 * Judges the certificates of peers by the rules of SPIFFE, which Node's TLS does not know: exactly one id, and a path to the bundle of
 * the trust domain in that id. A root that is believed for one trust domain says nothing about another.
 */
export class PeerVerifier {
  private readonly store: IdentityStore
  private readonly clock: Clock

  constructor(store: IdentityStore, clock: Clock) {
    this.store = store
    this.clock = clock
  }

  /** @param presented the peer's certificates as it sent them, DER, its own first. Never throws */
  verify(presented: readonly Uint8Array[], judgement: Judgement): Verdict {
    const [own, ...rest] = presented
    if (own === undefined) return { problem: 'the peer showed no certificate' }
    try {
      return this.judge(readCertificate(own), rest, judgement)
    } catch (error) {
      return { problem: `the certificate cannot be read: ${(error as Error).message}` }
    }
  }

  private judge(leaf: Certificate, rest: readonly Uint8Array[], { role, others, openSslAgrees }: Judgement): Verdict {
    const spiffe = claimsSpiffe(leaf) || others === undefined ? svidOf(leaf) : undefined
    if (spiffe !== undefined && 'problem' in spiffe) return spiffe
    if (leaf.isAuthority) return { problem: 'the certificate is that of an authority' }
    const purposes = leaf.extendedKeyUsage
    if (purposes !== undefined && !purposes.includes(PURPOSE[role]) && !purposes.includes(PURPOSE.any))
      return { problem: `its key is not for a ${role}` }
    const anchors = spiffe === undefined ? others : this.store.bundle(spiffe.trustDomain)
    if (anchors === undefined) return { problem: `nobody is believed in the trust domain ${spiffe?.trustDomain}` }
    const found = findPath(leaf, readAll(rest), anchors, this.clock.wallTime())
    const principal = spiffe === undefined ? strangerOf(leaf) : principalOf(spiffe)
    if ('problem' in found) {
      const hidden = found.problem === UNKNOWN_ISSUER && role === 'client' && openSslAgrees && rest.length === 0
      const direct = anchors.authorities.some(({ subject }) => subject.equals(leaf.issuer))
      return hidden && !direct && this.openSslKnowsOnly(anchors, others) ? { principal, leaf } : found
    }
    if (!openSslAgrees && found.path.some(({ constrainsNames }) => constrainsNames))
      return { problem: 'an authority limits the names below it, and the connection was not verified by OpenSSL' }
    return { principal, leaf }
  }

  /**
   * Some versions of Node 24 do not show a server what its client sent between its own certificate and the root. Where OpenSSL was given
   * nobody else to believe, and nothing to revoke, the path that it found leads to these anchors, whatever lies between.
   */
  private openSslKnowsOnly(anchors: Anchors, others: Anchors | undefined): boolean {
    const trusted = this.store.trusted()
    return others === undefined && trusted.length === 1 && trusted[0]?.[1] === anchors && anchors.revocations.length === 0
  }
}

/** Certificates that a peer sent along; one that cannot be read is of no use for a path, and no reason to stop. */
function readAll(sent: readonly Uint8Array[]): Certificate[] {
  return sent.slice(0, MAX_SENT).flatMap((der) => {
    try {
      return [readCertificate(der)]
    } catch {
      return []
    }
  })
}

/** The principal behind a SPIFFE id; namespace and account where the path is as Istio writes it. */
export function principalOf({ id, trustDomain, path }: SpiffeId): Principal {
  const [, namespace, serviceAccount] = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(path) ?? []
  return Object.freeze({ id, trustDomain, namespace, serviceAccount })
}

function strangerOf(leaf: Certificate): Principal {
  return Object.freeze({ id: nameOf(leaf), trustDomain: undefined, namespace: undefined, serviceAccount: undefined })
}

const MAX_SENT = 16

import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'

/** A connection that may have shown certificates; what is needed of Node's `TLSSocket`. */
export interface CertifiedSocket {
  getPeerCertificate(detailed: true): DetailedPeerCertificate
}

/**
 * What a peer presented, DER, its own certificate first; empty when it showed none. Not `getPeerX509Certificate`: on the side of the
 * client Node 20 takes the leaf out of the connection's own list there, and the second look finds another leaf.
 */
export function presentedBy(socket: CertifiedSocket): Uint8Array[] {
  return chainOf(socket.getPeerCertificate(true))
}

/** The same of what Node hands to `checkServerIdentity`. */
export function chainOf(certificate: PeerCertificate | DetailedPeerCertificate | undefined): Uint8Array[] {
  const found: Uint8Array[] = []
  let at = certificate as DetailedPeerCertificate | undefined
  // The last one may refer to itself.
  while (at?.raw !== undefined && found.length < MAX_PRESENTED) {
    found.push(at.raw)
    if (at.issuerCertificate === at) break
    at = at.issuerCertificate
  }
  return found
}

const MAX_PRESENTED = 16

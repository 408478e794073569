import type { createSecureContext, PeerCertificate, SecureContext } from 'node:tls'
import { builtinModule } from '../core/builtin-module.ts'
import type { SanMatch } from '../model/identity.ts'
import type { TlsSettings } from '../model/resources.ts'
import type { IdentityStore } from '../security/identity/identity-store.ts'
import type { PeerVerifier } from '../security/peer-verifier.ts'
import { chainOf } from '../security/presented.ts'
import { matchesSan, trustDomainOf } from '../security/spiffe/san-matcher.ts'

/** Our side of mutual TLS: what we present to servers, and which of them we believe. */
export class MutualTls {
  private readonly store: IdentityStore
  private readonly verifier: PeerVerifier
  private readonly contexts = new Map<string, SecureContext>()
  private generation = -1

  constructor(store: IdentityStore, verifier: PeerVerifier) {
    this.store = store
    this.verifier = verifier
  }

  /** Why no connection can be opened now; undefined when one can. Never is there one without a certificate instead. */
  get missing(): string | undefined {
    const { current, configured } = this.store
    if (current === undefined) return configured ? 'there is no certificate yet' : 'mutual TLS needs an identity, and none is configured'
    return current.spiffe === undefined ? 'mutual TLS needs a certificate with a SPIFFE id' : undefined
  }

  /** With the certificate of this moment; the same until it changes. */
  secureContext({ minVersion }: TlsSettings): SecureContext {
    const { store } = this
    if (this.generation !== store.generation) {
      this.generation = store.generation
      this.contexts.clear()
    }
    let context = this.contexts.get(minVersion)
    if (context === undefined) {
      const { current } = store
      context = builtinModule('node:tls').createSecureContext({
        cert: current?.chain,
        key: current?.key.reveal() as string | Buffer | undefined,
        // An empty list believes nobody; none at all would believe the system's authorities.
        ca: store.trusted().flatMap(([, bundle]) => bundle.pem),
        minVersion,
        allowPartialTrustChain: true,
      } as Parameters<typeof createSecureContext>[0])
      this.contexts.set(minVersion, context)
    }
    return context
  }

  /** Why the server that showed `certificate`, which OpenSSL verified, is not the one that was meant; undefined when it is. */
  problemOf(certificate: PeerCertificate, sans: readonly SanMatch[] | undefined): string | undefined {
    const verdict = this.verifier.verify(chainOf(certificate), { role: 'server', others: undefined, openSslAgrees: true })
    if ('problem' in verdict) return verdict.problem
    const { principal, leaf } = verdict
    const own = this.store.current?.spiffe?.trustDomain
    // A name that says nothing of a trust domain is looked for in our own: another one may give out the same names.
    const meant = sans === undefined ? [own] : sans.map((match) => trustDomainOf(match) ?? own)
    if (!meant.includes(principal.trustDomain)) return `${principal.id} is in another trust domain`
    const matching = sans?.filter((match) => (trustDomainOf(match) ?? own) === principal.trustDomain)
    return matching === undefined || matchesSan(matching, leaf) ? undefined : `${principal.id} is none of the names that are meant`
  }
}

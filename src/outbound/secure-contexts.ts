import type { PeerCertificate, SecureContext } from 'node:tls'
import { builtinModule } from '../core/builtin-module.ts'
import type { TlsSettings } from '../model/resources.ts'
import { matchesSan } from '../security/spiffe/san-matcher.ts'
import { readCertificate } from '../security/x509/certificate.ts'
import type { MutualTls } from './mutual-tls.ts'

/** How servers are met under each configuration. One secure context per configuration: making one parses every root certificate. */
export class SecureContexts {
  private readonly mutual: MutualTls
  private readonly made = new WeakMap<TlsSettings, SecureContext>()
  private system: SecureContext | undefined = undefined

  constructor(mutual: MutualTls) {
    this.mutual = mutual
  }

  /** Why nothing can be dialled under `settings` now; undefined when it can. */
  missing(settings: TlsSettings | undefined): string | undefined {
    return settings?.mode === 'mutual' ? this.mutual.missing : undefined
  }

  of(settings: TlsSettings | undefined): SecureContext {
    if (settings?.mode === 'mutual') return this.mutual.secureContext(settings)
    if (settings === undefined) {
      this.system ??= builtinModule('node:tls').createSecureContext({ minVersion: 'TLSv1.2' })
      return this.system
    }
    let context = this.made.get(settings)
    if (context === undefined) {
      context = builtinModule('node:tls').createSecureContext({
        ca: settings.ca as (string | Buffer)[] | undefined,
        cert: settings.cert as (string | Buffer)[] | undefined,
        key: settings.key?.reveal() as string | Buffer | undefined,
        minVersion: settings.minVersion,
      })
      this.made.set(settings, context)
    }
    return context
  }

  /**
   * Whether a TLS session may be taken up again. Under mutual TLS none is: it would show no certificate, and whoever was believed when it
   * began would be believed until it ends.
   */
  resumes(settings: TlsSettings | undefined): boolean {
    return settings?.mode !== 'mutual'
  }

  /** Why the server that showed `certificate`, which OpenSSL verified, is not the one that was meant. */
  checkServer(settings: TlsSettings | undefined, serverName: string, certificate: PeerCertificate): Error | undefined {
    if (settings?.mode !== 'mutual' && settings?.sans === undefined)
      return builtinModule('node:tls').checkServerIdentity(serverName, certificate)
    const problem =
      settings.mode === 'mutual' ? this.mutual.problemOf(certificate, settings.sans) : nameProblem(certificate, settings.sans ?? [])
    return problem === undefined ? undefined : new Error(`the server is not the one that is meant: ${problem}`)
  }
}

function nameProblem({ raw }: PeerCertificate, sans: NonNullable<TlsSettings['sans']>): string | undefined {
  try {
    return matchesSan(sans, readCertificate(raw)) ? undefined : 'its certificate has none of the names'
  } catch (error) {
    return `its certificate cannot be read: ${(error as Error).message}`
  }
}

import type { SecureContext } from 'node:tls'
import { builtinModule } from '../core/builtin-module.ts'
import { MeshError } from '../core/errors.ts'
import type { InboundTlsMode, InboundTlsSettings } from '../model/identity.ts'
import type { Identity } from '../security/identity/identity.ts'
import type { IdentityStore } from '../security/identity/identity-store.ts'
import { makeTrustBundle, type TrustBundle } from '../security/identity/trust-bundle.ts'

/** What Node's servers take, as far as it depends on our identity and on whom we believe. */
export interface SecureOptions {
  cert: string[]
  key: string | Buffer
  ca: string[] | undefined
  minVersion: 'TLSv1.2' | 'TLSv1.3'
  secureOptions: number
  allowPartialTrustChain: boolean
}

/** What `mesh.tls()` gives to `https.createServer`, `http2.createSecureServer` or `fastify({ https })`. */
export interface TlsServerOptions extends SecureOptions {
  requestCert: boolean
  rejectUnauthorized: boolean
  handshakeTimeout: number
  SNICallback: (serverName: string, callback: (error: Error | null, context?: SecureContext) => void) => void
}

/** On what terms a server takes connections, and the options that follow from them at any time. */
export class ServerTerms {
  readonly mode: Exclude<InboundTlsMode, 'off'>
  readonly settings: InboundTlsSettings
  /** Authorities of clients that carry no SPIFFE id. */
  readonly others: TrustBundle | undefined
  private readonly store: IdentityStore
  private context: { readonly generation: number; readonly made: SecureContext } | undefined = undefined

  /** @throws MeshError `MESH_CONFIG` when such a server cannot be */
  constructor(store: IdentityStore, settings: InboundTlsSettings) {
    this.store = store
    this.settings = settings
    this.others = settings.ca === undefined ? undefined : makeTrustBundle(settings.ca)
    const trusts = store.trusts || this.others !== undefined
    const mode = settings.mode ?? (trusts ? 'strict' : 'simple')
    if (mode === 'off') throw new MeshError('MESH_CONFIG', { reason: "inbound.tls.mode: it is 'off', so there is no TLS to serve" })
    if (!store.configured) throw new MeshError('MESH_CONFIG', { reason: `identity: a server in mode ${mode} needs a certificate` })
    if (mode !== 'simple' && !trusts)
      throw new MeshError('MESH_CONFIG', { reason: `trust: a server in mode ${mode} needs to know whom to believe` })
    this.mode = mode
  }

  /** Whether clients are asked for a certificate. */
  get asksClients(): boolean {
    return this.mode !== 'simple'
  }

  /** @throws MeshError `MESH_NOT_READY` while there is no certificate */
  serverOptions(): TlsServerOptions {
    return {
      ...this.secureOptions(),
      requestCert: this.asksClients,
      rejectUnauthorized: this.mode === 'strict',
      handshakeTimeout: this.settings.handshakeTimeoutMs,
      // For connections that come before anybody could swap the context of the server.
      SNICallback: (_, callback) => {
        try {
          callback(null, this.secureContext())
        } catch (error) {
          callback(error as Error)
        }
      },
    }
  }

  /** The lists are new each time: the one of the certificates tells the servers apart that were made from these options. */
  secureOptions(): SecureOptions {
    const { chain, key } = this.identity()
    const ca = [...this.store.trusted().map(([, bundle]) => bundle), ...(this.others === undefined ? [] : [this.others])]
    return {
      cert: [chain],
      key: key.reveal() as string | Buffer,
      // An empty list believes nobody; none at all would believe the system's authorities.
      ca: this.asksClients ? ca.flatMap(({ pem }) => pem) : undefined,
      minVersion: this.settings.minVersion,
      // A resumed session shows no certificate: whoever was let in once would be let in until his ticket ends.
      secureOptions: this.asksClients ? builtinModule('node:crypto').constants.SSL_OP_NO_TICKET : 0,
      allowPartialTrustChain: true,
    }
  }

  private secureContext(): SecureContext {
    const { generation } = this.store
    if (this.context?.generation !== generation)
      this.context = { generation, made: builtinModule('node:tls').createSecureContext(this.secureOptions()) }
    return this.context.made
  }

  private identity(): Identity {
    const { current, whyNone } = this.store
    if (current !== undefined) return current
    const why =
      whyNone === undefined ? 'its files were not read yet: wait for mesh.ready()' : `${whyNone}; mesh.ready() waits until they are right`
    throw new MeshError('MESH_NOT_READY', { reason: `the identity cannot be used: ${why}` })
  }
}

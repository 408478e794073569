import type { RequestListener, Server } from 'node:http'
import { parseInboundTls } from '../config/inbound-tls-options.ts'
import type { ParsedOptions } from '../config/mesh-options.ts'
import { builtinModule } from '../core/builtin-module.ts'
import { takeClearText } from '../inbound/permissive-server.ts'
import { ProvenPeers } from '../inbound/proven-peers.ts'
import type { TlsServerOptions } from '../inbound/server-terms.ts'
import { TlsServers } from '../inbound/tls-servers.ts'
import type { InboundTlsOptions } from '../model/identity.ts'
import { IdentityStore } from '../security/identity/identity-store.ts'
import { PeerVerifier } from '../security/peer-verifier.ts'
import type { Ground } from './ground.ts'

/** Who we are, whom we believe, and the servers that stand on it. */
export class IdentitySide {
  readonly store: IdentityStore
  readonly verifier: PeerVerifier
  readonly peers: ProvenPeers
  private readonly servers: TlsServers
  private readonly ground: Ground
  /** Servers that somebody asked to have in clear text. */
  private readonly clear = new WeakSet<object>()
  private readonly settings: ParsedOptions['inbound']['tls']

  constructor({ identity, trust, inbound }: ParsedOptions, ground: Ground) {
    const { clock, random, emit } = ground
    this.ground = ground
    this.settings = inbound.tls
    this.store = new IdentityStore({ identity, trust, clock, emit })
    this.verifier = new PeerVerifier(this.store, clock)
    this.peers = new ProvenPeers(this.verifier, clock)
    this.servers = new TlsServers({ store: this.store, peers: this.peers, clock, random, emit })
  }

  /** @throws MeshError `MESH_CONFIG`, or `MESH_NOT_READY` while there is no certificate */
  tls(options: InboundTlsOptions | undefined): TlsServerOptions {
    return this.servers.tls(parseInboundTls(options, this.settings))
  }

  /** @throws MeshError `MESH_CONFIG`, or `MESH_NOT_READY` while there is no certificate */
  server(listener: RequestListener | undefined, options: InboundTlsOptions | undefined): Server {
    const settings = parseInboundTls(options, this.settings)
    // Whoever says whom to believe does not mean clear text, even if he forgot to say who we are.
    const clear = settings.mode === 'off' || (settings.mode === undefined && !this.store.configured && !this.store.trusts)
    if (clear) {
      const plain = builtinModule('node:http').createServer(listener)
      this.clear.add(plain)
      return plain
    }
    const server = builtinModule('node:https').createServer(this.servers.tls(settings), listener)
    const terms = this.servers.adopt(server)
    return terms?.mode === 'permissive' ? takeClearText(server, this.ground.clock) : server
  }

  /**
   * Whether only those who proved who they are may be served over `connection`: in mode `strict`, also where a server is not made from our
   * options, and were it one in clear text.
   */
  mustProve({ server }: { server?: object }): boolean {
    const mode = server === undefined ? undefined : this.clear.has(server) ? 'off' : this.servers.modeOf(server)
    return (mode ?? this.settings?.mode) === 'strict'
  }

  close(): void {
    this.servers.close()
    this.store.close()
  }
}

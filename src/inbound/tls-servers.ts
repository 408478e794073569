import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Server, TLSSocket } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { MeshEvents } from '../model/events.ts'
import type { InboundTlsSettings } from '../model/identity.ts'
import type { IdentityStore } from '../security/identity/identity-store.ts'
import { ConnectionAge } from './connection-age.ts'
import type { ProvenPeers } from './proven-peers.ts'
import { ServerTerms, type TlsServerOptions } from './server-terms.ts'

/** What the servers stand on. */
export interface TlsServersOptions {
  readonly store: IdentityStore
  readonly peers: ProvenPeers
  readonly clock: Clock
  readonly random: Random
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/** A server that is kept up to date, and what it has open. */
interface Adopted {
  readonly terms: ServerTerms
  readonly age: ConnectionAge
  readonly sockets: Set<TLSSocket>
  generation: number
}

/**
 * The TLS servers of this process that were made from our options. `https.createServer(mesh.tls())` gives us no hold of the server, and yet
 * its peers must be judged before a byte of theirs is read and its certificate must be swapped: so we learn of it from Node's
 * diagnostics channels, when it listens or takes its first connection, and know it by the list of certificates that we gave it.
 */
export class TlsServers {
  private readonly options: TlsServersOptions
  private readonly given = new WeakMap<object, { readonly terms: ServerTerms; readonly generation: number }>()
  private readonly known = new WeakMap<Server, Adopted>()
  private readonly open = new Set<Server>()
  private listening = false

  constructor(options: TlsServersOptions) {
    this.options = options
    options.store.onChange((lessTrust) => this.refresh(lessTrust))
  }

  /**
   * Options for a server of Node; the server that is made from them is kept up to date.
   * @throws MeshError `MESH_CONFIG` when such a server cannot be, `MESH_NOT_READY` while there is no certificate
   */
  tls(settings: InboundTlsSettings): TlsServerOptions {
    const { store } = this.options
    store.start()
    const terms = new ServerTerms(store, settings)
    const made = terms.serverOptions()
    this.given.set(made.cert, { terms, generation: store.generation })
    this.listen()
    return made
  }

  /** Nothing of ours touches the servers any more; they go on with the certificate that they have. */
  close(): void {
    if (this.listening) for (const name of CHANNELS) unsubscribe(name, this.onServer)
    this.listening = false
  }

  /** Takes charge of a server that was made from our options; of any other one it leaves its hands. */
  adopt(server: Server): ServerTerms | undefined {
    let adopted = this.known.get(server)
    if (adopted === undefined) {
      const { cert } = server as unknown as { cert?: object }
      const given = typeof cert === 'object' ? this.given.get(cert) : undefined
      if (given === undefined) return undefined
      const { clock, random } = this.options
      const { terms, generation } = given
      adopted = { terms, generation, age: new ConnectionAge(clock, random, terms.settings.maxConnectionAgeMs), sockets: new Set() }
      this.known.set(server, adopted)
      this.attach(server, adopted)
    }
    if (!this.open.has(server)) {
      this.open.add(server)
      server.once('close', () => this.open.delete(server))
    }
    this.update(server, adopted)
    return adopted.terms
  }

  /** How a server takes connections that was made from our options; undefined of any other one. */
  modeOf(server: object): ServerTerms['mode'] | undefined {
    return this.known.get(server as Server)?.terms.mode
  }

  private listen(): void {
    if (this.listening) return
    this.listening = true
    for (const name of CHANNELS) subscribe(name, this.onServer)
  }

  private readonly onServer = (message: unknown): void => {
    const { server, socket } = message as { server?: Server; socket?: { server?: Server } }
    const found = server ?? socket?.server
    // Nothing that goes wrong here may end in the listener of somebody else's server.
    if (found !== undefined && !this.open.has(found)) this.adopt(found)
  }

  /** In front of every listener, whoever added it: of a connection that is refused nobody hears, so nothing of it is ever read. */
  private attach(server: Server, adopted: Adopted): void {
    const emit = server.emit as (name: string | symbol, ...heard: unknown[]) => boolean
    const { age } = adopted
    server.emit = (name: string | symbol, ...heard: unknown[]): boolean => {
      // By far the most frequent; what comes with it is handed on one by one, since a list costs more.
      if (name === 'request' && heard.length === 2) {
        age.onRequest(heard[0] as IncomingMessage, heard[1] as ServerResponse)
        return emit.call(server, name, heard[0], heard[1])
      }
      return this.passes(name, heard, adopted) ? emit.call(server, name, ...heard) : true
    }
  }

  private passes(name: string | symbol, [first, second]: unknown[], adopted: Adopted): boolean {
    const { age } = adopted
    if (name === 'request') age.onRequest(first as IncomingMessage, second as ServerResponse)
    else if (name === 'secureConnection') return this.begin(first as TLSSocket, adopted)
    else if (name === 'session') {
      const session = first as ServerHttp2Session
      age.onSession(session, this.options.peers.of(session.socket).notAfter)
    } else if (name === 'tlsClientError') {
      const { authorizationError: reason } = second as TLSSocket
      if (reason) this.reject(second as TLSSocket, `the certificate is not accepted: ${String((reason as Error).message ?? reason)}`)
    }
    return true
  }

  private begin(socket: TLSSocket, { terms, age, sockets }: Adopted): boolean {
    if (!this.judge(socket, terms)) return false
    age.began(socket, this.options.peers.of(socket).notAfter)
    if (!terms.asksClients) return true
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return true
  }

  private judge(socket: TLSSocket, terms: ServerTerms): boolean {
    const { problem } = this.options.peers.learn(socket, terms)
    if (problem === undefined) return true
    this.reject(socket, problem)
    socket.destroy()
    return false
  }

  private reject(socket: TLSSocket, reason: string): void {
    this.options.emit('peerRejected', { address: socket.remoteAddress ?? '', reason })
  }

  /** Our identity changed, or whom we believe. Whoever is not believed any more is not served any more. */
  private refresh(lessTrust: boolean): void {
    if (lessTrust) this.options.peers.doubt()
    for (const server of this.open) {
      const adopted = this.known.get(server) as Adopted
      this.update(server, adopted)
      if (lessTrust) this.judgeAll([...adopted.sockets], adopted.terms)
    }
  }

  /** Some at a time: ten thousand of them take seconds. */
  private judgeAll(sockets: TLSSocket[], terms: ServerTerms): void {
    for (const socket of sockets.splice(0, AT_A_TIME)) if (!socket.destroyed) this.judge(socket, terms)
    if (sockets.length > 0) this.options.clock.afterPoll(() => this.judgeAll(sockets, terms))
  }

  private update(server: Server, adopted: Adopted): void {
    const { store } = this.options
    if (adopted.generation === store.generation || store.current === undefined) return
    adopted.generation = store.generation
    server.setSecureContext(adopted.terms.secureOptions())
  }
}

/** A server that listens, which older versions do not tell; a connection that came in. */
const CHANNELS = ['tracing:net.server.listen:asyncStart', 'net.server.socket'] as const
const AT_A_TIME = 20

import type { Server } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { builtinModule } from '../core/builtin-module.ts'

/** A server as far as its end is concerned; those of HTTP/1 can say which of their connections idle. */
type AnyServer = NetServer & Partial<Pick<Server, 'closeIdleConnections' | 'closeAllConnections'>>

/** A request that has no complete answer yet. */
export interface Answering {
  /** The connection on which answers follow each other in the order of their requests; undefined where they need not. */
  readonly line: object | undefined
  /** Clock time at which it came. */
  readonly startedAt: number
  /** Its answer is the last on its connection, where the protocol can still say so. */
  makeLast(): void
  /** Another request came behind it, whose answer is the last instead; false: it has been said, and nothing of that one would be sent. */
  takeBackLast(): boolean
  /** Its place among those that have none; -1 when it is not there. */
  place: number
}

/**
 * The servers that requests came in by, and what is open on them. They are learnt from the requests themselves, so that nobody has to
 * name them, and forgotten when they close.
 */
export class Servers {
  private readonly servers = new Set<AnyServer>()
  private readonly sessions = new Set<Http2Session>()
  private readonly upgraded = new Set<Duplex>()
  private readonly answering: Answering[] = []
  private leaving = false
  /** The request of each connection whose answer is to be the last. */
  private readonly last = new WeakMap<object, Answering>()
  /** Requests ever. */
  requests = 0

  /** Whether there is anything to wait for. */
  get empty(): boolean {
    return this.servers.size === 0 && this.answering.length === 0 && this.upgraded.size === 0
  }

  /** Requests that have no complete answer yet. */
  get inflight(): number {
    return this.answering.length
  }

  add(server: AnyServer): void {
    if (this.servers.has(server)) return
    this.servers.add(server)
    server.on('session', (session: Http2Session) => this.addSession(session))
    server.once('close', () => this.servers.delete(server))
  }

  /** One that began before its server was known. */
  addSession(session: Http2Session): void {
    if (this.sessions.has(session)) return
    this.sessions.add(session)
    session.once('close', () => this.sessions.delete(session))
    if (this.leaving && !session.closed) session.goaway(0, LAST_STREAM)
  }

  /** A request came in; until it ended it is waited for. False: its connection ends before it could be answered. */
  began(request: Answering): boolean {
    this.requests++
    if (this.leaving && !this.makeLast(request)) return false
    request.place = this.answering.push(request) - 1
    return true
  }

  ended(request: Answering): void {
    const { answering } = this
    const { place } = request
    if (place < 0) return
    request.place = -1
    // The last takes its place: a request costs no look-up.
    const last = answering.pop() as Answering
    if (last === request) return
    answering[place] = last
    last.place = place
  }

  /** A socket that left HTTP behind. */
  addUpgraded(socket: Duplex): void {
    this.upgraded.add(socket)
    socket.once('close', () => this.upgraded.delete(socket))
  }

  /**
   * No connection is taken any more, and every answer is the last on its own. Those that idle stay open: closed from here they could cut off
   * a request that is on its way, which nobody might send again.
   */
  sayGoodbye(): void {
    this.leaving = true
    // Not the close of node:http, which closes the idle ones at once.
    for (const server of this.servers) if (server.listening) builtinModule('node:net').Server.prototype.close.call(server)
    // Pipelined ones in their order: what an earlier answer says cuts off the later.
    for (const request of [...this.answering].sort((a, b) => a.startedAt - b.startedAt)) this.makeLast(request)
    // The highest of all stream ids: those that are on their way are still taken (RFC 9113 §6.8).
    for (const session of this.sessions) if (!session.closed) session.goaway(0, LAST_STREAM)
  }

  private makeLast(request: Answering): boolean {
    const { line } = request
    if (line !== undefined) {
      if (this.last.get(line)?.takeBackLast() === false) return false
      this.last.set(line, request)
    }
    request.makeLast()
    return true
  }

  /** Connections without a request are closed, the others end with their last answer. */
  stop(): void {
    // It has stopped to listen, and says so; what is left of it is the timer that looks for slow requests.
    for (const server of this.servers) server.close(() => {})
    for (const session of this.sessions) if (!session.closed) session.close()
    this.closeIdle()
  }

  closeIdle(): void {
    for (const server of this.servers) server.closeIdleConnections?.()
  }

  /** Whether nothing is open any more; asked again and again, since no event tells of a server that others closed. */
  async gone(): Promise<boolean> {
    if (this.answering.length > 0) return false
    const counts = await Promise.all([...this.servers].map(connectionsOf))
    return counts.every((count) => count === 0)
  }

  /** What is still open is cut off. */
  destroy(): void {
    for (const session of this.sessions) session.destroy()
    for (const server of this.servers) server.closeAllConnections?.()
    for (const socket of this.upgraded) socket.destroy()
    this.servers.clear()
  }
}

function connectionsOf(server: AnyServer): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((error, count) => resolve(error === null ? count : 0))
  })
}

const LAST_STREAM = 2 ** 31 - 1

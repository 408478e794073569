import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { builtinModule } from '../core/builtin-module.ts'
import type { Refusal } from '../core/gate.ts'
import { InboundRequest, type Judge, type Marked, mark, type Routing } from './inbound-request.ts'
import type { Connection } from './peer.ts'
import type { Problem } from './problem.ts'
import { distinctHeaders } from './request-edits.ts'

/**
 * A request that wants the connection itself: the events `upgrade` and `connect`. Its permits are held as long as the connection
 * lives. Nobody listens on the socket while gates think, and an error without a listener would end the process.
 */
export class SocketRequest extends InboundRequest {
  private readonly request: IncomingMessage & Marked
  private readonly socket: Duplex
  private readonly continuation: () => void

  constructor(
    judge: Judge,
    startedAt: number,
    routing: Routing,
    request: IncomingMessage & Marked,
    socket: Duplex,
    continuation: () => void,
  ) {
    super(
      judge,
      startedAt,
      judge.peers.of(socket as unknown as Connection),
      request.method ?? '',
      request.url ?? '',
      request.rawHeaders,
      undefined,
      routing,
    )
    this.request = request
    this.socket = socket
    this.continuation = continuation
    socket.on('error', ignore)
  }

  writeBack(): Refusal | undefined {
    this.writeHost()
    if (this.path !== '' && this.path !== '*') this.request.url = this.path
    return undefined
  }

  pass(): void {
    this.socket.once('close', () => this.judge.ended(this, 101))
    this.socket.off('error', ignore)
    mark(this.request, this)
    this.continuation()
  }

  answer({ status, headers, body }: Problem): void {
    const { socket } = this
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `HTTP/1.1 ${status} ${builtinModule('node:http').STATUS_CODES[status] ?? 'Error'}\r\nconnection: close\r\n${lines.join('')}\r\n`
    socket.end(this.method === 'HEAD' ? head : head + body, () => socket.destroy())
  }

  override get wanted(): Duplex {
    return this.socket
  }

  get gone(): boolean {
    return this.socket.destroyed
  }

  whenGone(then: () => void): void {
    this.socket.once('close', then)
  }

  protected override recount(): void {
    this.request.headersDistinct = distinctHeaders(this.raw)
  }

  protected get headers(): Record<string, unknown> {
    return this.request.headers
  }
}

function ignore(): void {}

import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Refusal } from '../core/gate.ts'
import { InboundRequest, type Judge, type Marked, mark, type Routing } from './inbound-request.ts'
import type { Connection } from './peer.ts'
import type { Problem } from './problem.ts'
import { heedMark, markStream } from './retried-mark.ts'

/** A request as the event `stream` of an HTTP/2 server gives it; what its compatible interface makes of it afterwards is judged too. */
export class StreamRequest extends InboundRequest {
  private readonly stream: ServerHttp2Stream & Marked
  private readonly made: IncomingHttpHeaders
  private readonly continuation: () => void

  constructor(
    judge: Judge,
    startedAt: number,
    routing: Routing,
    stream: ServerHttp2Stream & Marked,
    headers: IncomingHttpHeaders,
    raw: string[],
    continuation: () => void,
  ) {
    const method = String(headers[':method'] ?? '')
    // A plain CONNECT has no path; what it addresses is its authority.
    const target = headers[':path'] ?? (method === 'CONNECT' ? (headers[':authority'] ?? '') : '')
    const peer = judge.peers.of((stream.session?.socket ?? stream) as Connection)
    super(judge, startedAt, peer, method, String(target), raw, headers[':authority'], routing)
    this.stream = stream
    this.made = headers
    this.continuation = continuation
    stream.on('error', ignore)
  }

  writeBack(): Refusal | undefined {
    this.writeHost()
    if (this.path !== '' && this.path !== '*' && this.path !== this.target) this.write(':path', this.path)
    return undefined
  }

  pass(): void {
    const { stream } = this
    mark(stream, this)
    heedMark(stream)
    stream.off('error', ignore)
    // A client may leave without an error, too; Node ends the stream then as if the application had.
    stream.once('close', () => {
      const whole = stream.rstCode === 0 && !stream.aborted
      this.judge.ended(this, whole ? Number(stream.sentHeaders?.[':status'] ?? 0) : 0)
    })
    this.continuation()
  }

  answer({ status, headers, body }: Problem): void {
    const { stream, method } = this
    if (stream.headersSent) {
      stream.destroy()
      return
    }
    stream.respond({ ':status': status, ...headers }, { endStream: method === 'HEAD' })
    if (method !== 'HEAD') stream.end(body)
  }

  override sayRetried(): void {
    markStream(this.stream)
  }

  override get http2(): ServerHttp2Stream {
    return this.stream
  }

  get gone(): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  whenGone(then: () => void): void {
    this.stream.once('close', then)
  }

  protected get headers(): Record<string, unknown> {
    return this.made
  }
}

function ignore(): void {}

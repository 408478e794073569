import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Clock, Timer } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import { type Marked, markOf } from './inbound-request.ts'

/** When connections of a server have lived long enough: then they end after what they carry. */
export class ConnectionAge {
  private readonly clock: Clock
  private readonly random: Random
  private readonly maxAgeMs: number
  /** Clock time at which each is old. */
  private readonly oldAt = new WeakMap<object, number>()

  constructor(clock: Clock, random: Random, maxAgeMs: number) {
    this.clock = clock
    this.random = random
    this.maxAgeMs = maxAgeMs
  }

  /** @param notAfter milliseconds since the epoch after which the peer's certificate proves nothing */
  began(socket: object, notAfter: number): void {
    this.oldAt.set(socket, this.clock.now() + this.span(notAfter))
  }

  /** HTTP/1: the answer to a request on an old connection says that it is the last. */
  onRequest(request: IncomingMessage & Marked, response: ServerResponse): void {
    const { socket, httpVersionMajor } = request
    if (httpVersionMajor >= 2 || response.headersSent) return
    const oldAt = this.oldAt.get(socket)
    if (oldAt === undefined) return
    // Of a request that the guard took just now the time is known.
    const now = markOf(request)?.nowBy(this.clock) ?? this.clock.now()
    if (now >= oldAt) response.setHeader('connection', 'close')
  }

  /** HTTP/2: a GOAWAY, after which the streams that are open come to their end. */
  onSession(session: ServerHttp2Session, notAfter: number): void {
    const timer: Timer = this.clock.setTimer(() => {
      if (!session.closed) session.close()
    }, this.span(notAfter))
    timer.unref()
    session.once('close', () => timer.cancel())
  }

  /** Up to a tenth shorter, so that connections which began together do not end together. */
  private span(notAfter: number): number {
    const age = this.maxAgeMs * (1 - 0.1 * this.random())
    return Math.max(0, Math.min(age, notAfter - this.clock.wallTime()))
  }
}

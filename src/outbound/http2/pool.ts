import type { Socket } from 'node:net'
import type { Clock } from '../../core/clock.ts'
import type { Attempt } from '../attempt.ts'
import { CLOSED, type Connector, DialError, NO_HTTP2 } from '../connector.ts'
import type { DispatchOptions } from '../handler.ts'
import type { Pool, PooledRequest } from '../pool.ts'
import type { UndiciError } from '../undici.ts'
import { Http2Connection } from './connection.ts'
import { requestHead } from './request-head.ts'
import { StreamTry } from './stream-try.ts'
import { wholeBody } from './write-body.ts'

/** What a pool of multiplexed connections goes by. */
export interface Http2PoolOptions {
  readonly origin: URL
  readonly address: string
  readonly connect: Connector
  /** HTTP/2 is spoken without being agreed on: prior knowledge, in clear text. */
  readonly prior: boolean
  readonly maxConnections: number
  readonly timeoutMs: number
  readonly clock: Clock
  readonly refuse: UndiciError
  /** The pool for a server that agreed on HTTP/1.1, beginning with `socket`; undefined where nothing but HTTP/2 will do. */
  readonly http1: ((socket: Socket) => Pool) | undefined
  /** How many calls a connection carries, as soon as that is known. */
  readonly carries: (streams: number) => void
}

/** A try that waits for a stream. */
interface Waiting {
  readonly options: DispatchOptions
  readonly attempt: Attempt
}

/**
 * The connections of one endpoint that carry many calls each, and the tries that wait for one of them. As few as will do are opened, one
 * after the other until it is known how many calls one carries. Where the server agrees on HTTP/1.1 it gives the tries to a pool for that.
 */
export class Http2Pool implements Pool {
  private readonly options: Http2PoolOptions
  private readonly connections: Http2Connection[] = []
  /** Those that take no further streams, and have some. */
  private readonly leaving = new Set<Http2Connection>()
  private readonly queue = new Set<Waiting>()
  private http1: Pool | undefined = undefined
  private dialing = 0
  private streams = 1
  private failure: Error | undefined = undefined
  private closing: (() => void)[] | undefined = undefined

  constructor(options: Http2PoolOptions) {
    this.options = options
  }

  /** What its connections speak; undefined until the first of them stands. */
  get protocol(): 'http/1.1' | 'h2' | undefined {
    if (this.http1 !== undefined) return 'http/1.1'
    return this.connections.some(({ stood }) => stood) ? 'h2' : undefined
  }

  get stats(): Pool['stats'] {
    const { http1 } = this
    const own = { connected: 0, free: 0, pending: this.queue.size, running: 0 }
    for (const list of [this.connections, this.leaving])
      for (const { running, stood } of list) {
        own.running += running
        if (stood) own.connected++
        if (stood && running === 0) own.free++
      }
    if (http1 === undefined) return own
    const { connected, free, pending, running } = http1.stats
    return {
      connected: own.connected + connected,
      free: own.free + free,
      pending: own.pending + pending,
      running: own.running + running,
    }
  }

  send(options: DispatchOptions, request: PooledRequest): void {
    if (this.http1 !== undefined) {
      this.http1.send(options, request)
      return
    }
    const attempt = request as Attempt
    if (this.failure !== undefined) {
      attempt.failed(this.failure)
      return
    }
    const connection = this.queue.size === 0 ? this.free : undefined
    if (connection === undefined || !this.start(connection, options, attempt)) this.wait({ options, attempt })
  }

  /** A call got no answer in time: is anybody there? */
  probe(): void {
    for (const connection of [...this.connections]) connection.probe()
  }

  /** Closes what nobody used since `before`, but for the last one. */
  sweep(before: number): void {
    for (const connection of this.connections.slice(1)) {
      if (connection.running === 0 && connection.stood && connection.idleSince < before) connection.leave()
    }
  }

  async close(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.closing ??= []
      this.closing.push(resolve)
    })
    this.endIfIdle()
    await Promise.all([idle, this.http1?.close()])
  }

  async destroy(): Promise<void> {
    this.failure ??= new DialError('the mesh was closed', CLOSED, false)
    this.failQueue(this.failure)
    for (const connection of [...this.connections, ...this.leaving]) connection.destroy(this.failure)
    await this.http1?.destroy()
  }

  // ---- what a connection says ---------------------------------------------------------------------------

  /** @internal */
  stands(connection: Http2Connection): void {
    this.dialing--
    this.changed(connection)
  }

  /** @internal */
  changed(connection: Http2Connection): void {
    if (connection.gone) {
      if (connection.running === 0) this.leaving.delete(connection)
    } else if (connection.streams !== this.streams) {
      this.streams = connection.streams
      this.options.carries(this.streams)
    }
    this.serve()
    this.endIfIdle()
  }

  /** @internal */
  leaves(connection: Http2Connection, error: DialError | undefined): void {
    const at = this.connections.indexOf(connection)
    if (at >= 0) this.connections.splice(at, 1)
    if (connection.running > 0) this.leaving.add(connection)
    if (!connection.stood) {
      this.dialing--
      this.unreachable(error ?? new DialError(`${this.options.address}: closed before it stood`, NO_HTTP2, false))
    } else this.serve()
    this.endIfIdle()
  }

  // ---- tries ----------------------------------------------------------------------------------------------

  /** The first that has a stream to give: the others may become idle, and are closed then. */
  private get free(): Http2Connection | undefined {
    for (const connection of this.connections) if (connection.room) return connection
    return undefined
  }

  private wait(waiting: Waiting): void {
    this.queue.add(waiting)
    waiting.attempt.waits(() => this.queue.delete(waiting))
    this.dial()
  }

  private serve(): void {
    for (const waiting of this.queue) {
      const connection = this.free
      if (connection === undefined) {
        this.dial()
        return
      }
      this.queue.delete(waiting)
      if (!this.start(connection, waiting.options, waiting.attempt)) this.queue.add(waiting)
    }
  }

  /** False when the connection turned out to take no more. */
  private start(connection: Http2Connection, options: DispatchOptions, attempt: Attempt): boolean {
    const { origin, refuse } = this.options
    let body: Uint8Array | AsyncIterable<unknown> | undefined
    let length: number | undefined
    try {
      const { fields, contentLength } = requestHead(options, origin, refuse)
      length = contentLength
      if (options.body !== undefined && options.body !== null) {
        const whole = wholeBody(options.body, refuse)
        body = whole ?? (options.body as AsyncIterable<unknown>)
        if (whole !== undefined) {
          if (length !== undefined && length !== whole.length)
            throw refuse('RequestContentLengthMismatchError', 'Request body length does not match content-length header')
          if (whole.length === 0) body = undefined
          length = whole.length
        }
      }
      const expectsBody = BODIED.has(options.method)
      if (length !== undefined && (length > 0 || expectsBody)) fields['content-length'] = String(length)
      else if (body === undefined && expectsBody) fields['content-length'] = '0'
      const stream = connection.open(fields, body === undefined)
      const carried = new StreamTry(attempt, stream, connection, options, refuse)
      if (attempt.begins(carried)) carried.write(body, length)
      else carried.abort()
      return true
    } catch (error) {
      const code = (error as { code?: unknown }).code
      if (code === 'ERR_HTTP2_GOAWAY_SESSION' || code === 'ERR_HTTP2_INVALID_SESSION' || code === 'ERR_HTTP2_OUT_OF_STREAMS') {
        connection.leave()
        return false
      }
      attempt.failed(error)
      return true
    }
  }

  // ---- connections -----------------------------------------------------------------------------------------

  private dial(): void {
    const { maxConnections } = this.options
    // A server that takes no streams for now says so when it does again: more connections would not move it.
    if (this.streams === 0) return
    const wanted = Math.ceil(this.queue.size / this.streams)
    // One at a time until it is known what one carries.
    const most = this.connections.some(({ stood }) => stood) ? wanted : Math.min(1, wanted)
    // A dial may fail at once, and who waited is gone then.
    const more = Math.min(most - this.dialing, maxConnections - this.dialing - this.standing)
    for (let each = 0; each < more && this.queue.size > 0; each++) {
      this.dialing++
      this.options.connect({}, (error, socket) => this.dialled(error, socket))
    }
  }

  private get standing(): number {
    return this.connections.reduce((sum, { stood }) => sum + (stood ? 1 : 0), 0)
  }

  private dialled(error: Error | null, socket: Socket | null): void {
    const { options } = this
    if (socket === null) {
      this.dialing--
      this.unreachable(error as Error)
      return
    }
    if (this.failure !== undefined) {
      this.dialing--
      socket.destroy()
      return
    }
    if (options.prior || (socket as { alpnProtocol?: unknown }).alpnProtocol === 'h2') {
      this.connections.push(new Http2Connection(socket, this, options))
      return
    }
    this.dialing--
    if (options.http1 === undefined) {
      socket.on('error', () => {})
      socket.destroy()
      this.unreachable(new DialError(`${options.address}: the server does not agree on HTTP/2 (ALPN)`, NO_HTTP2, true))
      return
    }
    this.fallBack(options.http1(socket))
  }

  /** The server speaks HTTP/1.1: who waited goes there, and everybody after them. */
  private fallBack(http1: Pool): void {
    this.http1 = http1
    this.options.carries(1)
    for (const connection of [...this.connections]) connection.leave()
    const waiting = [...this.queue]
    this.queue.clear()
    for (const { options, attempt } of waiting) attempt.send(options, http1)
  }

  /** No further connection came about. Who waits beside others that work waits on: they will have room. */
  private unreachable(error: Error): void {
    if (this.connections.some(({ stood }) => stood)) return
    if (this.dialing === 0) this.failQueue(error)
  }

  private failQueue(error: Error): void {
    const waiting = [...this.queue]
    this.queue.clear()
    for (const { attempt } of waiting) attempt.failed(error)
  }

  private endIfIdle(): void {
    if (this.closing === undefined || this.queue.size > 0) return
    for (const connection of [...this.connections]) connection.leave()
    if (this.leaving.size > 0 || this.connections.length > 0) return
    for (const resolve of this.closing.splice(0)) resolve()
  }
}

const BODIED: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

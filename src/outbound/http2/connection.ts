import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { builtinModule } from '../../core/builtin-module.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { DialError, NO_HTTP2 } from '../connector.ts'

/** What a connection tells the pool that it belongs to. */
export interface ConnectionOwner {
  /** It takes streams: the server said how many. */
  stands(connection: Http2Connection): void
  /** The server changed its mind about how many streams it takes, a stream ended, or a doubt about it is gone. */
  changed(connection: Http2Connection): void
  /** It takes no further streams, and never came to take any where `error` is there. */
  leaves(connection: Http2Connection, error: DialError | undefined): void
}

/** What the dial of a connection goes by. */
export interface ConnectionTerms {
  readonly origin: URL
  readonly address: string
  readonly timeoutMs: number
  readonly clock: Clock
}

/**
 * One connection that carries many calls. It stands when the server's SETTINGS came, since only then is it known how many streams it takes
 * (RFC 9113 §6.5.2), and that it is HTTP/2 which is spoken.
 */
export class Http2Connection {
  /** Streams that are open. */
  running = 0
  /** Most streams at once. */
  streams = 0
  /** The server's settings came. */
  stood = false
  /** Since when (clock time) it has no stream. */
  idleSince: number
  /** The highest stream that the server takes to its end; undefined until it says goodbye. */
  lastStream: number | undefined = undefined
  private readonly session: ClientHttp2Session
  private readonly owner: ConnectionOwner
  private readonly clock: Clock
  private left = false
  private waiting: Timer | undefined
  private doubt: Timer | undefined = undefined
  private broken: Error | undefined = undefined

  constructor(socket: Socket, owner: ConnectionOwner, { origin, address, timeoutMs, clock }: ConnectionTerms) {
    this.owner = owner
    this.clock = clock
    this.idleSince = clock.now()
    this.session = builtinModule('node:http2').connect(origin, {
      createConnection: () => socket,
      peerMaxConcurrentStreams: MAX_STREAMS,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxHeaderListPairs: MAX_HEADERS,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
    })
    const late = (): void => this.fail(new DialError(`${address}: no HTTP/2 settings within ${timeoutMs} ms`, NO_HTTP2, false))
    this.waiting = clock.setTimer(late, timeoutMs)
    const { session } = this
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW))
    session.on('remoteSettings', ({ maxConcurrentStreams = MAX_STREAMS }) => this.told(Math.min(MAX_STREAMS, maxConcurrentStreams)))
    session.on('goaway', (_, lastStream) => this.goodbye(lastStream))
    session.on('error', (error) => {
      this.broken ??= error
    })
    session.on('close', () => {
      const said = this.broken === undefined ? 'it was closed before its first settings' : this.broken.message
      this.fail(new DialError(`${address}: no HTTP/2 is spoken there: ${said}`, NO_HTTP2, false, this.broken))
    })
  }

  /** Whether one more stream may be opened. */
  get room(): boolean {
    return !this.left && this.doubt === undefined && this.running < this.streams
  }

  /** Whether it takes no further streams. */
  get gone(): boolean {
    return this.left
  }

  /** The error that ended the connection; undefined while it lives, and when it ended well. */
  get error(): Error | undefined {
    return this.broken
  }

  /**
   * Opens a stream.
   * @throws when the connection turned out to take none: nothing was sent
   */
  open(fields: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    const stream = this.session.request(fields, { endStream })
    if (this.running++ === 0) this.session.ref()
    stream.once('close', () => this.closed())
    return stream
  }

  /** Takes no further streams, and is closed when those that are open have ended. */
  leave(): void {
    if (this.left) return
    this.left = true
    this.settle()
    this.session.close()
    this.owner.leaves(this, undefined)
  }

  /** Ends it with every stream on it. */
  destroy(error?: Error): void {
    this.broken ??= error
    this.session.destroy(error)
    this.fail(undefined)
  }

  /**
   * A call on it got no answer in time: is anybody there? Until it answers a PING it gets no further streams, and when it does not it is
   * ended, so that calls that can be repeated are.
   */
  probe(): void {
    if (this.left || this.doubt !== undefined) return
    const silent = (): void => this.destroy(new Error(`the connection is dead: no answer to a PING within ${PING_MS} ms`))
    this.doubt = this.clock.setTimer(silent, PING_MS)
    this.doubt.unref()
    const answered = (error: Error | null): void => {
      if (error !== null || this.doubt === undefined) return
      this.settle()
      this.owner.changed(this)
    }
    if (!this.session.ping(answered)) this.settle()
  }

  private told(streams: number): void {
    if (this.left) return
    this.streams = streams
    if (this.stood) {
      this.owner.changed(this)
      return
    }
    this.waiting?.cancel()
    this.waiting = undefined
    this.stood = true
    this.session.unref()
    this.owner.stands(this)
  }

  /** The server begins no stream above this one any more (RFC 9113 §6.8); node closes those that it will not begin. */
  private goodbye(lastStream: number): void {
    this.lastStream = Math.min(lastStream, this.lastStream ?? lastStream)
    this.leave()
  }

  private closed(): void {
    this.running--
    if (this.running > 0) {
      this.owner.changed(this)
      return
    }
    this.idleSince = this.clock.now()
    if (!this.session.destroyed) this.session.unref()
    this.owner.changed(this)
  }

  private fail(error: DialError | undefined): void {
    this.settle()
    if (!this.session.destroyed) this.session.destroy()
    if (this.left) return
    this.left = true
    this.owner.leaves(this, this.stood ? undefined : error)
  }

  private settle(): void {
    this.waiting?.cancel()
    this.waiting = undefined
    this.doubt?.cancel()
    this.doubt = undefined
  }
}

/** As Envoy's default; a server mostly names a lower one. */
const MAX_STREAMS = 1_024
/** What a reader that paused keeps the server from sending more of, per stream; as undici and most servers have it. */
const STREAM_WINDOW = 256 * 1024
/** node counts what came as read at once, so this bounds no memory: it lets a long way be filled. */
const CONNECTION_WINDOW = 16 * 1024 * 1024
/** node refuses streams beyond this; the windows bound what can be held. */
const SESSION_MEMORY_MB = 512
const MAX_HEADERS = 1_000
const PING_MS = 1_000

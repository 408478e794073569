import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { builtinModule } from '../../core/builtin-module.ts'
import type { Attempt } from '../attempt.ts'
import type { DispatchOptions, RawHeaders } from '../handler.ts'
import type { UndiciError } from '../undici.ts'
import type { Http2Connection } from './connection.ts'
import { StreamError } from './stream-error.ts'
import { writePieces } from './write-body.ts'

/** Under which a stream knows its try. Listeners are shared: one closure per event and call would be a dozen. */
const TRY = Symbol('inmesh.try')

type Carrying = ClientHttp2Stream & { [TRY]: StreamTry }
type Head = IncomingHttpHeaders & IncomingHttpStatusHeader

/** One try as one stream: what comes on it, in the words of an attempt. */
export class StreamTry {
  private readonly attempt: Attempt
  private readonly stream: ClientHttp2Stream
  private readonly connection: Http2Connection
  private readonly refuse: UndiciError
  private readonly bodyTimeoutMs: number
  /** The caller set one of undici's own timeouts. */
  private readonly timed: boolean
  private readonly bodiless: boolean
  private expected: number | undefined = undefined
  private received = 0
  private rawTrailers: RawHeaders = NONE
  private answered = false
  private over = false

  constructor(attempt: Attempt, stream: ClientHttp2Stream, connection: Http2Connection, options: DispatchOptions, refuse: UndiciError) {
    this.attempt = attempt
    this.stream = stream
    this.connection = connection
    this.refuse = refuse
    this.bodyTimeoutMs = options.bodyTimeout ?? 0
    this.bodiless = options.method === 'HEAD'
    ;(stream as Carrying)[TRY] = this
    const headersTimeoutMs = options.headersTimeout ?? 0
    this.timed = headersTimeoutMs > 0 || this.bodyTimeoutMs > 0
    if (headersTimeoutMs > 0) stream.setTimeout(headersTimeoutMs)
    stream.on('headers', onInfo)
    stream.on('response', onHead)
    stream.on('trailers', onTrailers)
    stream.on('end', onEnd)
    stream.on('error', onError)
    stream.on('close', onClose)
    stream.on('timeout', onTimeout)
  }

  /** Sends the body. */
  write(body: Uint8Array | AsyncIterable<unknown> | undefined, length: number | undefined): void {
    const { stream, attempt, refuse } = this
    if (body === undefined || body instanceof Uint8Array) {
      if (body !== undefined) {
        stream.end(body)
        attempt.onBodySent(body)
      }
      attempt.onRequestSent()
      return
    }
    writePieces(stream, body, { length, wrote: (piece) => attempt.onBodySent(piece), refuse }).then(
      () => attempt.onRequestSent(),
      (error: unknown) => this.fail(error),
    )
  }

  resume(): void {
    this.stream.resume()
  }

  /** Nobody wants the answer any more. The other streams of the connection go on. */
  abort(): void {
    this.over = true
    cancel(this.stream)
  }

  info(headers: Head, raw: RawHeaders): void {
    if (!this.over) this.attempt.head(Number(headers[':status']), withoutPseudo(raw), undefined, '')
  }

  head(headers: Head, raw: RawHeaders): void {
    if (this.over) return
    const { stream, attempt } = this
    const status = Number(headers[':status'])
    this.answered = true
    const length = headers['content-length']
    if (length !== undefined && !this.bodiless && status !== 304) this.expected = Number(length)
    if (this.timed) stream.setTimeout(this.bodyTimeoutMs)
    attempt.head(status, withoutPseudo(raw), undefined, '')
    if (this.over) return
    if (attempt.paused) stream.pause()
    stream.on('data', onData)
  }

  data(chunk: Buffer): void {
    if (this.over) return
    this.received += chunk.length
    this.attempt.data(chunk)
    if (this.attempt.paused && !this.over) this.stream.pause()
  }

  trailed(raw: RawHeaders): void {
    this.rawTrailers = raw
  }

  /** node ends a stream that the server cancelled as if that had been all. */
  ended(): void {
    if (this.over) return
    const { stream, expected } = this
    if (!this.answered || stream.rstCode !== NO_ERROR) this.fail(undefined)
    else if (expected !== undefined && expected !== this.received)
      this.fail(this.refuse('ResponseContentLengthMismatchError', 'Response body length does not match content-length header'))
    else {
      this.over = true
      // Answered before the end of the upload, which nobody reads any more.
      if (!stream.writableEnded) this.abort()
      this.attempt.ended(this.rawTrailers, undefined)
    }
  }

  timedOut(): void {
    const name = this.answered ? 'BodyTimeoutError' : 'HeadersTimeoutError'
    this.fail(this.refuse(name, this.answered ? 'Body Timeout Error' : 'Headers Timeout Error'))
  }

  /** @param error undefined: the stream was closed before the answer was complete */
  fail(error: unknown): void {
    if (this.over) return
    this.over = true
    const { stream, attempt, connection } = this
    const { id = 0, rstCode } = stream
    // A stream that never got an id was never sent.
    const beyond = !this.answered && connection.lastStream !== undefined && (stream.pending || id > connection.lastStream)
    if (beyond || (!this.answered && rstCode === REFUSED_STREAM)) attempt.unprocessed(beyond)
    const code = (error as { code?: unknown } | undefined)?.code
    const ofServer = error === undefined || (typeof code === 'string' && code.startsWith('ERR_HTTP2_'))
    if (!stream.destroyed) cancel(stream)
    attempt.failed(ofServer ? new StreamError(connection.lastStream, rstCode ?? 0, connection.error ?? error) : error)
  }
}

/**
 * RST_STREAM with CANCEL, at once. Not by `close()` while there is more to upload: that ends the body first, and the server would take the
 * half that it has for the whole.
 */
function cancel(stream: ClientHttp2Stream): void {
  if (stream.writableEnded) {
    stream.close(CANCEL)
    // It would wait for somebody to read what came already.
    stream.destroy()
  } else builtinModule('node:stream').addAbortSignal(AbortSignal.abort(), stream)
}

function onInfo(this: ClientHttp2Stream, headers: Head, _: number, raw: RawHeaders): void {
  ;(this as Carrying)[TRY].info(headers, raw)
}
function onHead(this: ClientHttp2Stream, headers: Head, _: number, raw: RawHeaders): void {
  ;(this as Carrying)[TRY].head(headers, raw)
}
function onTrailers(this: ClientHttp2Stream, _: Head, __: number, raw: RawHeaders): void {
  ;(this as Carrying)[TRY].trailed(raw)
}
function onData(this: ClientHttp2Stream, chunk: Buffer): void {
  ;(this as Carrying)[TRY].data(chunk)
}
function onEnd(this: ClientHttp2Stream): void {
  ;(this as Carrying)[TRY].ended()
}
function onError(this: ClientHttp2Stream, error: Error): void {
  ;(this as Carrying)[TRY].fail(error)
}
function onClose(this: ClientHttp2Stream): void {
  ;(this as Carrying)[TRY].fail(undefined)
}
function onTimeout(this: ClientHttp2Stream): void {
  ;(this as Carrying)[TRY].timedOut()
}

/** The pairs of an answer's head, which begins with its pseudo-headers. */
function withoutPseudo(raw: RawHeaders): RawHeaders {
  return raw.length >= 2 && String(raw[0]).startsWith(':') ? raw.slice(2) : raw
}

const NONE: RawHeaders = Object.freeze([])
const NO_ERROR = 0
const REFUSED_STREAM = 7
const CANCEL = 8

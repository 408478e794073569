import { platformResponse } from './platform.ts'

/** What a request body turned into: what each try sends, and whether a further try can send it again. */
export interface Body {
  /**
   * The value for undici; called once per try.
   * @param beside another try may still be sending it, and goes on: only for a body that is {@link Body.whole}
   */
  forTry(beside?: boolean): unknown
  /**
   * The try that reads it was given up, and another is to follow. It must not take what comes until then: beyond the cap a piece that was
   * taken is gone, and with it the beginning that its successor has to repeat.
   */
  endTry(): void
  /** All of it is here, so that several tries can send it at once. */
  readonly whole: boolean
  /** False once bytes were read that were not kept. */
  readonly replayable: boolean
  /** The caller's own stream broke: no endpoint is to blame and no further try can help. */
  readonly sourceFailed: boolean
  /** Headers that the kind of body implies, added unless the caller set them. */
  readonly headers: readonly (readonly [string, string])[]
  /**
   * Gives the whole body, for a call beside this one: at once, or when all of it was read. Undefined when it cannot be had: it is longer
   * than what is kept, or it broke.
   */
  copy(then: (body: unknown) => void): void
  /** The call is over: gives buffers back and closes a source that still has something to say. */
  release(reason?: unknown): void
}

/** Bytes that all buffered bodies of a mesh hold together. */
export class ReplayMemory {
  private held = 0
  readonly limit: number
  constructor(limit = 64 * 1024 * 1024) {
    this.limit = limit
  }
  take(bytes: number): boolean {
    if (this.held + bytes > this.limit) return false
    this.held += bytes
    return true
  }
  give(bytes: number): void {
    this.held -= bytes
  }
}

const NO_HEADERS: readonly (readonly [string, string])[] = []

/** How many bytes of a streamed body are kept for a further try. */
export const REPLAY_LIMIT = 64 * 1024

/** Wraps `body` so that several tries can send it; undefined for no body. */
export function replayBody(body: unknown, memory: ReplayMemory): Body | undefined {
  if (body === null || body === undefined) return undefined
  if (isConstant(body)) return new ConstantBody(body)
  if (isBlob(body)) return blobBody(body)
  if (isFormData(body)) return formDataBody(body, memory)
  if (isIterable(body)) return new StreamBody(body, memory, NO_HEADERS)
  // Anything else goes to undici as it is, whose own error names the mistake best.
  return new ConstantBody(body)
}

class ConstantBody implements Body {
  readonly replayable = true
  readonly whole = true
  readonly sourceFailed = false
  readonly headers = NO_HEADERS
  private readonly body: unknown
  constructor(body: unknown) {
    this.body = body
  }
  forTry(): unknown {
    return this.body
  }
  endTry(): void {}
  copy(then: (body: unknown) => void): void {
    then(this.body)
  }
  release(): void {}
}

class BlobBody implements Body {
  readonly replayable = true
  readonly whole = true
  readonly sourceFailed = false
  readonly headers: readonly (readonly [string, string])[]
  private readonly blob: Blob
  constructor(blob: Blob, headers: readonly (readonly [string, string])[]) {
    this.blob = blob
    this.headers = headers
  }
  forTry(): unknown {
    return this.blob.stream()
  }
  endTry(): void {}
  copy(then: (body: unknown) => void): void {
    then(this.blob)
  }
  release(): void {}
}

function blobBody(blob: Blob): Body {
  const length: [string, string] = ['content-length', String(blob.size)]
  return new BlobBody(blob, blob.type ? [['content-type', blob.type], length] : [length])
}

/** The platform serialises the form (undici 8 refuses forms that it did not make). */
function formDataBody(form: unknown, memory: ReplayMemory): Body {
  const encoded = platformResponse(form)
  const type = encoded.headers.get('content-type')
  return new StreamBody(encoded.body as AsyncIterable<unknown>, memory, type === null ? NO_HEADERS : [['content-type', type]])
}

/**
 * A stream or iterable, read once. What was read is kept up to a cap, so that a try which follows a broken one
 * first repeats the beginning and then goes on where the source stands.
 */
class StreamBody implements Body {
  readonly headers: readonly (readonly [string, string])[]
  private readonly source: AsyncIterable<unknown> | Iterable<unknown>
  private readonly memory: ReplayMemory
  private iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined = undefined
  /** From the first piece on while it can be sent again, else only what the present try did not take yet. */
  private readonly kept: unknown[] = []
  private keptBytes = 0
  private pulling: Promise<void> | undefined = undefined
  private ended = false
  private failure: unknown = undefined
  sourceFailed = false
  replayable = true
  private released = false
  private current = 0
  /** Who waits for the whole of it. */
  private copies: ((body: unknown) => void)[] = []

  constructor(source: AsyncIterable<unknown> | Iterable<unknown>, memory: ReplayMemory, headers: readonly (readonly [string, string])[]) {
    this.source = source
    this.memory = memory
    this.headers = headers
    // The first read may be far off, and what breaks in a stream without listeners ends the process; the read will tell.
    const { on } = source as { on?: (event: string, listener: () => void) => void }
    if (typeof on === 'function') on.call(source, 'error', () => {})
  }

  /** Read to its end, and kept. */
  get whole(): boolean {
    return this.ended && !this.sourceFailed && this.replayable && !this.released
  }

  forTry(beside = false): unknown {
    if (beside) return this.joined()
    const turn = ++this.current
    let position = 0
    const next = async (): Promise<IteratorResult<unknown>> => {
      const { kept } = this
      for (;;) {
        // The reader of an abandoned try must not steal pieces from its successor; and to tell it that this was all would
        // make a whole request of half a body.
        if (turn !== this.current || this.released) throw ABANDONED_UPLOAD
        if (position < kept.length) {
          const value = kept[position++]
          if (!this.replayable && position === kept.length) {
            kept.length = 0
            position = 0
          }
          return { done: false, value }
        }
        if (this.sourceFailed) throw this.failure
        if (this.ended) return { done: true, value: undefined }
        await this.pull()
      }
    }
    return { [Symbol.asyncIterator]: () => ({ next, return: async () => ({ done: true, value: undefined }) }) }
  }

  endTry(): void {
    this.current++
  }

  copy(then: (body: unknown) => void): void {
    this.copies.push(then)
    this.giveCopies()
  }

  release(reason?: unknown): void {
    if (this.released) return
    // Whoever was answered before the end of the upload stops it, and with it the copies.
    this.giveCopies(true)
    this.released = true
    this.stopKeeping()
    this.kept.length = 0
    if (this.ended) return
    // The source may be in the middle of a read and may refuse to be closed: nobody is interested any more.
    try {
      if (this.iterator === undefined) closeUnread(this.source, reason)
      else Promise.resolve(this.iterator.return?.(reason)).catch(() => {})
    } catch {}
  }

  /** One read of the source, shared by a try that waits for it and the one that takes over meanwhile. */
  private pull(): Promise<void> {
    this.pulling ??= this.read().finally(() => {
      this.pulling = undefined
    })
    return this.pulling
  }

  private async read(): Promise<void> {
    try {
      this.iterator ??= openIterator(this.source)
      const piece = await this.iterator.next()
      if (piece.done === true) this.end()
      else if (!this.released) this.keep(piece.value)
    } catch (error) {
      this.ended = true
      this.sourceFailed = true
      this.failure = error
      this.giveCopies()
    }
  }

  private end(): void {
    this.ended = true
    this.giveCopies()
  }

  /** Once it is known whether there can be copies: all was read and is kept, or not. */
  private giveCopies(over = false): void {
    const { whole } = this
    if (this.copies.length === 0 || !(whole || over || this.ended || !this.replayable)) return
    const body = whole ? this.joined() : undefined
    for (const then of this.copies.splice(0)) then(body)
  }

  private joined(): Buffer {
    return Buffer.concat(this.kept.map(bytesOf))
  }

  /** Beyond the cap pieces are kept all the same until the present try took them: it may still be repeating the beginning. */
  private keep(piece: unknown): void {
    this.kept.push(piece)
    if (!this.replayable) return
    const bytes = typeof piece === 'string' ? Buffer.byteLength(piece) : ((piece as { byteLength?: number } | null)?.byteLength ?? 0)
    if (this.keptBytes + bytes > REPLAY_LIMIT || !this.memory.take(bytes)) this.stopKeeping()
    else this.keptBytes += bytes
  }

  private stopKeeping(): void {
    this.replayable = false
    this.giveCopies()
    this.memory.give(this.keptBytes)
    this.keptBytes = 0
  }
}

function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece)
  return ArrayBuffer.isView(piece) ? new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength) : new Uint8Array(piece as ArrayBuffer)
}

/** What breaks the upload of a try that was given up; it says nothing of its endpoint. */
export const ABANDONED_UPLOAD = Object.freeze(new Error('inmesh: this try was given up, and its body with it'))

function openIterator(source: AsyncIterable<unknown> | Iterable<unknown>): AsyncIterator<unknown> | Iterator<unknown> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** A stream nobody read still holds a file or a socket. */
function closeUnread(source: object, reason: unknown): void {
  const stream = source as { destroy?: () => void; cancel?: (reason: unknown) => Promise<unknown> }
  if (typeof stream.destroy === 'function') stream.destroy()
  else stream.cancel?.(reason).catch(() => {})
}

function isConstant(body: unknown): boolean {
  return typeof body === 'string' || ArrayBuffer.isView(body) || body instanceof ArrayBuffer
}

function isBlob(body: unknown): body is Blob {
  return body instanceof Blob
}

function isFormData(body: unknown): boolean {
  return typeof body === 'object' && Object.prototype.toString.call(body) === '[object FormData]'
}

function isIterable(body: unknown): body is AsyncIterable<unknown> | Iterable<unknown> {
  return typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || Symbol.iterator in body)
}

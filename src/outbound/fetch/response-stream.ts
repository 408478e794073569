import type { Readable } from 'node:stream'
import { builtinModule } from '../../core/builtin-module.ts'
import type { Coding } from './decode.ts'
import type { PieceReader, ResponseBody } from './response-body.ts'

/** A body as the byte stream that fetch gives: it asks for the next piece when somebody reads, and not before. */
export function byteStream(body: ResponseBody): ReadableStream<Uint8Array> {
  const source = body.codings.length === 0 ? new PlainSource(body) : new DecodedSource(body)
  return new ReadableStream(source, { highWaterMark: 0 })
}

/** Whether somebody read, or reads, a web stream or a stream of Node. */
export function isDisturbed(readable: unknown): boolean {
  return builtinModule('node:stream').Readable.isDisturbed(readable as Readable)
}

/** Hands the engine's pieces on as they come. */
class PlainSource implements PieceReader {
  readonly type = 'bytes'
  private readonly body: ResponseBody
  private controller: ReadableByteStreamController | undefined = undefined
  private wanted = false

  constructor(body: ResponseBody) {
    this.body = body
  }

  start(controller: ReadableByteStreamController): void {
    this.controller = controller
    this.body.watch(this)
    this.changed()
  }

  pull(): void {
    this.wanted = true
    this.body.awaitedBy(this)
    this.changed()
  }

  cancel(reason: unknown): void {
    this.controller = undefined
    this.body.abandon(reason)
  }

  changed(): void {
    const { body, controller } = this
    if (controller === undefined) return
    if (body.failure !== undefined) {
      this.controller = undefined
      controller.error(body.failure.error)
      return
    }
    const piece = this.wanted ? body.next() : null
    if (piece === null && !body.drained) return
    body.unawaited()
    if (piece) {
      this.wanted = false
      controller.enqueue(new Uint8Array(piece))
    }
    if (body.drained) {
      this.controller = undefined
      close(controller)
      body.consumed()
    }
  }
}

/** Puts decoders in between. What they hold back is bounded by their own buffers. */
class DecodedSource implements PieceReader {
  readonly type = 'bytes'
  private readonly body: ResponseBody
  private readonly decoded: AsyncIterator<Buffer>
  private wake: () => void = () => {}

  constructor(body: ResponseBody) {
    this.body = body
    body.watch(this)
    this.decoded = body.codings.reduce((pieces, coding) => decodedBy(coding, pieces), this.pieces())
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    this.body.awaitedBy(this)
    try {
      const { done, value } = await this.decoded.next()
      if (done === true) {
        close(controller)
        this.body.consumed()
      } else controller.enqueue(new Uint8Array(value))
    } catch (error) {
      controller.error(error === this.body.failure?.error ? error : this.body.undecodable(error))
      this.body.abandon(error)
    } finally {
      this.body.unawaited()
    }
  }

  async cancel(reason: unknown): Promise<void> {
    this.body.abandon(reason)
    this.wake()
    await this.decoded.return?.()
  }

  changed(): void {
    this.wake()
  }

  private async *pieces(): AsyncGenerator<Buffer> {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        this.wake = resolve
      })
      const piece = this.body.next()
      if (piece === undefined) return
      if (piece === null) await changed
      else yield piece
    }
  }
}

async function* decodedBy(coding: Coding, pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const first = await pieces.next()
  // An empty body was never compressed.
  if (first.done === true) return
  const decoder = coding.stream(first.value)
  const { pipeline, Readable } = builtinModule('node:stream')
  // What breaks on either side ends both, and the loop below throws it.
  pipeline(Readable.from(startingWith(first.value, pieces)), decoder, () => {})
  for await (const piece of decoder) yield piece as Buffer
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}

/** Ends a stream; whoever waits with a buffer of his own gets it back empty. */
function close(controller: ReadableByteStreamController): void {
  controller.close()
  controller.byobRequest?.respond(0)
}

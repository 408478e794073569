import { meshErrorWithoutStack } from '../../core/errors.ts'
import { saidBy } from '../failure.ts'
import type { DispatchController } from '../handler.ts'
import { type Coding, decodeAll } from './decode.ts'

/** More than this is not kept for a reader that has not come yet; the connection waits instead. */
export const HIGH_WATER_BYTES = 64 * 1024

interface Waiting {
  resolve(bytes: Buffer | Promise<Buffer>): void
  reject(error: unknown): void
}

/** A reader that takes the pieces one by one, as they come. */
export interface PieceReader {
  /** Something happened: a piece came, the body ended, or it broke. */
  changed(): void
}

/**
 * The body of an answer between the engine and its reader. Nothing is made before somebody reads: a small body is complete by then,
 * and gives its bytes without a stream. It does not know its Response, so that a Response which nobody holds can be collected.
 */
export class ResponseBody {
  /** Somebody reads, or has read. */
  used = false
  readonly codings: readonly Coding[]
  /** Called once when the reader has everything, or will get nothing more. */
  whenConsumed: (() => void) | undefined = undefined
  private readonly controller: DispatchController
  private readonly service: string
  private pieces: Buffer[] = []
  private size = 0
  /** Everything came. */
  ended = false
  /** What broke it. */
  failure: { readonly error: unknown } | undefined = undefined
  private waiting: Waiting | undefined = undefined
  /** Weak, so that a stream which nobody holds can be collected although the engine still has something for it. */
  private reader: WeakRef<PieceReader> | undefined = undefined
  /** The reader, strong, while somebody waits for what it reads: nothing else may hold him, as in a loop that nobody awaits. */
  private awaited: PieceReader | undefined = undefined

  constructor(controller: DispatchController, service: string, codings: readonly Coding[]) {
    this.controller = controller
    this.service = service
    this.codings = codings
  }

  // ---- what the engine says ----------------------------------------------------------------------------

  push(piece: Buffer): void {
    this.pieces.push(piece)
    this.size += piece.length
    if (this.waiting !== undefined) return
    this.tellReader()
    if (this.size > HIGH_WATER_BYTES) this.controller.pause()
  }

  end(): void {
    this.ended = true
    if (this.waiting !== undefined) {
      this.waiting.resolve(this.codings.length === 0 ? this.bytes() : this.decoded())
      this.consumed()
    }
    this.tellReader()
  }

  /** The body broke off, or the caller left: whoever reads hears of it, now and later. */
  fail(error: unknown): void {
    if (this.failure !== undefined || (this.ended && this.waiting !== undefined)) return
    this.failure = { error }
    this.pieces = []
    this.size = 0
    this.waiting?.reject(error)
    this.consumed()
    this.tellReader()
    this.unawaited()
  }

  // ---- what a reader asks ------------------------------------------------------------------------------

  /** All of it, decoded: at once where it is there already. */
  take(): Buffer | Promise<Buffer> {
    this.used = true
    if (this.failure !== undefined) return Promise.reject(this.failure.error)
    if (this.ended) {
      this.consumed()
      return this.codings.length === 0 ? this.bytes() : this.decoded()
    }
    const all = new Promise<Buffer>((resolve, reject) => {
      this.waiting = { resolve, reject }
    })
    this.controller.resume()
    return all
  }

  /** Lets `reader` know of every change from here on; there is none once everything came. */
  watch(reader: PieceReader): void {
    if (!this.ended) this.reader = new WeakRef(reader)
  }

  /** Somebody waits for what `reader` reads, until `unawaited`. */
  awaitedBy(reader: PieceReader): void {
    this.awaited = reader
  }

  /** Whoever waited has something. */
  unawaited(): void {
    this.awaited = undefined
  }

  /** The next piece as it came; `null`: not yet; `undefined`: there is no further one. Throws what broke the body. */
  next(): Buffer | null | undefined {
    if (this.failure !== undefined) throw this.failure.error
    const piece = this.pieces.shift()
    if (piece !== undefined) {
      this.size -= piece.length
      return piece
    }
    if (this.ended) return undefined
    this.controller.resume()
    return null
  }

  /** Nothing more will come after what `next` gave. */
  get drained(): boolean {
    return this.ended && this.failure === undefined && this.pieces.length === 0
  }

  /** Nobody reads on: the connection is not kept waiting. */
  abandon(reason: unknown): void {
    this.reader = undefined
    this.unawaited()
    this.pieces = []
    this.consumed()
    if (!this.ended && this.failure === undefined) this.controller.abort(reason)
  }

  /** Whoever read has everything. */
  consumed(): void {
    this.whenConsumed?.()
    this.whenConsumed = undefined
  }

  /** Its Response was collected; whoever took its stream reads on. */
  abandonUnread(): void {
    if (!this.used && this.reader === undefined) this.abandon(UNREAD)
  }

  /** What a reader hears when the bytes do not decode. */
  undecodable(cause: unknown): TypeError {
    return terminated(
      meshErrorWithoutStack('MESH_PROTOCOL', {
        service: this.service,
        tries: 1,
        reason: `the body cannot be decoded: ${saidBy(cause)}`,
        cause,
      }),
    )
  }

  private tellReader(): void {
    const reader = this.awaited ?? this.reader?.deref()
    reader?.changed()
  }

  private bytes(): Buffer {
    const { pieces } = this
    this.pieces = []
    this.size = 0
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  private async decoded(): Promise<Buffer> {
    try {
      return await decodeAll(this.codings, this.bytes())
    } catch (error) {
      throw this.undecodable(error)
    }
  }
}

const UNREAD = Object.freeze(new Error('inmesh: nobody held the Response any more, and nobody had read its body'))

/** How fetch says that a body broke off. */
export function terminated(cause: unknown): TypeError {
  return new TypeError('terminated', { cause })
}

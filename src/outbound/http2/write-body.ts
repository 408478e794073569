import type { ClientHttp2Stream } from 'node:http2'
import type { UndiciError } from '../undici.ts'

/** The bytes of a body that is at hand as a whole; undefined for one that comes in pieces. */
export function wholeBody(body: unknown, refuse: UndiciError): Uint8Array | undefined {
  if (typeof body === 'string') return Buffer.from(body)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  if (typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || Symbol.iterator in body)) return undefined
  throw refuse('InvalidArgumentError', 'body must be a string, a Buffer, a Readable stream, an iterable, or an async iterable')
}

/**
 * Writes a body piece by piece, as fast as the server takes it: the next piece is read when there is window for it.
 * Ends early, and without an error, when the stream is gone.
 * @param wrote hears of every piece
 * @throws what the source throws, and where it has another length than the caller said
 */
export async function writePieces(
  stream: ClientHttp2Stream,
  body: AsyncIterable<unknown> | Iterable<unknown>,
  { length, wrote, refuse }: { length: number | undefined; wrote: (piece: unknown) => void; refuse: UndiciError },
): Promise<void> {
  let written = 0
  for await (const piece of body) {
    if (!isWritable(stream)) return
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    if (!(bytes instanceof Uint8Array)) throw refuse('InvalidArgumentError', 'a piece of the body is neither text nor bytes')
    written += bytes.length
    if (length !== undefined && written > length) throw refuse('RequestContentLengthMismatchError', MISMATCH)
    const more = stream.write(bytes)
    wrote(piece)
    if (!more) await drained(stream)
  }
  if (!isWritable(stream)) return
  if (length !== undefined && written < length) throw refuse('RequestContentLengthMismatchError', MISMATCH)
  stream.end()
}

function isWritable({ destroyed, closed, writableEnded }: ClientHttp2Stream): boolean {
  return !destroyed && !closed && !writableEnded
}

function drained(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}

const MISMATCH = 'Request body length does not match content-length header'

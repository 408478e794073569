import { fetchClasses, type PlatformForm, platformResponse } from '../platform.ts'
import { isDisturbed } from './response-stream.ts'

/** A body as fetch takes it, made ready to be sent. */
export interface RequestBody {
  readonly body: unknown
  /** The `content-type` that it implies; undefined for none. */
  readonly type: string | undefined
  /** It can be sent again, also to another place: it is data, not a stream. */
  readonly isData: boolean
}

type Reader = ReadableStreamDefaultReader<Uint8Array>
type Reading = ReturnType<Reader['read']>

/** Ready at once; `undefined`: nothing fetch takes as it is, or something that it refuses. */
export function requestBody(init: unknown, duplex: unknown): RequestBody | undefined {
  if (init === undefined || init === null) return NO_BODY
  if (typeof init === 'string') return { body: init, type: 'text/plain;charset=UTF-8', isData: true }
  if (typeof init !== 'object') return undefined
  if (ArrayBuffer.isView(init) || init instanceof ArrayBuffer) return bytesBody(init)
  if (init instanceof URLSearchParams)
    return { body: init.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8', isData: true }
  // These bring their own content type when they are sent.
  if (init instanceof Blob) return { body: init, type: undefined, isData: true }
  if (init instanceof fetchClasses().FormData) return { body: init, type: undefined, isData: true }
  const readable = init instanceof ReadableStream || Symbol.asyncIterator in init
  if (!readable || duplex !== 'half' || isDisturbed(init) || (init as { locked?: boolean }).locked === true) return undefined
  return { body: init instanceof ReadableStream ? new ByteChunks(init) : init, type: undefined, isData: false }
}

/** A web stream as fetch reads one: pieces of bytes and nothing else, and its source hears why the call ended. */
class ByteChunks implements AsyncIterable<Uint8Array> {
  private readonly stream: ReadableStream<Uint8Array>
  constructor(stream: ReadableStream<Uint8Array>) {
    this.stream = stream
  }
  cancel(reason: unknown): Promise<void> {
    return this.stream.cancel(reason)
  }
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return new RestOfChunks(this.stream.getReader())[Symbol.asyncIterator]()
  }
}

/** What a reader of such a stream still has to give, after what was read of it already. Whoever ends it need not wait for the next piece. */
class RestOfChunks implements AsyncIterable<Uint8Array> {
  private readonly reader: Reader
  private readonly before: Reading[]
  constructor(reader: Reader, before: Reading[] = []) {
    this.reader = reader
    this.before = before
  }
  cancel(reason: unknown): Promise<void> {
    return this.reader.cancel(reason)
  }
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const { reader, before } = this
    return {
      next: async () => {
        const { done, value } = await (before.shift() ?? reader.read())
        if (done) return { done, value: undefined }
        if (!(value instanceof Uint8Array)) throw new TypeError('Received non-Uint8Array chunk')
        return { done, value }
      },
      return: async (reason?: unknown) => {
        await reader.cancel(reason)
        return { done: true, value: undefined }
      },
    }
  }
}

/** A copy: whoever changes his buffer while the call is under way changes nothing of it. */
function bytesBody(init: ArrayBuffer | ArrayBufferView): RequestBody | undefined {
  const [buffer, offset, length] = ArrayBuffer.isView(init) ? [init.buffer, init.byteOffset, init.byteLength] : [init, 0, init.byteLength]
  if (!(buffer instanceof ArrayBuffer)) return undefined
  return { body: Buffer.from(new Uint8Array(buffer, offset, length)), type: undefined, isData: true }
}

/** Whether `body` has to be read before it is sent, so that its length can be said and it can be sent again. */
export function isReadFirst(body: unknown): boolean {
  // Nearly every body is a text or none, and asking the platform for its classes is not free.
  return typeof body === 'object' && body instanceof fetchClasses().FormData && formSize(body) <= READ_FIRST_BYTES
}

/** A small form as the bytes that the platform makes of it. */
export async function readForm(form: unknown): Promise<RequestBody> {
  const encoded = platformResponse(form)
  const type = encoded.headers.get('content-type') ?? undefined
  return { body: Buffer.from(await encoded.arrayBuffer()), type, isData: true }
}

function formSize(form: PlatformForm): number {
  let size = 0
  for (const [, value] of form as unknown as Iterable<[string, string | Blob]>)
    size += typeof value === 'string' ? value.length : value.size
  return size
}

/**
 * The body of a platform Request. It shows itself as a stream only; one that was made from data gives all of it at once, and then it
 * is data again: sent with its length, and as often as needed.
 * @param afterPoll runs after what is ready now
 */
export async function bodyOfRequest(stream: ReadableStream<Uint8Array>, afterPoll: (then: () => void) => void): Promise<RequestBody> {
  const reader = stream.getReader()
  const pieces: Uint8Array[] = []
  let pending = reader.read()
  for (;;) {
    const late = new Promise<undefined>((resolve) => afterPoll(() => resolve(undefined)))
    const piece = await Promise.race([pending, late])
    if (piece === undefined)
      return { body: new RestOfChunks(reader, [...pieces.map(alreadyRead), pending]), type: undefined, isData: false }
    if (piece.done) return { body: Buffer.concat(pieces), type: undefined, isData: true }
    pieces.push(piece.value)
    pending = reader.read()
  }
}

function alreadyRead(value: Uint8Array): Reading {
  return Promise.resolve({ done: false, value })
}

const NO_BODY: RequestBody = Object.freeze({ body: undefined, type: undefined, isData: true })
const READ_FIRST_BYTES = 1024 * 1024

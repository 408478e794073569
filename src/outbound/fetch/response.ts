import type { RawHeaders } from '../handler.ts'
import { fetchClasses, type PlatformForm, type PlatformHeaders, platformResponse } from '../platform.ts'
import type { ResponseBody } from './response-body.ts'
import { byteStream, isDisturbed } from './response-stream.ts'

/** What a Response is made of. */
export interface ResponseParts {
  readonly status: number
  readonly statusText: string
  /** Without a fragment. */
  readonly url: string
  readonly redirected: boolean
  readonly type: 'basic' | 'cors'
  readonly rawHeaders: RawHeaders
  /** Undefined for an answer that has none: HEAD, 204, 205, 304. */
  readonly body: ResponseBody | undefined
  /** The body may have to wait for its reader, who may never come. */
  readonly mayWait: boolean
}

/** Makes genuine platform Responses. */
export type MakeResponse = (parts: ResponseParts) => Response

/** Methods of headers that change them. */
interface Changeable {
  append(name: string, value: string): void
  delete(name: string): void
  set(name: string, value: string): void
}

type Reader = 'text' | 'json' | 'arrayBuffer' | 'bytes' | 'blob' | 'formData'

const UNUSABLE = 'Body is unusable: Body has already been read'
const BEYOND = 'inmesh: this Response gives its body through its own members only (text, json, body, clone …), not to what reads past them'

/**
 * The factory of Responses whose class is a subclass of the platform's, made when it is first needed. `super()` gets one shared stream
 * that is errored already: brand checks pass at a price of 0.3 µs, where a stream of its own costs up to 19; and whoever reads past the
 * members below hears a TypeError that says so, never an empty body.
 */
export function responseMaker(): MakeResponse {
  const platform = fetchClasses()
  // Only what `super` is used for: the members of the platform's types are overridden by accessors, which TypeScript would not allow.
  const BareResponse = platform.Response as unknown as new (body: ReadableStream) => object
  const BareHeaders = platform.Headers as unknown as new () => Changeable
  let dead = erroredStream()
  const collected = new FinalizationRegistry<ResponseBody>((body) => body.abandonUnread())
  const streamCollected = new FinalizationRegistry<ResponseBody>((body) => body.abandon(undefined))

  /** Headers of an answer: nobody may change them. */
  class ResponseHeaders extends BareHeaders {
    readonly #complete: boolean
    constructor(raw: RawHeaders) {
      super()
      for (let index = 0; index + 1 < raw.length; index += 2) super.append(latin1(raw[index]).toLowerCase(), latin1(raw[index + 1]))
      this.#complete = true
    }
    override append(name: string, value: string): void {
      this.#change(() => super.append(name, value))
    }
    override delete(name: string): void {
      this.#change(() => super.delete(name))
    }
    override set(name: string, value: string): void {
      this.#change(() => super.set(name, value))
    }
    #change(change: () => void): void {
      if (this.#complete) throw new TypeError('immutable')
      change()
    }
  }

  class MeshResponse extends BareResponse {
    readonly #parts: ResponseParts
    #headers: PlatformHeaders | undefined
    #stream: ReadableStream<Uint8Array> | undefined
    #spent: boolean

    constructor(parts: ResponseParts, stream?: ReadableStream<Uint8Array>) {
      super(dead)
      this.#parts = parts
      this.#headers = undefined
      this.#stream = stream
      this.#spent = false
    }

    get type(): 'basic' | 'cors' {
      return this.#parts.type
    }
    get url(): string {
      return this.#parts.url
    }
    get redirected(): boolean {
      return this.#parts.redirected
    }
    get status(): number {
      // The platform reads it inside super().
      return #parts in this ? this.#parts.status : 200
    }
    get ok(): boolean {
      const { status } = this.#parts
      return status >= 200 && status <= 299
    }
    get statusText(): string {
      return this.#parts.statusText
    }
    get headers(): PlatformHeaders {
      this.#headers ??= new ResponseHeaders(this.#parts.rawHeaders) as unknown as PlatformHeaders
      return this.#headers
    }

    get body(): ReadableStream<Uint8Array> | null {
      const { body } = this.#parts
      if (this.#stream !== undefined || body === undefined) return this.#stream ?? null
      if (body.used) {
        this.#spent = true
        this.#stream = spentStream()
      } else {
        this.#stream = byteStream(body)
        if (!body.ended) streamCollected.register(this.#stream, body)
      }
      return this.#stream
    }
    get bodyUsed(): boolean {
      if (this.#spent) return true
      return this.#stream === undefined ? this.#parts.body?.used === true : isDisturbed(this.#stream)
    }

    text(): Promise<string> {
      return this.#read('text', textOf)
    }
    json(): Promise<unknown> {
      return this.#read('json', (bytes) => JSON.parse(textOf(bytes)))
    }
    arrayBuffer(): Promise<ArrayBuffer> {
      return this.#read('arrayBuffer', (bytes) => ownBytes(bytes).buffer)
    }
    bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return this.#read('bytes', ownBytes)
    }
    blob(): Promise<Blob> {
      return this.#read('blob', (bytes) => this.#platform(bytes, 'blob') as Promise<Blob>)
    }
    formData(): Promise<PlatformForm> {
      return this.#read('formData', (bytes) => this.#platform(bytes, 'formData') as Promise<PlatformForm>)
    }

    clone(): MeshResponse {
      const { body } = this
      if (this.bodyUsed || body?.locked === true) throw new TypeError('Response.clone: Body has already been consumed.')
      if (body === null) return new MeshResponse(this.#parts)
      const [kept, given] = body.tee()
      this.#stream = kept
      return new MeshResponse(this.#parts, given)
    }

    /** What reads the body, in the shortest way: from the engine while nobody took the stream, else as the platform does. */
    #read<T>(reader: Reader, convert: (bytes: Buffer) => T | Promise<T>): Promise<T> {
      const { body } = this.#parts
      const stream = this.#stream
      if (body === undefined) return this.#platform(null, reader) as Promise<T>
      if (stream === undefined ? body.used : stream.locked || isDisturbed(stream)) return Promise.reject(new TypeError(UNUSABLE))
      if (stream !== undefined) return this.#platform(stream, reader) as Promise<T>
      const bytes = body.take()
      if (bytes instanceof Promise) return bytes.then(convert)
      try {
        return Promise.resolve(convert(bytes))
      } catch (error) {
        return Promise.reject(error)
      }
    }

    /** Reads `body` as the platform does. */
    #platform(body: unknown, reader: Reader): Promise<unknown> {
      return (sameType(this, body) as unknown as Record<Reader, () => Promise<unknown>>)[reader]()
    }
  }

  adoptNewReaders(platform.Response, MeshResponse.prototype)
  looksLike(MeshResponse.prototype, platform.Response)
  looksLike(ResponseHeaders.prototype, platform.Headers)

  return (parts) => {
    const response = make(parts)
    if (parts.mayWait && parts.body !== undefined) collected.register(response, parts.body)
    return response
  }

  function make(parts: ResponseParts): Response {
    try {
      return new MeshResponse(parts) as unknown as Response
    } catch {
      // Somebody read past our members and locked it.
      dead = erroredStream()
      return new MeshResponse(parts) as unknown as Response
    }
  }
}

/** `new response.constructor(…)` makes what it makes of any other Response, and a loop over its keys finds the same ones. */
function looksLike(ours: object, theirs: object): void {
  for (const name of Object.getOwnPropertyNames(ours)) Object.defineProperty(ours, name, { enumerable: name !== 'constructor' })
  Object.defineProperty(ours, 'constructor', { value: theirs, configurable: true, writable: true })
}

/** Methods that a newer platform has and this file does not know work on a Response of its own around the stream. */
function adoptNewReaders({ prototype }: { readonly prototype: object }, ours: object): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value !== 'function' || Object.hasOwn(ours, name)) continue
    Object.defineProperty(ours, name, {
      value(this: Response, ...args: unknown[]): unknown {
        return (value as (...args: unknown[]) => unknown).apply(sameType(this, this.body), args)
      },
      configurable: true,
      writable: true,
    })
  }
}

/** A Response of the platform with the content type of `response`, which some readers go by. */
function sameType(response: { readonly headers: PlatformHeaders }, body: unknown): Response {
  const type = response.headers.get('content-type')
  return platformResponse(body, type === null ? undefined : { 'content-type': type })
}

function erroredStream(): ReadableStream {
  return new ReadableStream({ start: (controller) => controller.error(new TypeError(BEYOND)) })
}

/** What `body` is after a reader took everything: there, locked, and read. */
function spentStream(): ReadableStream<Uint8Array> {
  const stream = new ReadableStream({ type: 'bytes', start: (controller) => controller.close() })
  stream.getReader().read()
  return stream
}

function latin1(part: Buffer | string | undefined): string {
  return typeof part === 'string' ? part : (part as Buffer).toString('latin1')
}

/** UTF-8 without its byte order mark, as fetch decodes it. */
function textOf(bytes: Buffer): string {
  const marked = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString('utf8', marked ? 3 : 0)
}

/** A copy that shares its memory with nothing. */
function ownBytes(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

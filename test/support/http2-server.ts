import type { AddressInfo, Socket } from 'node:net'
import { createServer, type Server } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Credentials } from './tls.ts'

/** Codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const H2 = { none: 0, protocol: 1, internal: 2, refused: 7, cancel: 8, calm: 11 } as const

/** One request as the server saw it: its stream, and what may be done with it. */
export interface SeenStream {
  readonly id: number
  /** Number of its connection, from 1. */
  readonly connection: number
  readonly wire: Http2Wire
  /** Bytes of the request's body so far. */
  bodyBytes: number
  ended: boolean
  /** The code with which the client reset it; undefined when it did not. */
  reset: number | undefined
  /** Resolves when the whole request was read. */
  readonly read: Promise<void>
  /** A complete answer. */
  answer(status?: number, body?: string): void
  /** An answer's head; the rest is to come. */
  head(status: number, fields?: Record<string, string>): void
  data(text: string): void
  end(text: string): void
  trailers(fields: Record<string, string>): void
  /** RST_STREAM. */
  refuse(code: number): void
}

export type StreamStep = (stream: SeenStream) => unknown

/** One connection, on which frames are written by hand. */
export interface Http2Wire {
  /** Streams that were begun, in their order. */
  readonly streams: SeenStream[]
  readonly socket: Socket
  /** Ids of the PINGs that came in, and whether they are answered. */
  pings: number
  deaf: boolean
  goaway(lastStream: number, code?: number): void
  settings(maxConcurrentStreams: number): void
}

/**
 * A real loopback server that speaks HTTP/2 frame by frame: what is to be proved is what a client makes of a GOAWAY with exactly this last
 * stream, or of a RST_STREAM at exactly this moment, and a library sends neither. It does not decode header blocks.
 */
export class Http2WireServer {
  readonly wires: Http2Wire[] = []
  readonly streams: SeenStream[] = []
  /** Most streams at once, of all connections. */
  most = 0
  private step: StreamStep
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly maxStreams: number | undefined

  private constructor(step: StreamStep, maxStreams: number | undefined, secure: (Credentials & { ALPNProtocols?: string[] }) | undefined) {
    this.step = step
    this.maxStreams = maxStreams
    this.server =
      secure === undefined
        ? createServer({ noDelay: true }, (socket) => this.accept(socket))
        : createTlsServer({ ALPNProtocols: ['h2', 'http/1.1'], ...secure }, (socket: TLSSocket) => this.accept(socket))
    this.server.on('tlsClientError', () => {})
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  static async start(
    step: StreamStep = (stream) => stream.answer(),
    options: { maxStreams?: number; secure?: Credentials & { ALPNProtocols?: string[] } } = {},
  ): Promise<Http2WireServer> {
    const made = new Http2WireServer(step, options.maxStreams, options.secure)
    await new Promise<void>((resolve) => made.server.listen(0, '127.0.0.1', resolve))
    return made
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  get connections(): number {
    return this.wires.length
  }

  get openSockets(): number {
    return [...this.sockets].filter(({ destroyed }) => !destroyed).length
  }

  /** Does this from the next request on. */
  behave(step: StreamStep): void {
    this.step = step
  }

  /** Lets nobody new in; who is connected stays. */
  stopListening(): void {
    this.server.close()
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private accept(socket: Socket): void {
    const byId = new Map<number, SeenStream & { gone: () => void; heard: () => void }>()
    const send = (type: number, flags: number, id: number, payload?: Buffer): void => {
      if (!socket.destroyed) socket.write(frame(type, flags, id, payload))
    }
    const wire: Http2Wire = {
      streams: [],
      socket,
      pings: 0,
      deaf: false,
      goaway: (lastStream, code = H2.none) => send(7, 0, 0, numbers(lastStream, code)),
      settings: (max) => send(4, 0, 0, setting(3, max)),
    }
    const number = this.wires.push(wire)
    socket.on('error', () => {})
    const window = setting(4, 0x7fffffff)
    send(4, 0, 0, this.maxStreams === undefined ? window : Buffer.concat([window, setting(3, this.maxStreams)]))
    // As much window as there is: what is proved of a body's flow is proved with node's own server.
    send(8, 0, 0, numbers(0x7fff0000 - 65_535))
    let alive = 0
    const begin = (id: number, ended: boolean): void => {
      this.most = Math.max(this.most, ++alive)
      let open = true
      let heard = (): void => {}
      const read = new Promise<void>((resolve) => {
        heard = resolve
      })
      const gone = (): void => {
        if (open) alive--
        open = false
      }
      const last = (): void => {
        if (stream.ended) gone()
      }
      const stream = {
        id,
        connection: number,
        wire,
        bodyBytes: 0,
        ended,
        reset: undefined as number | undefined,
        read,
        gone,
        heard,
        answer: (status = 200, body = 'ok') => {
          stream.head(status)
          stream.end(body)
        },
        head: (status: number, fields: Record<string, string> = {}) =>
          send(
            1,
            4,
            id,
            Buffer.concat([field(':status', String(status)), ...Object.entries(fields).map(([name, value]) => field(name, value))]),
          ),
        data: (text: string) => send(0, 0, id, Buffer.from(text)),
        end: (text: string) => {
          send(0, 1, id, Buffer.from(text))
          last()
        },
        trailers: (fields: Record<string, string>) => {
          send(1, 5, id, Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value))))
          last()
        },
        refuse: (code: number) => {
          send(3, 0, id, numbers(code))
          gone()
        },
      }
      byId.set(id, stream)
      wire.streams.push(stream)
      this.streams.push(stream)
      if (ended) heard()
      void this.step(stream)
    }
    const on = (type: number, flags: number, id: number, payload: Buffer): void => {
      const stream = byId.get(id)
      if (type === 4 && (flags & 1) === 0) send(4, 1, 0)
      else if (type === 6 && (flags & 1) === 0) {
        wire.pings++
        if (!wire.deaf) send(6, 1, 0, payload)
      } else if (type === 1 && stream === undefined) begin(id, (flags & 1) !== 0)
      else if (type === 3 && stream !== undefined) {
        stream.reset = payload.readUInt32BE(0)
        stream.gone()
      } else if (type === 0 && stream !== undefined) {
        stream.bodyBytes += payload.length
        if ((flags & 1) !== 0) {
          stream.ended = true
          stream.heard()
        }
      }
    }
    readFrames(socket, on)
  }
}

function readFrames(socket: Socket, on: (type: number, flags: number, id: number, payload: Buffer) => void): void {
  let rest = Buffer.alloc(0)
  let greeted = false
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    if (!greeted && rest.length >= PREFACE_BYTES) {
      greeted = true
      rest = rest.subarray(PREFACE_BYTES)
    }
    while (greeted && rest.length >= 9) {
      const length = rest.readUIntBE(0, 3)
      if (rest.length < 9 + length) return
      const payload = rest.subarray(9, 9 + length)
      const [type = 0, flags = 0] = rest.subarray(3, 5)
      const id = rest.readUInt32BE(5) & 0x7fffffff
      rest = rest.subarray(9 + length)
      on(type, flags, id, payload)
    }
  })
}

/** One frame of HTTP/2 as it goes over the wire. */
export function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, payload])
}

/** 32-bit numbers one after the other. */
function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6)
  bytes.writeUInt16BE(id, 0)
  bytes.writeUInt32BE(value, 2)
  return bytes
}

/** A literal field of HPACK, without Huffman and without a place in the table; names and values below 127 bytes. */
function field(name: string, value: string): Buffer {
  const text = (each: string): Buffer => Buffer.concat([Buffer.from([Buffer.byteLength(each)]), Buffer.from(each)])
  return Buffer.concat([Buffer.from([0]), text(name), text(value)])
}

const PREFACE_BYTES = 24

import { createServer, type Server, type Socket } from 'node:net'
import { type HeaderLines, readRequests } from '../../support/http-reader.ts'

/** One request as the peer saw it. */
export interface Seen {
  method: string
  path: string
  /** By lower-case name; what came twice is joined with ` | `, so that a test sees the seam. `host` is left out. */
  headers: Record<string, string>
  /** As they stood on the wire. */
  lines: HeaderLines
  /** What has come so far. */
  body: Buffer
  /** Resolves when so many bytes of the body have come. */
  received(bytes: number): Promise<void>
  /** Resolves at the end of the body. */
  complete: Promise<void>
  /** Resolves when the connection is gone. */
  closed: Promise<void>
  /** Number of the connection it came on, from 1. */
  connection: number
}

/** Writes an answer by hand, from the moment the head of the request was read. */
export type Script = (exchange: { seen: Seen; socket: Socket; write(bytes: string | Uint8Array): boolean }) => unknown

/** Bytes are written when the whole request was read. */
export type Answer = string | Uint8Array | Script

/** `200` or `'299 Odd reason'`, header lines and a body. The length is counted unless a line says otherwise. */
export function reply(status: number | string, lines: readonly string[] = [], body: string | Uint8Array = ''): Buffer {
  const bytes = Buffer.from(body as string)
  const framed = lines.some((line) => /^(content-length|transfer-encoding):/i.test(line)) || /^(204|304)/.test(String(status))
  const head = [
    `HTTP/1.1 ${typeof status === 'number' ? `${status} Reason` : status}`,
    ...lines,
    ...(framed ? [] : [`content-length: ${bytes.length}`]),
    '',
    '',
  ]
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), bytes])
}

/** `pieces` as chunks, with the last chunk and its trailers. */
export function chunked(pieces: readonly (string | Uint8Array)[], trailers: readonly string[] = []): Buffer {
  const parts = pieces.map((piece) => {
    const bytes = Buffer.from(piece as string)
    return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
  })
  return Buffer.concat([...parts, Buffer.from(`0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`)])
}

export const CHUNKED = 'transfer-encoding: chunked'

const OK = reply(200, ['content-type: text/plain'], 'ok')

/** A server on loopback that remembers what it saw and answers byte for byte what a test wants. */
export class Peer {
  readonly seen: Seen[] = []
  port = 0
  private fallback: Answer = OK
  private byPath = new Map<string, Answer>()
  private connections = 0
  private readonly sockets = new Set<Socket>()
  private readonly server: Server
  private waiting: { count: number; done: () => void }[] = []

  private constructor() {
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket))
  }

  static async start(): Promise<Peer> {
    const peer = new Peer()
    await new Promise<void>((resolve) => peer.server.listen(0, '127.0.0.1', resolve))
    peer.port = (peer.server.address() as { port: number }).port
    return peer
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get openSockets(): number {
    return this.sockets.size
  }

  /** Answers everything with this, or path by path; a path that is not named gets `200 ok`. */
  answer(answer: Answer | Record<string, Answer>): void {
    if (typeof answer === 'object' && !(answer instanceof Uint8Array)) this.byPath = new Map(Object.entries(answer))
    else this.fallback = answer
  }

  /** The request with this number, from 1, as soon as its head is there. */
  async request(number: number): Promise<Seen> {
    if (this.seen.length < number) await new Promise<void>((done) => this.waiting.push({ count: number, done }))
    return this.seen[number - 1] as Seen
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  private accept(socket: Socket): void {
    const connection = ++this.connections
    this.sockets.add(socket)
    socket.on('error', () => {})
    const closed = new Promise<void>((resolve) =>
      socket.on('close', () => {
        this.sockets.delete(socket)
        resolve()
      }),
    )
    readRequests(socket, ({ method, path }, read, lines) => {
      let onBody: () => unknown = () => {}
      const seen: Seen = {
        method,
        path,
        headers: joined(lines),
        lines,
        body: Buffer.alloc(0),
        received: (bytes) =>
          new Promise((resolve) => {
            onBody = () => seen.body.length >= bytes && resolve()
            onBody()
          }),
        complete: Promise.resolve(),
        closed,
        connection,
      }
      seen.complete = read((chunk) => {
        seen.body = Buffer.concat([seen.body, chunk])
        onBody()
      })
      this.seen.push(seen)
      this.waiting = this.waiting.filter(({ count, done }) => count > this.seen.length || done())
      const answer = this.byPath.get(path) ?? this.fallback
      const write = (bytes: string | Uint8Array): boolean => socket.writable && socket.write(bytes)
      if (typeof answer === 'function') answer({ seen, socket, write })
      else void seen.complete.then(() => write(seen.method === 'HEAD' ? headOf(answer) : answer))
    })
  }
}

function joined(lines: HeaderLines): Record<string, string> {
  const headers = new Map<string, string>()
  for (const [written, value] of lines) {
    const name = written.toLowerCase()
    const former = headers.get(name)
    if (name !== 'host') headers.set(name, former === undefined ? value : `${former} | ${value}`)
  }
  return Object.fromEntries(headers)
}

function headOf(answer: string | Uint8Array): Buffer {
  const bytes = Buffer.from(answer as string)
  return bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4)
}

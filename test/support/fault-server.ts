import { createHash } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { faults } from './faults.ts'
import { readRequests } from './http-reader.ts'

/** One request as a server saw it. */
export interface SeenRequest {
  method: string
  path: string
  headers: Record<string, string>
  bodyBytes: number
  bodyHash: string
  /** Number of the connection it came on, from 1. */
  connection: number
}

/** What a fault does with a request; called when its head was read, and again at the end of its body. */
export interface Exchange {
  readonly socket: Socket
  readonly request: SeenRequest
  readonly server: FaultServer
  /** Resolves when the whole body was read. */
  readonly bodyRead: Promise<void>
  write(text: string | Buffer): void
  /** A complete small answer with keep-alive. */
  answer(status: number, body?: string, headers?: string[]): void
}

export type Fault = (exchange: Exchange) => void | Promise<void>

/** A status, or the name of a fault in `faults.ts`. */
export type Step = number | keyof typeof faults | Fault

/**
 * A real loopback server that misbehaves on order: its script says, request by request, what it does; the last step is
 * repeated. It speaks HTTP/1.1 by hand, since no library would agree to send what it has to send.
 */
export class FaultServer {
  readonly requests: SeenRequest[] = []
  connections = 0
  port = 0
  private script: Step[]
  private readonly sockets = new Set<Socket>()
  private readonly server: Server
  private onConnection: ((socket: Socket) => boolean) | undefined

  private constructor(script: Step[]) {
    this.script = script
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket))
  }

  static async start(...script: Step[]): Promise<FaultServer> {
    const server = new FaultServer(script.length === 0 ? [200] : script)
    await server.listen(0)
    return server
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections that are open now. */
  get openSockets(): number {
    return [...this.sockets].filter(({ destroyed }) => !destroyed).length
  }

  /** Does this from the next request on. */
  behave(...script: Step[]): void {
    this.script = script
  }

  /** Decides about each connection before a byte is read; true means that it was dealt with. */
  intercept(onConnection: ((socket: Socket) => boolean) | undefined): void {
    this.onConnection = onConnection
  }

  /** Ends every open connection: `rst` at once, `fin` politely. */
  dropConnections(how: 'rst' | 'fin'): void {
    for (const socket of this.sockets) {
      if (how === 'rst') socket.resetAndDestroy()
      else socket.end()
    }
  }

  /** Stops listening and resets every connection: the process is gone. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.dropConnections('rst')
    await closed
  }

  /** Comes back on the same port. */
  async restart(): Promise<void> {
    await this.listen(this.port)
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.stop()
  }

  private listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, '127.0.0.1', () => {
        this.server.off('error', reject)
        this.port = (this.server.address() as { port: number }).port
        resolve()
      })
    })
  }

  private accept(socket: Socket): void {
    const connection = ++this.connections
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('error', () => {})
    if (this.onConnection?.(socket) === true) return
    readRequests(socket, (head, body) => {
      const hash = createHash('sha256')
      const request: SeenRequest = { ...head, bodyBytes: 0, bodyHash: '', connection }
      this.requests.push(request)
      const bodyRead = body((chunk) => {
        request.bodyBytes += chunk.length
        hash.update(chunk)
      }).then(() => {
        request.bodyHash = hash.digest('hex')
      })
      this.respond(socket, request, bodyRead)
    })
  }

  private respond(socket: Socket, request: SeenRequest, bodyRead: Promise<void>): void {
    const step = this.script.length > 1 ? (this.script.shift() as Step) : (this.script[0] as Step)
    const write = (text: string | Buffer): void => {
      if (socket.writable) socket.write(text)
    }
    const answer: Exchange['answer'] = (status, body = `status ${status}`, headers = []) => {
      const hasBody = request.method !== 'HEAD' && status !== 204 && status !== 304
      const lines = [
        `HTTP/1.1 ${status} Status`,
        ...headers,
        ...(status === 204 ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
        '',
        '',
      ]
      write(lines.join('\r\n') + (hasBody ? body : ''))
    }
    const exchange: Exchange = { socket, request, server: this, bodyRead, write, answer }
    if (typeof step === 'number') void bodyRead.then(() => answer(step))
    else void (typeof step === 'function' ? step : faults[step])(exchange)
  }
}

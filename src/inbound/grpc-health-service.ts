import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { decodeHealthRequest, encodeHealthStatus, HEALTH_CHECK_PATH, HEALTH_WATCH_PATH, type HealthStatus } from '../health/grpc-health.ts'

/** Answers a stream of an HTTP/2 server that asks for health; false when it asks for something else. */
export type GrpcHealthHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean

/** What the service asks, and is told by. */
export interface GrpcHealthHost {
  readonly ready: boolean
  onChange(listener: (ready: boolean) => void): () => void
}

/** Numbers of gRPC that are answered here. */
const OK = 0
const INVALID_ARGUMENT = 3
const NOT_FOUND = 5
const UNIMPLEMENTED = 12
const UNAVAILABLE = 14

const SERVICE = '/grpc.health.v1.Health/'
const MAX_REQUEST = 1_024

/** Whether a method of the health service is asked for. */
export function isHealthPath(path: string): boolean {
  return path.startsWith(SERVICE)
}

/** `grpc.health.v1.Health` on an HTTP/2 server: SERVING while this process is ready. It serves only what it is asked for by name. */
export class GrpcHealthService {
  private readonly host: GrpcHealthHost
  private readonly names: ReadonlySet<string>
  private readonly begin: () => void
  private readonly watchers = new Map<ServerHttp2Stream, string>()
  private stopListening: (() => void) | undefined = undefined

  /**
   * @param names the services that it answers for; the empty name stands for the whole process
   * @param begin somebody wants to know whether this process is ready, so that it should become so
   */
  constructor(host: GrpcHealthHost, names: Iterable<string>, begin: () => void = () => {}) {
    this.host = host
    this.begin = begin
    this.names = new Set(['', ...names])
  }

  /** Those who wait for the next change. */
  get watching(): number {
    return this.watchers.size
  }

  /** Answers `stream` when it asks for health; false when it asks for something else. For `server.on('stream', …)`. */
  handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const path = headers[':path'] ?? ''
    if (!isHealthPath(path)) return false
    this.answer(stream, path, headers['content-type'])
    return true
  }

  /** Answers a request for one of the service's methods. */
  answer(stream: ServerHttp2Stream, path: string, contentType: string | undefined): void {
    // A stream that breaks and that nobody listens to would end the process.
    stream.on('error', () => {})
    if (!/^application\/grpc(?:$|[+;])/.test(contentType ?? '')) stream.respond({ ':status': 415 }, { endStream: true })
    else if (path !== HEALTH_CHECK_PATH && path !== HEALTH_WATCH_PATH) fail(stream, UNIMPLEMENTED, 'there is no such method')
    else {
      this.begin()
      this.read(stream, path === HEALTH_WATCH_PATH)
    }
  }

  /** Watches would keep their connections open for ever: they end when the process does. */
  close(): void {
    for (const stream of this.watchers.keys()) end(stream, UNAVAILABLE, 'shutting down')
    this.watchers.clear()
    this.stopListening?.()
    this.stopListening = undefined
  }

  private read(stream: ServerHttp2Stream, watches: boolean): void {
    let body = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      if (body.length <= MAX_REQUEST) body = Buffer.concat([body, chunk])
    })
    stream.on('end', () => {
      const name = body.length > MAX_REQUEST ? undefined : decodeHealthRequest(body)
      if (stream.destroyed) return
      if (name === undefined) fail(stream, INVALID_ARGUMENT, 'this is no HealthCheckRequest')
      else if (watches) this.watch(stream, name)
      else if (!this.names.has(name)) fail(stream, NOT_FOUND, 'unknown service')
      else {
        begin(stream)
        stream.write(encodeHealthStatus(this.statusOf(name)))
        end(stream, OK, '')
      }
    })
  }

  private watch(stream: ServerHttp2Stream, name: string): void {
    begin(stream)
    stream.write(encodeHealthStatus(this.statusOf(name)))
    this.watchers.set(stream, name)
    stream.once('close', () => this.watchers.delete(stream))
    this.stopListening ??= this.host.onChange(() => this.tell())
  }

  private tell(): void {
    for (const [stream, name] of this.watchers) if (this.names.has(name)) stream.write(encodeHealthStatus(this.statusOf(name)))
  }

  private statusOf(name: string): HealthStatus {
    if (!this.names.has(name)) return 'SERVICE_UNKNOWN'
    return this.host.ready ? 'SERVING' : 'NOT_SERVING'
  }
}

function begin(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
}

function end(stream: ServerHttp2Stream, status: number, message: string): void {
  if (stream.destroyed || stream.closed) return
  stream.once('wantTrailers', () =>
    stream.sendTrailers(message === '' ? { 'grpc-status': status } : { 'grpc-status': status, 'grpc-message': message }),
  )
  stream.end()
}

/** An error without a message has its status among the headers. */
function fail(stream: ServerHttp2Stream, status: number, message: string): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status, 'grpc-message': message },
    { endStream: true },
  )
  // What is still on its way is read for nobody: a reset at once overtakes the answer on Node 22. Who goes on and on is cut off.
  let read = 0
  stream.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (read > MAX_UNREAD) stream.close()
  })
}

/** Bytes that a refused call may still send. */
const MAX_UNREAD = 1024 * 1024

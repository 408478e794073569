import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Guard } from './guard.ts'
import { type Adapter, type AnyRequest, type AnyResponse, addHeaders, HttpRequest, isHttp2 } from './http-request.ts'
import { callOf, type Marked, markAlike, type Routing } from './inbound-request.ts'
import { makeRoom } from './room.ts'
import { SocketRequest } from './socket-request.ts'
import { StreamRequest } from './stream-request.ts'

/** A server of `node:http`, `node:https` or `node:http2`. */
export type AnyServer = Server

/**
 * What of a server is guarded: all that it tells of requests; or only what no middleware gets to see, where a middleware further on
 * guards the rest from its own place in the chain.
 */
export type Coverage = 'all' | 'unseen'

/** How a server is protected. */
export interface Protection {
  readonly coverage: Coverage
  /** How the application behind routes; undefined when nobody knows. */
  readonly routing: Routing | undefined
}

type Emit = (this: unknown, event: string | symbol, ...args: unknown[]) => boolean

/** Under this key a protected server knows the fronts before it. */
const FRONTS = Symbol('inmesh.fronts')

/**
 * Puts the guard before everything that `server` tells its listeners of a request: `request`, `upgrade`, `connect`, `checkContinue`,
 * `checkExpectation`, and `stream` of HTTP/2. Four of these never pass request middleware, so the guard stands where they all come from,
 * and it does not matter who listens, or when they began to. A second call only widens what is covered.
 */
export function protect(guard: Guard, server: AnyServer, { coverage, routing }: Protection): void {
  const marked = server as AnyServer & { [FRONTS]?: Map<Guard, Front> }
  marked[FRONTS] ??= new Map()
  let front = marked[FRONTS].get(guard)
  if (front === undefined) {
    front = new Front(guard, server)
    marked[FRONTS].set(guard, front)
    server.emit = emitThrough(front)
    guard.serves(server)
  }
  front.routing = routing ?? front.routing
  if (coverage === 'all') front.coverAll()
}

function emitThrough(front: Front): AnyServer['emit'] {
  return function guarded(this: unknown, event: string | symbol, ...args: unknown[]): boolean {
    // By far the most frequent, without a look into the table; what comes with it is handed on one by one, since a list costs more.
    if (event === 'request' && args.length === 2)
      return takeRequest(front, event, args[0] as AnyRequest, args[1] as AnyResponse) || front.emit.call(this, event, args[0], args[1])
    const take = typeof event === 'string' ? WAYS_IN.get(event) : undefined
    if (take?.(front, event as string, args) === true) return true
    return front.emit.call(this, event, ...args)
  } as AnyServer['emit']
}

/** One guard before one server. */
class Front implements Adapter<string> {
  routing: Routing = 'loose'
  readonly routed = false
  readonly guard: Guard
  readonly emit: Emit
  all = false
  private readonly server: AnyServer

  constructor(guard: Guard, server: AnyServer) {
    this.guard = guard
    this.server = server
    this.emit = server.emit as unknown as Emit
  }

  coverAll(): void {
    if (this.all) return
    this.all = true
    this.server.on('checkContinue', this.askForBody)
  }

  goOn({ rest: event, request, response }: HttpRequest<string>): void {
    // Whoever wants to answer this himself does.
    if (event === 'checkContinue' && this.server.listenerCount(event) > 1) this.server.off(event, this.askForBody)
    this.emit.call(this.server, event, request, response)
  }

  /** Without a listener Node asks for the body before anybody has judged the head. */
  private readonly askForBody = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeContinue()
    this.emit.call(this.server, 'request', request, response)
  }

  resume(event: string, args: unknown[]): () => void {
    return () => void this.emit.call(this.server, event, ...args)
  }
}

/** Whether the guard took what was told; false when it is not its business, or was judged already. */
type Take = (front: Front, event: string, args: unknown[]) => boolean

function takeRequest(front: Front, event: string, request: AnyRequest, response: AnyResponse): boolean {
  const { guard } = front
  if (isJudged(guard, request)) {
    const call = callOf(request, guard)
    if (call !== undefined && !(call instanceof HttpRequest)) addHeaders(response, call)
    return false
  }
  if (!front.all && event === 'request') {
    makeRoom(request, response)
    return false
  }
  guard.take(new HttpRequest(guard, guard.clock.now(), front, request, response, event))
  return true
}

const takeMessage: Take = (front, event, args) => takeRequest(front, event, args[0] as AnyRequest, args[1] as AnyResponse)

const takeSocket: Take = (front, event, args) => {
  const [request, socket] = args as [IncomingMessage & Marked, Duplex]
  const { guard, routing } = front
  // HTTP/2 tells of CONNECT with a request and a response, whose stream has been judged.
  if (isJudged(guard, request as AnyRequest)) return false
  guard.take(new SocketRequest(guard, guard.clock.now(), routing, request, socket, front.resume(event, args)))
  return true
}

const takeStream: Take = (front, event, args) => {
  const [stream, headers, , raw] = args as [ServerHttp2Stream & Marked, IncomingHttpHeaders, number, string[]]
  const { guard, routing } = front
  if (callOf(stream, guard) !== undefined) return false
  guard.take(new StreamRequest(guard, guard.clock.now(), routing, stream, headers, raw, front.resume(event, args)))
  return true
}

const WAYS_IN: ReadonlyMap<string, Take> = new Map([
  ['request', takeMessage],
  ['checkContinue', takeMessage],
  ['checkExpectation', takeMessage],
  ['upgrade', takeSocket],
  ['connect', takeSocket],
  ['stream', takeStream],
])

/** Whether `guard` let this request pass already; what its stream was judged by is then the request's too. */
export function isJudged(guard: Guard, request: AnyRequest): boolean {
  if (callOf(request, guard) !== undefined) return true
  if (!isHttp2(request)) return false
  const stream = request.stream as Marked | undefined
  if (stream === undefined || callOf(stream, guard) === undefined) return false
  markAlike(request, stream)
  return true
}

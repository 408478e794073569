import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Guard } from './guard.ts'
import { type Adapter, type AnyRequest, type AnyResponse, addHeaders, HttpRequest, isHttp2 } from './http-request.ts'
import { CALL, type InboundRequest, type Marked, type Routing } from './inbound-request.ts'
import { SocketRequest } from './socket-request.ts'
import { StreamRequest } from './stream-request.ts'

/** A server of `node:http`, `node:https` or `node:http2`. */
export type AnyServer = Server

type Emit = (this: unknown, event: string | symbol, ...args: unknown[]) => boolean

/** Under this key a protected server knows the guards before it. */
const GUARDS = Symbol('inmesh.guards')

interface Protected {
  [GUARDS]?: Set<Guard>
}

/**
 * Puts the guard before everything that `server` tells its listeners of a request: `request`, `upgrade`, `connect`, `checkContinue`,
 * `checkExpectation`, and `stream` of HTTP/2. Four of these never pass request middleware, so the guard stands where they all come from,
 * and it does not matter who listens, or when they began to. A second call does nothing.
 */
export function protect(guard: Guard, server: AnyServer, routing: Routing = 'loose'): void {
  const marked = server as AnyServer & Protected
  if (marked[GUARDS]?.has(guard) === true) return
  marked[GUARDS] ??= new Set()
  marked[GUARDS].add(guard)
  guard.serves(server)
  const emit = server.emit as unknown as Emit
  // Without a listener Node asks for the body before anybody has judged the head.
  const askForBody = (request: IncomingMessage, response: ServerResponse): void => {
    response.writeContinue()
    emit.call(server, 'request', request, response)
  }
  server.on('checkContinue', askForBody)
  const adapter: Adapter<string> = {
    routing,
    routed: false,
    goOn({ rest: event, request, response }) {
      if (event === 'checkContinue' && server.listenerCount(event) > 1) server.off(event, askForBody)
      emit.call(server, event, request, response)
    },
  }
  server.emit = function guarded(this: unknown, event: string | symbol, ...args: unknown[]): boolean {
    const take = typeof event === 'string' ? WAYS_IN.get(event) : undefined
    if (take?.(guard, adapter, event as string, args, () => emit.call(this, event, ...args)) === true) return true
    return emit.call(this, event, ...args)
  } as typeof server.emit
}

/** Whether the guard took what was told; false when it has judged it already. */
type Take = (guard: Guard, adapter: Adapter<string>, event: string, args: unknown[], goOn: () => void) => boolean

const takeRequest: Take = (guard, adapter, event, args) => {
  const [request, response] = args as [AnyRequest, AnyResponse]
  if (isJudged(guard, request)) {
    const { answerHeaders } = request[CALL] as InboundRequest
    if (answerHeaders !== undefined && !(request[CALL] instanceof HttpRequest)) addHeaders(response, answerHeaders)
    return false
  }
  guard.take(new HttpRequest(guard, guard.clock.now(), adapter, request, response, event))
  return true
}

const takeSocket: Take = (guard, { routing }, _, args, goOn) => {
  const [request, socket] = args as [IncomingMessage & Marked, Duplex]
  // HTTP/2 tells of CONNECT with a request and a response, whose stream has been judged.
  if (isJudged(guard, request as AnyRequest)) return false
  guard.take(new SocketRequest(guard, guard.clock.now(), routing, request, socket, goOn))
  return true
}

const takeStream: Take = (guard, { routing }, _, args, goOn) => {
  const [stream, headers, , raw] = args as [ServerHttp2Stream & Marked, IncomingHttpHeaders, number, string[]]
  if (stream[CALL]?.judge === guard) return false
  guard.take(new StreamRequest(guard, guard.clock.now(), routing, stream, headers, raw, goOn))
  return true
}

const WAYS_IN: ReadonlyMap<string, Take> = new Map([
  ['request', takeRequest],
  ['checkContinue', takeRequest],
  ['checkExpectation', takeRequest],
  ['upgrade', takeSocket],
  ['connect', takeSocket],
  ['stream', takeStream],
])

/** Whether `guard` let this request pass already; what its stream was judged by is then the request's too. */
export function isJudged(guard: Guard, request: AnyRequest): boolean {
  if (request[CALL]?.judge === guard) return true
  if (!isHttp2(request)) return false
  const judged = (request.stream as Marked | undefined)?.[CALL]
  if (judged?.judge !== guard) return false
  request[CALL] = judged
  request.mesh = judged
  return true
}

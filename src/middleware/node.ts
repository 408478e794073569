import type { Guard } from '../inbound/guard.ts'
import { type Adapter, type AnyRequest, type AnyResponse, HttpRequest } from '../inbound/http-request.ts'
import { type AnyServer, isJudged, protect } from '../inbound/protect.ts'

/** A request listener of `node:http`, `node:https` or the compatible interface of `node:http2`. */
export type Listener<Req, Res> = (request: Req, response: Res) => unknown

/**
 * `listener` behind the guard, for `http.createServer(…)` and its like. A server that hands its first request to it is protected as a
 * whole from then on; protect it by name where upgrades may come first.
 */
export function nodeListener<Req, Res>(guard: Guard, listener: Listener<Req, Res>): (request: Req, response: Res) => void {
  const adapter: Adapter<undefined> = {
    routing: 'loose',
    routed: false,
    goOn: ({ request, response }) => void listener(request as Req, response as Res),
  }
  return (incoming, response) => {
    const request = incoming as AnyRequest
    if (isJudged(guard, request)) return void listener(incoming, response)
    protectServerOf(guard, request)
    guard.take(new HttpRequest(guard, guard.clock.now(), adapter, request, response as AnyResponse, undefined))
  }
}

/** The server whose connection this is; Node writes it on the socket. */
export function protectServerOf(guard: Guard, request: AnyRequest): void {
  const { server } = request.socket as { server?: AnyServer }
  if (server !== undefined && typeof server.emit === 'function') protect(guard, server)
}

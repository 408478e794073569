import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Entrance } from '../inbound/entrance.ts'
import { type Adapter, type AnyRequest, HttpRequest } from '../inbound/http-request.ts'
import { isJudged, type Protection } from '../inbound/protect.ts'

/** A request listener of `node:http` or `node:https`; every framework gives one. */
export type HttpListener = (request: IncomingMessage, response: ServerResponse) => unknown
/** One of the compatible interface of `node:http2`. */
export type Http2Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => unknown
/** A listener that either kind of server takes. */
export type AnyListener = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) => void

/**
 * `listener` behind the guard, for `http.createServer(…)` and its like. The server that it is given to is protected as a whole, before its
 * first request.
 */
export function nodeListener(entrance: Entrance, listener: HttpListener | Http2Listener): AnyListener {
  const { guard } = entrance
  const application = listener as AnyListener
  const adapter: Adapter<undefined> = {
    routing: 'loose',
    routed: false,
    goOn: ({ request, response }) => application(request, response),
  }
  const guarded: AnyListener = (incoming, response) => {
    const request = incoming as AnyRequest
    if (isJudged(guard, request)) return application(incoming, response)
    entrance.protectServerOf(request, WHOLE)
    guard.take(new HttpRequest(guard, guard.clock.now(), adapter, request, response, undefined))
  }
  entrance.expect(guarded, WHOLE)
  return guarded
}

const WHOLE: Protection = { coverage: 'all', routing: undefined }

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Entrance } from '../inbound/entrance.ts'
import { type Adapter, type AnyRequest, HttpRequest } from '../inbound/http-request.ts'
import { isJudged, type Protection } from '../inbound/protect.ts'

/** Express' `next`. */
export type Next = (error?: unknown) => void
/** What `app.use` takes, of Express 4 and 5 alike. */
export type ExpressMiddleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void

/**
 * The guard as middleware: `app.use(mesh.express())`. It guards what comes after it, and of the server what no middleware sees, such as
 * upgrades. Below a mount path Express has begun to route, so what is not canonical there is refused and not rewritten.
 */
export function expressMiddleware(entrance: Entrance): ExpressMiddleware {
  const { guard } = entrance
  const middleware: ExpressMiddleware = (incoming, response, next) => {
    const request = incoming as AnyRequest
    if (isJudged(guard, request)) return next()
    if (!request.baseUrl) entrance.protectServerOf(request, UNSEEN)
    guard.take(new HttpRequest(guard, guard.clock.now(), ADAPTER, request, response, next))
  }
  entrance.expect(middleware, UNSEEN)
  return middleware
}

const ADAPTER: Adapter<Next> = { routing: 'loose', routed: false, goOn: ({ rest: next }) => next() }
const UNSEEN: Protection = { coverage: 'unseen', routing: 'loose' }

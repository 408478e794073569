import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Guard } from '../inbound/guard.ts'
import { type Adapter, type AnyRequest, HttpRequest } from '../inbound/http-request.ts'
import { isJudged } from '../inbound/protect.ts'
import { protectServerOf } from './node.ts'

/** Express' `next`. */
export type Next = (error?: unknown) => void
/** What `app.use` takes, of Express 4 and 5 alike. */
export type ExpressMiddleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void

/**
 * The guard as middleware: `app.use(mesh.express())`, first of all. Below a mount path Express has begun to route, so what is not
 * canonical there is refused and not rewritten.
 */
export function expressMiddleware(guard: Guard): ExpressMiddleware {
  return (incoming, response, next) => {
    const request = incoming as AnyRequest
    if (isJudged(guard, request)) return next()
    protectServerOf(guard, request)
    guard.take(new HttpRequest(guard, guard.clock.now(), ADAPTER, request, response, next))
  }
}

const ADAPTER: Adapter<Next> = { routing: 'loose', routed: false, goOn: ({ rest: next }) => next() }

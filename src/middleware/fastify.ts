import type { Entrance } from '../inbound/entrance.ts'
import { type Adapter, type AnyRequest, type AnyResponse, HttpRequest } from '../inbound/http-request.ts'
import { callOf } from '../inbound/inbound-request.ts'
import type { Problem } from '../inbound/problem.ts'
import { type AnyServer, isJudged, type Protection } from '../inbound/protect.ts'
import { type FastifyLike, type FastifyReplyLike, type FastifyRequestLike, routingOf } from './fastify-like.ts'

/** The plugin that `fastify.register(mesh.fastify())` takes. */
export type FastifyPlugin = (instance: FastifyLike, options: unknown, done: (error?: Error) => void) => void

interface Waiting {
  readonly request: FastifyRequestLike
  readonly reply: FastifyReplyLike
  readonly done: () => void
}

/** A request that Fastify waits with; the answer in its place is not Fastify's to send. */
class HookedRequest extends HttpRequest<Waiting> {
  override answer(problem: Problem): void {
    this.rest.reply.hijack()
    super.answer(problem)
  }
}

/**
 * The guard as a plugin. Fastify routes before its first hook, so the guard stands before Fastify's server; the hook hands its findings
 * to the request, and judges what did not come through that server (`inject`) without rewriting it. Registered in a scope it guards the
 * routes of that scope, by the hook alone.
 */
export function fastifyPlugin(entrance: Entrance): FastifyPlugin {
  const { guard } = entrance
  const plugin: FastifyPlugin = (instance, _options, done) => {
    const routing = routingOf(instance)
    const adapter: Adapter<Waiting> = { routing, routed: true, goOn }
    // Only the instance itself has a server of its own; scopes inherit it.
    if (Object.hasOwn(instance, 'server')) protectServers(entrance, instance.server as AnyServer, { coverage: 'all', routing })
    if (instance.hasRequestDecorator('mesh') === false) instance.decorateRequest('mesh', null)
    instance.addHook('onRequest', (request, reply, next) => {
      const raw = request.raw as AnyRequest
      if (isJudged(guard, raw)) {
        request.mesh = callOf(raw, guard)
        return next()
      }
      guard.take(new HookedRequest(guard, guard.clock.now(), adapter, raw, reply.raw as AnyResponse, { request, reply, done: next }))
    })
    done()
  }
  // What the package fastify-plugin would set: hooks and decorators reach the instance that registers, under a name.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'inmesh',
    [Symbol.for('plugin-meta')]: { name: 'inmesh', fastify: '5.x' },
  })
}

/** Its server, and those that Fastify opens beside it for further addresses of a host: they share a listener. */
function protectServers(entrance: Entrance, server: AnyServer, protection: Protection): void {
  entrance.protect(server, protection)
  for (const listener of server.listeners('request')) entrance.expect(listener, protection)
}

function goOn(call: HttpRequest<Waiting>): void {
  call.rest.request.mesh = call
  call.rest.done()
}

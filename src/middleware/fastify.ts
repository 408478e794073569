import type { Guard } from '../inbound/guard.ts'
import { type Adapter, type AnyRequest, type AnyResponse, HttpRequest } from '../inbound/http-request.ts'
import { CALL, type Routing } from '../inbound/inbound-request.ts'
import type { Problem } from '../inbound/problem.ts'
import { type AnyServer, isJudged, protect } from '../inbound/protect.ts'

/** What of Fastify the plugin touches; every Fastify 5 instance has it. */
export interface FastifyLike {
  readonly server: unknown
  /** Its router's options, by themselves or, as Fastify 5 has them too, under `routerOptions`. */
  readonly initialConfig: object
  decorateRequest(name: string, value: null): unknown
  addHook(name: 'onRequest', hook: (request: FastifyRequestLike, reply: FastifyReplyLike, done: () => void) => void): unknown
}

interface FastifyRequestLike {
  readonly raw: unknown
  mesh?: unknown
}

interface FastifyReplyLike {
  readonly raw: unknown
  hijack(): unknown
}

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
 * to the request, and judges what did not come through that server (`inject`, a second address) without rewriting it.
 */
export function fastifyPlugin(guard: Guard): FastifyPlugin {
  const plugin: FastifyPlugin = (instance, _options, done) => {
    const routing = routingOf(instance)
    const adapter: Adapter<Waiting> = { routing, routed: true, goOn }
    protect(guard, instance.server as AnyServer, routing)
    instance.decorateRequest('mesh', null)
    instance.addHook('onRequest', (request, reply, next) => {
      const raw = request.raw as AnyRequest
      if (isJudged(guard, raw)) {
        request.mesh = raw[CALL]
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

function goOn(call: HttpRequest<Waiting>): void {
  call.rest.request.mesh = call
  call.rest.done()
}

/** Whether this instance's router takes one path for another; each of these options is off unless somebody wrote it. */
function routingOf({ initialConfig }: FastifyLike): Routing {
  const written = initialConfig as RouterOptions & { routerOptions?: RouterOptions }
  return [written, written.routerOptions ?? {}].some(isLoose) ? 'loose' : 'exact'
}

interface RouterOptions {
  caseSensitive?: boolean
  ignoreTrailingSlash?: boolean
  ignoreDuplicateSlashes?: boolean
  useSemicolonDelimiter?: boolean
}

function isLoose({ caseSensitive, ignoreTrailingSlash, ignoreDuplicateSlashes, useSemicolonDelimiter }: RouterOptions): boolean {
  return caseSensitive === false || [ignoreTrailingSlash, ignoreDuplicateSlashes, useSemicolonDelimiter].includes(true)
}

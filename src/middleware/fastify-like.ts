import type { Routing } from '../inbound/inbound-request.ts'

/** What of Fastify the plugin touches; every Fastify 5 instance has it. */
export interface FastifyLike {
  readonly server: unknown
  /** Its router's options, by themselves or, as Fastify 5 has them too, under `routerOptions`. */
  readonly initialConfig: object
  hasRequestDecorator(name: string): boolean
  decorateRequest(name: string, value: null): unknown
  addHook(name: 'onRequest', hook: (request: FastifyRequestLike, reply: FastifyReplyLike, done: () => void) => void): unknown
}

/** Its request. */
export interface FastifyRequestLike {
  readonly raw: unknown
  mesh?: unknown
}

/** Its reply. */
export interface FastifyReplyLike {
  readonly raw: unknown
  hijack(): unknown
}

/** Whether this instance's router takes one path for another; each of these options is off unless somebody wrote it. */
export function routingOf({ initialConfig }: FastifyLike): Routing {
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

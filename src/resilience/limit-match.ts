import { isBelow } from '../core/canonical-path.ts'
import { upperMethod } from '../core/upper-method.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import type { InboundRateLimitSettings } from '../model/inbound-limits.ts'

/** Which requests a limit is for. */
export class LimitMatch {
  private readonly methods: ReadonlySet<string> | undefined
  /** The longest first: a request belongs to the one that says most about it. */
  private readonly paths: readonly string[] | undefined
  private readonly hosts: readonly string[] | undefined
  private readonly principals: readonly string[] | undefined

  constructor({ paths, methods, hosts, principals }: InboundRateLimitSettings['match']) {
    this.methods = methods && new Set(methods)
    this.paths = paths && [...paths].sort((a, b) => b.length - a.length)
    this.hosts = hosts
    this.principals = principals
  }

  /** The path that `call` lies below, empty where none is written; undefined when the limit is not for it. */
  route(call: InboundCall): string | undefined {
    if (this.methods?.has(upperMethod(call.method)) === false) return undefined
    if (this.hosts !== undefined && !someHost(this.hosts, call.hostname)) return undefined
    if (this.principals !== undefined && !somePrincipal(this.principals, call.principal?.id)) return undefined
    if (this.paths === undefined) return ''
    for (const path of this.paths) if (this.isAt(call, path)) return path
    return undefined
  }

  /** Where the application routes without case, `/LOGIN` is `/login`. */
  private isAt({ pathname, loosePathname }: InboundCall, path: string): boolean {
    return isBelow(pathname, path) || (loosePathname !== undefined && isBelow(loosePathname, path.toLowerCase()))
  }
}

function someHost(patterns: readonly string[], host: string): boolean {
  for (const pattern of patterns)
    if (pattern === host || (pattern.startsWith('*.') && host.length >= pattern.length && host.endsWith(pattern.slice(1)))) return true
  return false
}

function somePrincipal(patterns: readonly string[], id: string | undefined): boolean {
  if (id === undefined) return false
  for (const pattern of patterns) if (pattern === id || (pattern.endsWith('*') && id.startsWith(pattern.slice(0, -1)))) return true
  return false
}

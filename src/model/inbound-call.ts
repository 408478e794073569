import type { Call } from '../core/call.ts'
import type { Permit, Refusal } from '../core/gate.ts'
import type { Principal, RequestPrincipal } from './principal.ts'

/** Where the time is read. */
export interface TimeSource {
  now(): number
}

/**
 * One request that came in, in the one reading that every decision goes by: authorization, limits, logs and metrics. It is made from
 * the raw target and the raw headers, and what the application sees is written back from it. `path` is canonical, with its query.
 */
export interface InboundCall extends Call {
  /** Canonical path without the query. */
  readonly pathname: string
  /**
   * The path folded by `foldPathname`, when the application routes loosely (Express and Koa match without case and trailing slash), or
   * nobody knows how it routes; undefined when it routes as written. A rule that forbids or limits is folded alike and holds for this as
   * well; a rule that permits goes by `pathname` alone. So no spelling that the application takes for a forbidden path gets by.
   */
  readonly loosePathname?: string | undefined
  /** The query without its question mark; empty when there is none. */
  readonly query: string
  /** The addressed host in lower case, without port and trailing dot. */
  readonly hostname: string
  /** The local port that took the connection; 0 when nobody knows. */
  readonly port: number
  /** Local address that took the connection. */
  readonly localAddress: string
  /** Address of the peer of the connection. */
  readonly peerAddress: string
  /** Address of the client behind the trusted proxies; the peer's where there are none. */
  readonly remoteAddress: string
  readonly secure: boolean
  /** The name that the client asked for in the TLS handshake. */
  readonly serverName: string | undefined
  /** Who the peer proved to be by its certificate. */
  readonly principal: Principal | undefined
  /** Set by authentication. */
  requestPrincipal: RequestPrincipal | undefined
  /** Set by authorization: what it decided, and which rule did. Undefined where nobody authorizes. */
  decision?: unknown
  /**
   * The time by `clock`, as of when gates were last asked about this request; for gates that answer at once, since a look at the clock costs
   * as much as a decision. Absent: read the clock.
   */
  nowBy?(clock: TimeSource): number
  /** Every value of a header by its lower-case name, duplicates and comma joins taken apart; empty when it is absent. */
  values(name: string): readonly string[]
}

/**
 * A gate before the application. It may answer later, when it has to fetch a key set or to ask somebody; whoever runs it goes on at
 * once unless it was given a thenable. What it throws refuses the request.
 */
export interface InboundGate {
  readonly name: string
  admit(call: InboundCall): Permit | Refusal | PromiseLike<Permit | Refusal>
}

/**
 * A request that the guard let through, of whatever framework: `(request as WithMesh<typeof request>).mesh` has the principal, the
 * deadline, the decision and the facts that it was judged by. No framework's types are touched for it.
 */
export type WithMesh<Incoming> = Incoming & { readonly mesh: Readonly<InboundCall> }

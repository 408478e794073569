import type { ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Priority } from '../core/call.ts'
import type { Timer } from '../core/clock.ts'
import type { AnswerHeaders, Permit, Refusal } from '../core/gate.ts'
import type { RequestEdits } from '../model/authentication.ts'
import type { InboundSettings } from '../model/inbound.ts'
import type { InboundCall, TimeSource } from '../model/inbound-call.ts'
import type { Principal, RequestPrincipal } from '../model/principal.ts'
import type { RequestContext } from '../model/request-context.ts'
import { isShaped, shapeOf } from '../security/canonical/header-shape.ts'
import {
  CLIENT_CERTIFICATE,
  firstHeader,
  type HeaderFindings,
  headerValues,
  removeHeaders,
  sameName,
  scanHeaders,
} from '../security/canonical/headers.ts'
import { canonicalHost, sameHost } from '../security/canonical/host.ts'
import { MALFORMED } from '../security/canonical/malformed.ts'
import { foldPathname, plainEnd } from '../security/canonical/pathname.ts'
import { canonicalTarget } from '../security/canonical/target.ts'
import { forwardedPrincipal } from '../security/xfcc.ts'
import type { Peer, Peers } from './peer.ts'
import type { Problem } from './problem.ts'
import { setHeaders, stripCookies, stripHeaders, withoutParameters } from './request-edits.ts'

/** Whoever judges requests: its rules of reading, whom it trusts, and who hears that a request is over. */
export interface Judge {
  readonly service: string
  readonly settings: InboundSettings
  readonly peers: Peers
  readonly clock: TimeSource
  /** Headers that only authentication may write, in lower case: what a client sends under these names is a lie. */
  readonly strippedHeaders: ReadonlySet<string> | undefined
  /** The application is done with `call`, or the client left. @param status what was answered; 0: the client left before that */
  ended(call: InboundRequest, status: number): void
  /** Something of the application's failed that the request survives. */
  failed(what: string, error: unknown): void
}

/** How the application behind a way in matches paths, as far as its adapter knows. */
export type Routing = 'exact' | 'loose'

/** The request as the framework hands it around, on which the guard leaves its mark. */
export interface Marked {
  [CALL]?: InboundRequest | undefined
  mesh?: unknown
}

/** Under this key a request that was judged carries its call, so that no second door judges it again. */
const CALL = Symbol('inmesh.inbound')

/** Leaves the mark of `call` on a request that it lets pass; those of other meshes stay. */
export function mark(request: Marked, call: InboundRequest): void {
  call.others = request[CALL]
  request[CALL] = call
  request.mesh = call
}

/**
 * For a framework that gives requests another prototype: from then on Node takes microseconds to add a property to one, and none to fill one
 * that is there.
 */
export function makeRoomForMark(request: Marked): void {
  if (request[CALL] !== undefined || 'mesh' in request) return
  request[CALL] = undefined
  request.mesh = undefined
}

/** Takes over the marks that `from` bears, behind those that `request` has; none of them may be on both. */
export function markAlike(request: Marked, from: Marked): void {
  let last = request[CALL]
  if (last === undefined) {
    request[CALL] = from[CALL]
    request.mesh = from.mesh
    return
  }
  while (last.others !== undefined) last = last.others
  last.others = from[CALL]
}

/** The call that `judge` let pass as this request; undefined when it did not. */
export function callOf(request: Marked, judge: Judge): InboundRequest | undefined {
  let call = request[CALL]
  while (call !== undefined && call.judge !== judge) call = call.others
  return call
}

/** What was let pass as `request` last, by whichever mesh; undefined when nothing was. */
export function markOf(request: Marked): InboundRequest | undefined {
  return request[CALL]
}

/** Tells whoever let `request` pass that it is over. */
export function endAll(request: Marked, status: number): void {
  for (let call = request[CALL]; call !== undefined; call = call.others) call.judge.ended(call, status)
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const NO_VALUES: readonly string[] = Object.freeze([])

/**
 * One request on its way through the guard: the canonical view that gates see, the permits that they gave, and what the application
 * finds as `req.mesh`. There is one such object per request, of a class for each way in. Until `read` has been called only the peer and
 * the headers mean anything.
 */
export abstract class InboundRequest implements InboundCall, HeaderFindings {
  readonly service: string
  readonly method: string
  host = ''
  path = ''
  pathname = ''
  query = ''
  hostname = ''
  priority: Priority = 'normal'
  hashKey: string | undefined = undefined
  readonly startedAt: number
  /** Clock time after which nobody waits for the answer. */
  deadline: number = Number.POSITIVE_INFINITY
  /** How many tries led here, over all hops. */
  attempt = 1
  requestPrincipal: RequestPrincipal | undefined = undefined
  /** What authorization decided, and which rule did; undefined where nobody authorizes. */
  decision: unknown = undefined
  /** @internal */ readonly peer: Peer
  /** @internal */ readonly judge: Judge
  /** @internal */ readonly target: string
  /** @internal `:authority` of HTTP/2. */ readonly authority: string | undefined
  /** @internal */ readonly raw: string[]
  /** @internal */ writtenHost: string | undefined = undefined
  /** @internal */ marked = false
  /** @internal */ permits: Permit[] | undefined = undefined
  /** @internal What gates that admitted want said in the answer. */
  answerHeaders: AnswerHeaders | undefined = undefined
  /** @internal What the calls beneath it inherit, once the application has it. */
  context: RequestContext | undefined = undefined
  /** @internal Among the requests without a complete answer; -1: it is none of them. */
  place = -1
  /** @internal The next of those that other meshes made of the same request. */
  others: InboundRequest | undefined = undefined
  /** @internal Clock time at which a gate that had answered later let it go on. */
  resumedAt: number | undefined = undefined
  /** @internal The shedder waits to hear that it is over. */
  shed = false
  /** @internal Runs while a gate makes up its mind. */
  patience: Timer | undefined = undefined
  /** @internal What the guard knows of how it goes on. */
  state: 'asking' | 'passed' | 'refused' | 'settled' = 'asking'
  /** @internal Whether the application may take other spellings for the same path. */
  readonly loose: boolean
  private folded: string | undefined = undefined
  private client: string | undefined = undefined
  private forwarded: Principal | 'nobody' | undefined = undefined

  constructor(
    judge: Judge,
    startedAt: number,
    peer: Peer,
    method: string,
    target: string,
    raw: string[],
    authority: string | undefined,
    routing: Routing,
  ) {
    this.service = judge.service
    this.method = method
    this.startedAt = startedAt
    this.peer = peer
    this.judge = judge
    this.target = target
    this.raw = raw
    this.authority = authority
    this.loose = (judge.settings.paths.routing ?? routing) === 'loose'
  }

  /** @internal Makes what the application will read say what was judged; refuses when it is too late for that. */
  abstract writeBack(): Refusal | undefined
  /** @internal Hands the request to the application, and tells the judge when it is over. */
  abstract pass(): void
  /** @internal Answers in place of the application. */
  abstract answer(problem: Problem): void
  /** @internal The connection on which answers follow each other in the order of their requests; undefined where they need not. */
  get line(): object | undefined {
    return undefined
  }
  /** @internal The process leaves: the answer shall be the last of its connection, where it can still say so. */
  makeLast(): void {}
  /** @internal Another request came behind it, whose answer shall be the last instead; false: it has been said. */
  takeBackLast(): boolean {
    return true
  }
  /** @internal An answer that says the application failed shall say too that trying again was tried; where there is no answer, nothing. */
  sayRetried(): void {}
  /** @internal Of HTTP/2. */
  get http2(): ServerHttp2Stream | undefined {
    return undefined
  }
  /** @internal The connection that it wants for itself. */
  get wanted(): Duplex | undefined {
    return undefined
  }
  /** @internal Whether the client has left. */
  abstract get gone(): boolean
  /** @internal Calls back when the client leaves; also when it has its answer. */
  abstract whenGone(then: () => void): void
  /** @internal Headers came or went: what Node makes of them later goes by how many there were, and would throw or miss some. */
  protected recount(): void {}
  /** @internal What Node made of the headers. */
  protected abstract get headers(): Record<string, unknown>

  /** @internal Reads target and headers; what is refused has not been read whole. Afterwards the fields say what was judged. */
  read(): Refusal | undefined {
    const { peer, method, target } = this
    const { paths, headers } = this.judge.settings
    if (peer.shape === undefined || !isShaped(this.raw, peer.shape, headers.maxBytes, this)) {
      const problem = this.scan()
      if (problem !== undefined) return problem
    }
    if (peer.standing === 'proxy' && !this.readForwarded()) return MALFORMED.clientCertificate
    const end = plainEnd(target)
    if (end >= 0) {
      this.path = target
      this.pathname = end === target.length ? target : target.slice(0, end)
      this.query = end === target.length ? '' : target.slice(end + 1)
      return this.readHost(undefined, '')
    }
    const read = canonicalTarget(method, target, paths)
    if ('refused' in read) return read
    this.pathname = read.pathname
    this.query = read.query
    this.path = target.includes('?') ? `${read.pathname}?${read.query}` : read.pathname
    return this.readHost(read.authority, read.scheme)
  }

  /** @internal Makes the request what its token makes of it. Where a framework has routed already the query stays as it is for it. */
  edit({ removeHeaders: names, removeCookies, removeQuery, setHeaders: set }: RequestEdits): void {
    const { raw, headers } = this
    if (names.length > 0) stripHeaders(raw, () => headers, new Set(names))
    if (removeCookies.length > 0) stripCookies(raw, headers, removeCookies)
    setHeaders(raw, headers, set)
    this.recount()
    if (removeQuery.length === 0) return
    this.query = withoutParameters(this.query, removeQuery)
    this.path = this.query === '' ? this.pathname : `${this.pathname}?${this.query}`
    this.writeBack()
  }

  get loosePathname(): string | undefined {
    if (!this.loose) return undefined
    this.folded ??= foldPathname(this.pathname)
    return this.folded
  }

  get port(): number {
    return this.peer.port
  }

  get localAddress(): string {
    return this.peer.localAddress
  }

  get peerAddress(): string {
    return this.peer.address
  }

  get remoteAddress(): string {
    if (this.peer.standing !== 'proxy') return this.peer.address
    this.client ??= this.judge.peers.clientOf(this.peer, this.values('x-forwarded-for'))
    return this.client
  }

  get secure(): boolean {
    return this.peer.secure
  }

  get serverName(): string | undefined {
    return this.peer.serverName
  }

  get principal(): Principal | undefined {
    return this.forwarded === undefined ? this.peer.principal : this.forwarded === 'nobody' ? undefined : this.forwarded
  }

  nowBy(clock: TimeSource): number {
    return clock === this.judge.clock ? (this.resumedAt ?? this.startedAt) : clock.now()
  }

  get idempotent(): boolean {
    return IDEMPOTENT.has(this.method) || this.header('idempotency-key') !== undefined
  }

  get tries(): number {
    return 0
  }

  get moves(): number {
    return 0
  }

  header(name: string): string | undefined {
    return name === 'host' ? this.host : firstHeader(this.raw, name)
  }

  values(name: string): readonly string[] {
    if (name === 'host') return this.host === '' ? NO_VALUES : [this.host]
    return headerValues(this.raw, name)
  }

  hasTried(): boolean {
    return false
  }

  /** Puts the canonical host where somebody else may read it. */
  protected writeHost(): void {
    const { writtenHost, authority, host } = this
    if (writtenHost !== undefined && writtenHost !== host) this.write('host', host)
    if (authority !== undefined && authority !== host) this.write(':authority', host)
  }

  /** Writes a header over, in both its forms. */
  protected write(name: string, value: string): void {
    const { raw } = this
    for (let at = 0; at < raw.length; at += 2) if (sameName(raw[at] as string, name)) raw[at + 1] = value
    this.headers[name] = value
  }

  /** Looks into the names of the headers, and takes out what may not be there. */
  private scan(): Refusal | undefined {
    const { raw, judge, peer } = this
    const { headers } = judge.settings
    const problem = scanHeaders(raw, headers, peer.standing, this, peer.cutAt)
    if (problem !== undefined) return problem
    const count = raw.length
    if (this.marked) removeHeaders(raw, this.headers, headers.underscores, peer.standing)
    if (judge.strippedHeaders !== undefined) stripHeaders(raw, () => this.headers, judge.strippedHeaders)
    // Only names of which nothing had to go are in order by themselves.
    if (raw.length === count) peer.shape = shapeOf(raw, this.writtenHost !== undefined)
    else this.recount()
    return undefined
  }

  /** Finds out who is behind a proxy of ours; false: what it says cannot be read. */
  private readForwarded(): boolean {
    const { raw, judge } = this
    const values: string[] = []
    for (let at = 0; at < raw.length; at += 2) if (sameName(raw[at] as string, CLIENT_CERTIFICATE)) values.push(raw[at + 1] as string)
    if (values.length === 0) return true
    const found = forwardedPrincipal(values, (id) => judge.peers.isProxy(id))
    if (found === 'unreadable') return false
    this.forwarded = found
    return true
  }

  private readHost(authority: string | undefined, scheme: string): Refusal | undefined {
    const written = this.writtenHost ?? this.authority
    if (written === undefined || written === '') return MALFORMED.noHost
    const { peer } = this
    if (peer.lastWrittenHost !== written) {
      peer.lastHost = canonicalHost(written)
      peer.lastWrittenHost = written
    }
    const host = peer.lastHost
    if (host === undefined) return MALFORMED.host
    this.host = host.host
    this.hostname = host.hostname
    if (authority === undefined && this.authority === undefined) return undefined
    for (const other of [authority, this.authority]) {
      if (other === undefined || other === written) continue
      const found = canonicalHost(other)
      if (found === undefined) return MALFORMED.host
      if (!sameHost(found, host, scheme || (peer.secure ? 'https' : 'http'))) return MALFORMED.authority
    }
    return undefined
  }
}

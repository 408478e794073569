import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from 'node:http2'
import type { Refusal } from '../core/gate.ts'
import { MALFORMED } from '../security/canonical/malformed.ts'
import { endAll, InboundRequest, type Judge, type Marked, mark, type Routing } from './inbound-request.ts'
import type { Connection } from './peer.ts'
import { whenLineEnds } from './pipelined.ts'
import type { Problem } from './problem.ts'
import { distinctHeaders } from './request-edits.ts'
import { markAnswer, markStream } from './retried-mark.ts'

/** A request of `node:http` or of `node:http2`'s compatible interface, as frameworks carry it on. */
export type AnyRequest = (IncomingMessage | Http2ServerRequest) & Marked & { originalUrl?: string; baseUrl?: string }
/** Its response. */
export type AnyResponse = ServerResponse | Http2ServerResponse

/** What one adapter's requests have in common; made once, so that a request needs no closure of its own. */
export interface Adapter<Rest> {
  readonly routing: Routing
  /** The framework has chosen the route before it asks. */
  readonly routed: boolean
  goOn(call: HttpRequest<Rest>): void
}

/** A body of which no more than this is still to come is read to its end, so that the connection can be used again. */
const DRAIN_LIMIT = 65_536

/** A request with a response: the events `request`, `checkContinue`, `checkExpectation`, and whatever middleware is given. */
export class HttpRequest<Rest = undefined> extends InboundRequest {
  readonly request: AnyRequest
  readonly response: AnyResponse
  readonly rest: Rest
  private readonly adapter: Adapter<Rest>

  constructor(judge: Judge, startedAt: number, adapter: Adapter<Rest>, request: AnyRequest, response: AnyResponse, rest: Rest) {
    // Below a mount path only this says what was asked for.
    const target = (request.baseUrl ? request.originalUrl : request.url) ?? ''
    const authority = isHttp2(request) ? request.authority : undefined
    const peer = judge.peers.of(connectionOf(request))
    super(judge, startedAt, peer, request.method ?? '', target, request.rawHeaders, authority, adapter.routing)
    this.request = request
    this.response = response
    this.adapter = adapter
    this.rest = rest
  }

  writeBack(): Refusal | undefined {
    const { request, target, path } = this
    this.writeHost()
    // An asterisk and the authority of CONNECT stay what they are.
    if (path === target || path === '' || path === '*') return undefined
    if (this.adapter.routed || request.baseUrl) return MALFORMED.routed
    if (request.originalUrl === request.url) request.originalUrl = path
    request.url = path
    if (isHttp2(request)) this.write(':path', path)
    return undefined
  }

  pass(): void {
    const { request, response } = this
    mark(request, this)
    response.on('close', closed)
    if (!isHttp2(request) && response.socket === null) whenLineEnds(response as ServerResponse, closed)
    addHeaders(response, this)
    this.adapter.goOn(this)
  }

  answer({ status, headers, body }: Problem): void {
    const { request, response } = this
    if (response.headersSent) {
      response.destroy()
      return
    }
    response.statusCode = status
    for (const name of Object.keys(headers)) response.setHeader(name, headers[name] as string)
    if (!isHttp2(request) && leavesBody(request)) response.setHeader('connection', 'close')
    if (this.method === 'HEAD') response.end()
    else response.end(body)
  }

  override get line(): object | undefined {
    return isHttp2(this.request) ? undefined : this.request.socket
  }

  override makeLast(): void {
    const { response } = this
    if (!isHttp2(this.request) && !response.headersSent) response.setHeader('connection', 'close')
  }

  override takeBackLast(): boolean {
    const { response } = this
    if (response.headersSent) return /^close$/i.test(String(response.getHeader('connection'))) === false
    // Taken out, some versions of Node would close all the same.
    response.setHeader('connection', 'keep-alive')
    return true
  }

  override sayRetried(): void {
    const { request, response } = this
    if (isHttp2(request)) markStream(request.stream)
    else markAnswer(response as ServerResponse)
  }

  override get http2(): ServerHttp2Stream | undefined {
    return isHttp2(this.request) ? this.request.stream : undefined
  }

  get gone(): boolean {
    return this.response.destroyed || this.request.socket.destroyed
  }

  whenGone(then: () => void): void {
    this.response.once('close', then)
  }

  protected override recount(): void {
    const { request } = this
    if (!isHttp2(request)) request.headersDistinct = distinctHeaders(this.raw)
  }

  protected get headers(): Record<string, unknown> {
    return this.request.headers
  }
}

/** Adds what gates want said; a name that is there several times keeps its values, and what cannot be said is left out. */
export function addHeaders(response: AnyResponse, { answerHeaders, judge }: InboundRequest): void {
  if (answerHeaders === undefined) return
  try {
    for (const [name, value] of answerHeaders) {
      const before = response.getHeader(name)
      response.setHeader(name, before === undefined ? value : [before, value].flat().map(String))
    }
  } catch (error) {
    judge.failed('a header that a gate wants said', error)
  }
}

/** Heard at the end of every response; shared by all, and called on the response. */
function closed(this: AnyResponse): void {
  const finished = 'stream' in this ? this.writableEnded && !(this.stream?.rstCode ?? 0) : this.writableFinished
  endAll(this.req as Marked, finished ? this.statusCode : 0)
}

/** Whether it came over HTTP/2. What the request line of HTTP/1 says of its version is a stranger's word: `HTTP/2.0` may stand there. */
export function isHttp2(request: AnyRequest): request is Http2ServerRequest & Marked {
  return 'stream' in request
}

/** The connection of a request, however many proxies Node puts before it. */
export function connectionOf(request: AnyRequest): Connection {
  return ((isHttp2(request) ? request.stream.session?.socket : undefined) ?? request.socket) as Connection
}

/**
 * Whether more of a body is to come than is worth reading for nobody. A client that asked whether it should send one may send
 * nothing, and the next request would be read as its body.
 */
function leavesBody(request: IncomingMessage): boolean {
  const { headers } = request
  if (request.complete) return false
  if (headers.expect !== undefined || headers['transfer-encoding'] !== undefined) return true
  return Number(headers['content-length'] ?? 0) > DRAIN_LIMIT
}

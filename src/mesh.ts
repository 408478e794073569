import type { Agent, RequestListener, Server } from 'node:http'
import { Ground } from './composition/ground.ts'
import { IdentitySide } from './composition/identity-side.ts'
import { InboundSide } from './composition/inbound-side.ts'
import { Life } from './composition/life.ts'
import { OutboundSide } from './composition/outbound-side.ts'
import { type ParsedOptions, parseMeshOptions } from './config/mesh-options.ts'
import { placed, placedProvenance } from './config/places.ts'
import type { Duration } from './core/duration.ts'
import { MeshError } from './core/errors.ts'
import { withoutCredentials } from './core/redact.ts'
import { INSPECT } from './core/secret.ts'
import { waitMs } from './core/wait.ts'
import { RequestFacts } from './inbound/current-request.ts'
import type { GrpcHealthHandler } from './inbound/grpc-health-service.ts'
import type { HealthHandler } from './inbound/health-answers.ts'
import { connectionOf } from './inbound/http-request.ts'
import type { Withdraw } from './inbound/lifecycle.ts'
import type { AnyServer } from './inbound/protect.ts'
import type { TlsServerOptions } from './inbound/server-terms.ts'
import { type ExpressMiddleware, expressMiddleware } from './middleware/express.ts'
import { type FastifyPlugin, fastifyPlugin } from './middleware/fastify.ts'
import { type AnyListener, type Http2Listener, type HttpListener, nodeListener } from './middleware/node.ts'
import type { AuthorizationAnswer, AuthorizeRequest } from './model/authorization.ts'
import type { CurrentRequest } from './model/context-options.ts'
import type { MeshEvents } from './model/events.ts'
import type { ExplainRequest, Explanation } from './model/explanation.ts'
import type { InboundTlsOptions } from './model/identity.ts'
import type { CallOptions, MeshOptions, RoutesToServices } from './model/options.ts'
import type { Principal } from './model/principal.ts'
import type { HealthReport } from './model/readiness.ts'
import type { RequestOptions, ResponseData } from './model/request.ts'
import type { PrintedSnapshot } from './model/snapshot.ts'
import type { Source } from './model/source.ts'
import type { MeshStats } from './model/stats.ts'
import { parseCallOptions } from './outbound/call-options.ts'
import type { UniversalDispatcher } from './outbound/dispatcher.ts'
import { NO_SETTINGS } from './outbound/engine.ts'
import { explainedRequest } from './outbound/explained-request.ts'
import { requestOptions } from './outbound/outbound.ts'
import { platformFetch } from './outbound/platform.ts'
import { explain } from './plan/explain/explain.ts'
import { withPlaces } from './plan/explain/places.ts'
import type { Task } from './resilience/execute.ts'
import type { ExecuteOptions } from './resilience/execute-options.ts'
import { questionOf } from './security/authorization/question.ts'

/**
 * A service mesh in this process: every call made through it gets discovery, balancing, retries, timeouts, circuit
 * breaking and outlier ejection. Made by {@link createMesh}; it opens nothing until the first call or `ready()`.
 */
export class Mesh<Name extends string = string> {
  /** For `fetch(url, { dispatcher })` and every undici call that takes a dispatcher. */
  readonly dispatcher: UniversalDispatcher
  private readonly options: ParsedOptions
  private readonly ground: Ground
  private readonly who: IdentitySide
  private readonly out: OutboundSide
  private readonly life: Life
  private readonly inside: InboundSide
  private readonly platform: typeof globalThis.fetch
  private closing: Promise<void> | undefined = undefined

  /** @internal use {@link createMesh} */
  constructor(options: MeshOptions) {
    const parsed = parseMeshOptions(options)
    this.options = parsed
    this.platform = platformFetch()
    this.ground = new Ground(parsed)
    this.who = new IdentitySide(parsed, this.ground)
    this.out = new OutboundSide(parsed, this.ground, this.who, (how) => this.close(how))
    this.life = new Life(parsed, this.ground, {
      missing: () => this.out.missing,
      unchecked: () => this.out.unchecked,
      begin: () => this.begin(),
      hurry: () => this.out.hurry(),
      isPeer: (request) => this.inside.guard.peers.of(connectionOf(request)).standing === 'peer',
    })
    this.out.onProgress = () => this.life.readiness.check()
    this.inside = new InboundSide(
      parsed,
      this.ground,
      {
        http: this.out.http,
        authorizer: this.out.authorizer,
        begin: () => this.begin(),
        identify: (connection) => this.who.peers.principalOf(connection),
        mustProve: (connection) => this.who.mustProve(connection),
      },
      this.life,
    )
    this.out.onPolicies = () => this.inside.policyWait.check()
    this.dispatcher = this.out.dispatcher
  }

  /**
   * Resolves when every source gave its first answer and undici is loaded.
   * @param options.timeout default 10 s
   * @throws MeshError `MESH_NOT_READY` with the sources that are missing; they keep trying
   */
  async ready(options: { timeout?: Duration; signal?: AbortSignal } = {}): Promise<void> {
    this.refuseWhenClosed()
    const timeoutMs = waitMs('ready.timeout', options.timeout)
    options.signal?.throwIfAborted()
    this.inside.start()
    await this.out.startup.whenReady(timeoutMs, options.signal, () => this.out.awaited)
  }

  /** `fetch`, with the mesh underneath; hosts that are no service go to the platform's fetch unchanged. */
  fetch(input: string | URL | Request, init?: RequestInit & { mesh?: CallOptions }): Promise<Response> {
    return this.out.fetchThrough(this.platform, input, init)
  }

  /** `undici.request`: `{ statusCode, headers, trailers, body }`. Takes `mesh` beside undici's options. */
  request(url: string | URL, options?: RequestOptions): Promise<ResponseData> {
    try {
      return this.dispatcher.request(requestOptions(url, options)) as Promise<ResponseData>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** `undici.stream`: writes the body into what `factory` returns. */
  async stream(
    url: string | URL,
    options: RequestOptions,
    factory: (head: { statusCode: number; headers: Record<string, string | string[] | undefined> }) => NodeJS.WritableStream,
  ): Promise<unknown> {
    return this.dispatcher.stream(requestOptions(url, options), factory) as Promise<unknown>
  }

  /**
   * An agent for clients that stand on node:http: `axios.create({ httpAgent: mesh.httpAgent() })`. Requests to services go to endpoints that
   * the mesh chooses, the rest to the platform's own agent. Nothing is sent twice: retries, hedges and fallbacks need another door.
   * @param options.protocol `https:` for the agent of `https:` URLs; default `http:`
   */
  httpAgent(options: { protocol?: 'http:' | 'https:' } = {}): Agent {
    return this.out.httpAgent(options.protocol === 'https:' ? 'https:' : 'http:') as unknown as Agent
  }

  /**
   * Calls made inside `task`, however deep, get these options: for doors that drop unknown keys.
   * @throws MeshError `MESH_CONFIG` for bad options, or when the mesh was made with `context: false`
   */
  with<T>(options: CallOptions, task: () => T): T {
    const context = this.out.contextStorage()
    if (context === undefined)
      throw new MeshError('MESH_CONFIG', { reason: 'mesh.with needs AsyncLocalStorage, and this mesh was made with context: false' })
    return context.run(parseCallOptions(options, context.getStore() ?? NO_SETTINGS), task)
  }

  /** The request around this moment, however deep: what the calls beneath it inherit. Undefined outside of any, and with `context: false`. */
  current(): CurrentRequest | undefined {
    const request = this.ground.context?.getStore()?.within
    return request === undefined ? undefined : new RequestFacts(request, this.ground.clock)
  }

  /** Runs any promise function behind a breaker (opossum), a deadline and, when it is idempotent, retries (p-retry). */
  execute<T>(name: string, task: Task<T>, options: ExecuteOptions = {}): Promise<T> {
    return this.out.executor.run(name, task, options)
  }

  /**
   * Puts the mesh behind the global `fetch` and the global dispatchers. Returns what undoes it.
   * @throws MeshError `MESH_CONFIG` in a process that was started without fetch
   */
  install(): () => void {
    this.refuseWhenClosed()
    return this.out.install()
  }

  /**
   * `listener` behind the guard: `http.createServer(mesh.handler(app))`, and the same for https and http2. The server is protected as a
   * whole, upgrades and the like included.
   */
  handler(listener: HttpListener): AnyListener
  handler(listener: Http2Listener): AnyListener
  handler(listener: HttpListener | Http2Listener): AnyListener {
    return nodeListener(this.inside.entrance, listener)
  }

  /**
   * Puts the guard before a server and everything it tells its listeners of requests: `request`, `upgrade`, `connect`, `checkContinue`,
   * `checkExpectation`, `stream`. Returns the server: `mesh.protect(app.listen(8080))`.
   */
  protect<S extends AnyServer>(server: S): S {
    this.inside.entrance.protect(server, { coverage: 'all', routing: undefined })
    return server
  }

  /** The guard as middleware of Express 4 and 5, for what comes after it: `app.use(mesh.express())`, before everything else. */
  express(): ExpressMiddleware {
    return expressMiddleware(this.inside.entrance)
  }

  /** The guard as a plugin of Fastify 5: `fastify.register(mesh.fastify())`. */
  fastify(): FastifyPlugin {
    return fastifyPlugin(this.inside.entrance)
  }

  /** Whether requests should be sent to this process, and what is missing. */
  health(): HealthReport {
    return this.life.readiness.look()
  }

  /** Answers 200: for `app.get('/livez', …)` of `node:http`, Express and Fastify. */
  livenessHandler(): HealthHandler {
    return this.life.handlers.liveness
  }

  /** Answers 200 when {@link health} is ready, else 503; peers of the mesh hear what is missing. The first question starts the mesh. */
  readinessHandler(): HealthHandler {
    return this.life.handlers.readiness
  }

  /** `grpc.health.v1.Health`: `server.on('stream', mesh.grpcHealthHandler())`. It gives false for what is not asked of it. */
  grpcHealthHandler(): GrpcHealthHandler {
    return (stream, headers) => this.life.grpc.handle(stream, headers)
  }

  /**
   * Calls `withdraw` when the mesh begins to close, and waits for it: to leave a registry. The returned function ends that. What it throws
   * is logged, and keeps nobody.
   */
  onDrain(withdraw: Withdraw): () => void {
    return this.life.lifecycle.onDrain(withdraw)
  }

  /**
   * Options for `https.createServer`, `http2.createSecureServer` or `fastify({ https })`: our certificate, whom to believe, and what is asked
   * of clients. The server that is made from them takes every new certificate by itself.
   * @param options laid over `inbound.tls`
   * @throws MeshError `MESH_CONFIG` without an identity, `MESH_NOT_READY` while its files make none
   */
  tls(options?: InboundTlsOptions): TlsServerOptions {
    this.refuseWhenClosed()
    return this.who.tls(options)
  }

  /**
   * A server of `node:https` on those options, or of `node:http` where there is no TLS; in mode `permissive` it takes both on one port.
   * Also for `fastify({ serverFactory: (handler) => mesh.server(handler) })`.
   * @throws MeshError as {@link Mesh.tls}
   */
  server(listener?: RequestListener, options?: InboundTlsOptions): Server {
    this.refuseWhenClosed()
    return this.who.server(listener, options)
  }

  /** Who the peer of a connection proved to be by its certificate; undefined without one that holds. */
  principalOf(socket: object): Principal | undefined {
    return this.who.peers.principalOf(socket)
  }

  /**
   * What would happen now to a request, and which resource says so. Sends nothing. `mesh` holds as for a call, and so does what `mesh.with`
   * or a request that came in says around it.
   * @throws MeshError `MESH_CONFIG` for a request that cannot be, with every problem
   */
  explain(request: ExplainRequest): Explanation {
    const { unknownHosts, context } = this.options
    const now = this.ground.time.read()
    const { origin, ...asked } = explainedRequest(request, this.out.around, now)
    const found = this.out.targets.match(origin)
    const told = explain(this.out.plan, found, { ...asked, now, tells: context }, unknownHosts)
    const waitsFor = this.out.awaited
    const placed = withPlaces(told, this.out.store.placeOf)
    return waitsFor.length === 0 ? placed : { ...placed, waitsFor }
  }

  /**
   * What would be decided now about a request that came in, and which resource says so.
   * @throws MeshError `MESH_CONFIG` for a request that cannot be
   */
  authorize(request: AuthorizeRequest = {}): AuthorizationAnswer {
    const { dryRun, ...answer } = this.out.authorizer.explain(questionOf(request, this.options.service))
    const { placeOf } = this.out.store
    return { ...placed(answer, placeOf), ...(dryRun === undefined ? {} : { dryRun: placed(dryRun, placeOf) }) }
  }

  /** The configuration in force, as plain JSON; secrets print as `[redacted]`. */
  snapshot(): PrintedSnapshot {
    const { services, ...rest } = this.out.store.snapshot
    const printed = { ...rest, services: Object.fromEntries(services), identity: this.who.store.stats() }
    const shown = (key: string, value: unknown): unknown => withoutCredentials(key, placedProvenance(value, this.out.store.placeOf))
    return JSON.parse(JSON.stringify(printed, shown)) as PrintedSnapshot
  }

  /** Counters and states now, as plain JSON. */
  stats(): MeshStats {
    return { closed: this.ground.closed, inbound: this.inside.stats(), ...this.out.stats(), identity: this.who.store.stats() }
  }

  /** Calls `listener` at every such event; the returned function ends that. What a listener throws is logged, no more. */
  on<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): () => void {
    return this.ground.events.on(event, listener)
  }

  off<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): void {
    this.ground.events.off(event, listener)
  }

  /**
   * Ends the mesh: `process.once('SIGTERM', () => mesh.close())`. Readiness goes off, the servers behind the guard take no more connections
   * and answer what they have; then no call is taken either (`MESH_CLOSED`), those under way end, and what is left is aborted. A second
   * call gets the first one's promise.
   * @param options.timeout how long all of it may take, default 10 s
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    if (this.closing === undefined) {
      const timeoutMs = waitMs('close.timeout', options.timeout)
      this.closing = this.life.lifecycle.idle ? this.end(timeoutMs) : this.leave(timeoutMs)
    }
    return this.closing
  }

  /** What `console.log(mesh)` prints: what is inside carries the headers of requests that are under way. */
  [INSPECT](): string {
    return `Mesh { service: ${JSON.stringify(this.options.service)}, state: '${this.life.readiness.current}' }`
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Only for types: the services that were named in the options. */
  declare readonly names?: Name

  /** The inbound side first: whoever answers a request may have to call somebody for it. */
  private async leave(timeoutMs: number): Promise<void> {
    const { clock } = this.ground
    const endsAt = clock.now() + timeoutMs
    await this.life.lifecycle.drain(timeoutMs)
    await this.end(Math.max(0, endsAt - clock.now()))
  }

  /** Starts what is not started: somebody asks whether requests may come, or one came. */
  private begin(): void {
    if (this.ground.closed) return
    this.inside.start()
    this.out.startup.begin()
  }

  private end(timeoutMs: number): Promise<void> {
    this.ground.closed = true
    this.life.readiness.become('closed')
    this.inside.close()
    return this.out.shutDown(timeoutMs).finally(() => this.who.close())
  }

  private refuseWhenClosed(): void {
    if (this.ground.closed) throw new MeshError('MESH_CLOSED', { reason: 'the mesh is closed' })
  }
}

/**
 * Makes a mesh. It opens nothing: sources start with `ready()` or the first call.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function createMesh<
  Name extends string = never,
  Backend extends string = never,
  From extends readonly Source[] | undefined = undefined,
>(
  options: MeshOptions<Name, Backend | NoInfer<Name>> & { sources?: From } & RoutesToServices<NoInfer<Name>, Backend, From> = {} as never,
): Mesh<Name | (string & {})> {
  return new Mesh<Name | (string & {})>(options as MeshOptions)
}

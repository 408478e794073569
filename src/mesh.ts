import { Ground } from './composition/ground.ts'
import { OutboundSide } from './composition/outbound-side.ts'
import { type ParsedOptions, parseMeshOptions } from './config/mesh-options.ts'
import type { Duration } from './core/duration.ts'
import { MeshError } from './core/errors.ts'
import { waitMs } from './core/wait.ts'
import type { MeshEvents } from './model/events.ts'
import type { ExplainRequest, Explanation } from './model/explanation.ts'
import type { CallOptions, MeshOptions, RoutesToServices } from './model/options.ts'
import type { RequestOptions, ResponseData } from './model/request.ts'
import type { PrintedSnapshot } from './model/snapshot.ts'
import type { Source } from './model/source.ts'
import type { MeshStats } from './model/stats.ts'
import { parseCallOptions } from './outbound/call-options.ts'
import type { UniversalDispatcher } from './outbound/dispatcher.ts'
import { NO_SETTINGS } from './outbound/engine.ts'
import { parseOrigin } from './outbound/origin.ts'
import { requestOptions } from './outbound/outbound.ts'
import { platformFetch } from './outbound/platform.ts'
import { splitUrl } from './outbound/url.ts'
import { explainFound, explainStranger } from './plan/explain.ts'
import { explainRouted } from './plan/explain-route.ts'
import type { Task } from './resilience/execute.ts'
import type { ExecuteOptions } from './resilience/execute-options.ts'

/**
 * A service mesh in this process: every call made through it gets discovery, balancing, retries, timeouts, circuit
 * breaking and outlier ejection. Made by {@link createMesh}; it opens nothing until the first call or `ready()`.
 */
export class Mesh<Name extends string = string> {
  /** For `fetch(url, { dispatcher })` and every undici call that takes a dispatcher. */
  readonly dispatcher: UniversalDispatcher
  private readonly options: ParsedOptions
  private readonly ground: Ground
  private readonly out: OutboundSide
  private readonly platform: typeof globalThis.fetch
  private closing: Promise<void> | undefined = undefined

  /** @internal use {@link createMesh} */
  constructor(options: MeshOptions) {
    const parsed = parseMeshOptions(options)
    this.options = parsed
    this.platform = platformFetch()
    this.ground = new Ground(parsed)
    this.out = new OutboundSide(parsed, this.ground, (how) => this.close(how))
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
    const { startup, sources, resolver } = this.out
    await startup.whenReady(timeoutMs, options.signal, () => [...sources.missing, ...resolver.pending])
  }

  /** `fetch`, with the mesh underneath; hosts that are no service go to the platform's fetch unchanged. */
  fetch(input: string | URL | Request, init?: RequestInit & { mesh?: CallOptions }): Promise<Response> {
    return this.out.fetchThrough(this.platform, input, init)
  }

  /** `undici.request`: `{ statusCode, headers, trailers, body }`. Takes `mesh` beside undici's options. */
  request(url: string | URL, options: RequestOptions = {}): Promise<ResponseData> {
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
   * Calls made inside `task`, however deep, get these options: for doors that drop unknown keys.
   * @throws MeshError `MESH_CONFIG` for bad options, or when the mesh was made with `context: false`
   */
  with<T>(options: CallOptions, task: () => T): T {
    const context = this.out.contextStorage()
    if (context === undefined)
      throw new MeshError('MESH_CONFIG', { reason: 'mesh.with needs AsyncLocalStorage, and this mesh was made with context: false' })
    return context.run(parseCallOptions(options, context.getStore() ?? NO_SETTINGS), task)
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

  /** What would happen now to a request, and which resource says so. Sends nothing. */
  explain(request: ExplainRequest): Explanation {
    const origin = parseOrigin(request.url instanceof URL ? request.url : String(request.url))
    if (origin === undefined)
      throw new MeshError('MESH_CONFIG', {
        reason: `explain.url: expected an http or https URL, got ${JSON.stringify(String(request.url))}`,
      })
    const found = this.out.targets.match(origin)
    if (found === undefined) return explainStranger(origin.authority, this.options.unknownHosts)
    const { method = 'GET', headers = {} } = request
    const { authority: host, secure } = origin
    const path = splitUrl(request.url)?.path ?? '/'
    const asked = { host, method: method.toUpperCase(), path, headers, secure }
    const now = this.ground.time.read()
    return 'route' in found ? explainRouted(this.out.plan, found, asked, now) : explainFound(this.out.plan, found, asked, now)
  }

  /** The configuration in force, as plain JSON; secrets print as `[redacted]`. */
  snapshot(): PrintedSnapshot {
    const { services, ...rest } = this.out.store.snapshot
    return JSON.parse(JSON.stringify({ ...rest, services: Object.fromEntries(services) })) as PrintedSnapshot
  }

  /** Counters and states now, as plain JSON. */
  stats(): MeshStats {
    return { closed: this.ground.closed, ...this.out.stats() }
  }

  /** Calls `listener` at every such event; the returned function ends that. What a listener throws is logged, no more. */
  on<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): () => void {
    return this.ground.events.on(event, listener)
  }

  off<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): void {
    this.ground.events.off(event, listener)
  }

  /**
   * Takes no new calls (`MESH_CLOSED`), waits for those under way, then aborts what is left. A second call gets the first
   * one's promise.
   * @param options.timeout how long to wait, default 10 s
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    if (this.closing === undefined) {
      const timeoutMs = waitMs('close.timeout', options.timeout)
      this.ground.closed = true
      this.closing = this.out.shutDown(timeoutMs)
    }
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Only for types: the services that were named in the options. */
  declare readonly names?: Name

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
  const From extends readonly Source[] | undefined = undefined,
>(
  options: MeshOptions<Name, Backend | NoInfer<Name>> & { sources?: From } & RoutesToServices<NoInfer<Name>, Backend, From> = {} as never,
): Mesh<Name | (string & {})> {
  return new Mesh<Name | (string & {})>(options as MeshOptions)
}

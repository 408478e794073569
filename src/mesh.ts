import { AsyncLocalStorage } from 'node:async_hooks'
import { type ParsedOptions, parseMeshOptions } from './config/mesh-options.ts'
import { SourceRunner } from './config/source-runner.ts'
import { ConfigStore } from './config/store.ts'
import { defaultClassifier } from './core/classifier.ts'
import { type Clock, systemClock } from './core/clock.ts'
import type { Duration } from './core/duration.ts'
import { MeshError } from './core/errors.ts'
import { Events } from './core/event.ts'
import { systemRandom } from './core/random.ts'
import { TimerWheel } from './core/timer-wheel.ts'
import { waitMs } from './core/wait.ts'
import { DnsResolver } from './discovery/dns/dns-resolver.ts'
import { HealthMonitor } from './health/monitor.ts'
import { HealthReporters } from './health/reporters.ts'
import type { MeshEvents } from './model/events.ts'
import type { ExplainRequest, Explanation } from './model/explanation.ts'
import type { CallOptions, MeshOptions } from './model/options.ts'
import type { RequestOptions, ResponseData } from './model/request.ts'
import type { PrintedSnapshot } from './model/snapshot.ts'
import type { MeshStats } from './model/stats.ts'
import { parseCallOptions } from './outbound/call-options.ts'
import { MeshDispatcher, type UniversalDispatcher } from './outbound/dispatcher.ts'
import { type CallSettings, NO_SETTINGS } from './outbound/engine.ts'
import { MeshFetch, type Ownership, urlOf } from './outbound/fetch/mesh-fetch.ts'
import { UndiciHttpClient } from './outbound/http-client.ts'
import { Installation } from './outbound/install.ts'
import { Outbound, requestOptions } from './outbound/outbound.ts'
import { platformFetch } from './outbound/platform.ts'
import { EndpointProber } from './outbound/prober.ts'
import { Startup } from './outbound/startup.ts'
import { parseOrigin, Targets } from './outbound/targets.ts'
import { originOf, splitUrl } from './outbound/url.ts'
import { explainFound, explainStranger } from './plan/explain.ts'
import { Plan } from './plan/plan.ts'
import { serviceStats } from './plan/service-stats.ts'
import { Executor, type Task } from './resilience/execute.ts'
import type { ExecuteOptions } from './resilience/execute-options.ts'

/** How the names of endpoints and hosts are called in events, as if they came from a source. */
const NAMES = 'names'

/**
 * A service mesh in this process: every call made through it gets discovery, balancing, retries, timeouts, circuit
 * breaking and outlier ejection. Made by {@link createMesh}; it opens nothing until the first call or `ready()`.
 */
export class Mesh<Name extends string = string> {
  /** For `fetch(url, { dispatcher })` and every undici call that takes a dispatcher. */
  readonly dispatcher: UniversalDispatcher
  private readonly options: ParsedOptions
  private readonly clock: Clock
  private readonly events: Events<MeshEvents>
  private readonly time: TimerWheel
  private readonly store: ConfigStore
  private readonly plan: Plan
  private readonly monitor: HealthMonitor
  private readonly targets: Targets
  private readonly startup: Startup
  private readonly outbound: Outbound
  private readonly sources: SourceRunner
  private readonly resolver: DnsResolver
  private readonly http: UndiciHttpClient
  private readonly executor: Executor
  private readonly fetching: MeshFetch
  private readonly platform: typeof globalThis.fetch
  private context: AsyncLocalStorage<CallSettings> | undefined = undefined
  private installation: Installation | undefined = undefined
  private closing: Promise<void> | undefined = undefined

  /** @internal use {@link createMesh} */
  constructor(options: MeshOptions) {
    const parsed = parseMeshOptions(options)
    this.options = parsed
    this.clock = parsed.clock ?? systemClock
    this.platform = platformFetch()
    this.time = new TimerWheel(this.clock)
    this.events = new Events((error) => this.report('event listener', error))
    const emit = <Event extends keyof MeshEvents>(name: Event, payload: MeshEvents[Event]): void => this.events.emit(name, payload)
    const random = parsed.random ?? systemRandom
    const { clock } = this
    const { addressPolicy } = parsed
    this.resolver = new DnsResolver({
      clock,
      random,
      addressPolicy,
      failed: (error) => emit('sourceFailed', { source: NAMES, error }),
      recovered: () => emit('sourceRecovered', { source: NAMES }),
      settled: () => this.startup.check(),
    })
    this.http = new UndiciHttpClient({ clock, addressPolicy, names: this.resolver, undici: () => this.startup.undici() })
    this.monitor = new HealthMonitor({ clock: this.clock, random, prober: new EndpointProber(this.clock, parsed.addressPolicy) })
    const reporters = new HealthReporters(parsed.healthReporters, this.clock, (error) => this.report('health reporter', error))
    this.plan = new Plan(
      {
        time: this.time,
        random,
        gates: parsed.gates,
        names: this.resolver,
        monitor: this.monitor,
        emit,
        report: (change) => reporters.tell(change),
        released: (endpoint) => this.startup.engine.connections?.release(endpoint),
        unreachable: (endpoint) => this.sources.unreachable(endpoint),
      },
      parsed.namespace,
      parsed.service,
    )
    this.targets = new Targets(this.plan)
    this.startup = new Startup(
      { clock: this.clock, time: this.time, classifier: defaultClassifier, emit, report: (what, error) => this.report(what, error) },
      {
        undici: parsed.undici,
        addressPolicy,
        fallback: parsed.fallback,
        sourcesSettled: () => this.sources.settled,
        start: () => this.start(),
      },
    )
    this.store = new ConfigStore({
      namespace: parsed.namespace,
      defaults: parsed.defaults,
      resources: parsed.resources,
      onChange: (snapshot, changed, source) => {
        this.plan.apply(snapshot, changed)
        emit('configChanged', { version: snapshot.version, services: [...changed], source })
      },
    })
    this.plan.apply(this.store.snapshot, this.store.snapshot.services.keys())
    const apply = new Map(parsed.sources.map(({ name }) => [name, this.store.register(name)] as const))
    const context = { namespace: parsed.namespace, clock, random, addressPolicy, http: this.http }
    this.sources = new SourceRunner(parsed.sources, context, (source, delta) => apply.get(source)?.(delta) ?? [], {
      rejected: (source, rejections) => emit('configRejected', { source, rejections }),
      failed: (source, error) => emit('sourceFailed', { source, error }),
      recovered: (source) => emit('sourceRecovered', { source }),
      answered: () => this.startup.check(),
    })
    const mesh = this
    this.outbound = new Outbound({
      engine: this.startup.engine,
      targets: this.targets,
      unknownHosts: parsed.unknownHosts,
      get context() {
        return mesh.context
      },
      get closed() {
        return mesh.closing !== undefined
      },
      get ready() {
        return mesh.startup.done
      },
      whenReady: (then) => this.startup.when(then),
    })
    this.dispatcher = new MeshDispatcher({
      dispatch: (request, handler, passOn) => this.outbound.dispatch(request, handler, passOn),
      undici: () => this.startup.undici(),
      fallback: (request, handler) => this.startup.passOn(request, handler),
      close: (atOnce) => this.close(atOnce ? { timeout: 0 } : {}),
      get loaded() {
        return mesh.startup.engine.undici
      },
      get closed() {
        return mesh.closing !== undefined
      },
    }) as unknown as UniversalDispatcher
    this.executor = new Executor({ clock: this.clock, random, gates: parsed.gates, emit })
    const { outbound, targets, time } = this
    this.fetching = new MeshFetch({
      owner: (input) => this.owner(input),
      whenSettled: (then) => this.startup.when(then),
      setTimer: (fire, delayMs) => this.clock.setTimer(fire, delayMs),
      dispatcher: this.dispatcher,
      context: () => this.contextStorage(),
      get around() {
        return outbound.around
      },
      get closed() {
        return mesh.closing !== undefined
      },
      afterPoll: (then) => this.clock.afterPoll(then),
      now: () => time.read(),
      find: (origin) => targets.find(origin),
      serves: (origin) => outbound.serves(origin),
      originOfEndpoint: (address) => targets.originOfEndpoint(address),
      open: (target, options, caller, settings) => outbound.open(target, options, caller, settings),
    })
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
    await this.startup.whenReady(timeoutMs, options.signal, () => [...this.sources.missing, ...this.resolver.pending])
  }

  /** `fetch`, with the mesh underneath; hosts that are no service go to the platform's fetch unchanged. */
  fetch(input: string | URL | Request, init?: RequestInit & { mesh?: CallOptions }): Promise<Response> {
    return this.fetchThrough(this.platform, input, init)
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
    const context = this.contextStorage()
    if (context === undefined)
      throw new MeshError('MESH_CONFIG', { reason: 'mesh.with needs AsyncLocalStorage, and this mesh was made with context: false' })
    return context.run(parseCallOptions(options, context.getStore() ?? NO_SETTINGS), task)
  }

  /** Runs any promise function behind a breaker (opossum), a deadline and, when it is idempotent, retries (p-retry). */
  execute<T>(name: string, task: Task<T>, options: ExecuteOptions = {}): Promise<T> {
    return this.executor.run(name, task, options)
  }

  /**
   * Puts the mesh behind the global `fetch` and the global dispatchers. Returns what undoes it.
   * @throws MeshError `MESH_CONFIG` in a process that was started without fetch
   */
  install(): () => void {
    this.refuseWhenClosed()
    if (this.installation?.installed !== true)
      this.installation = new Installation({
        dispatch: (request, handler, passOn) => this.outbound.dispatch(request, handler, passOn),
        wants: (input) => this.owner(input) !== 'theirs',
        fetchThrough: (former, input, init) => this.fetchThrough(former, input, init),
      })
    this.startup.installation = this.installation
    return this.installation.hold()
  }

  /** What would happen now to a request, and which resource says so. Sends nothing. */
  explain(request: ExplainRequest): Explanation {
    const origin = parseOrigin(request.url instanceof URL ? request.url : String(request.url))
    if (origin === undefined)
      throw new MeshError('MESH_CONFIG', {
        reason: `explain.url: expected an http or https URL, got ${JSON.stringify(String(request.url))}`,
      })
    const found = this.targets.match(origin)
    if (found === undefined) return explainStranger(origin.authority, this.options.unknownHosts)
    const { method = 'GET', headers = {} } = request
    const { authority: host, secure } = origin
    const path = splitUrl(request.url)?.path ?? '/'
    return explainFound(this.plan, found, { host, method: method.toUpperCase(), path, headers, secure }, this.time.read())
  }

  /** The configuration in force, as plain JSON; secrets print as `[redacted]`. */
  snapshot(): PrintedSnapshot {
    const { services, ...rest } = this.store.snapshot
    return JSON.parse(JSON.stringify({ ...rest, services: Object.fromEntries(services) })) as PrintedSnapshot
  }

  /** Counters and states now, as plain JSON. */
  stats(): MeshStats {
    const now = this.time.read()
    const services: MeshStats['services'] = {}
    let inflight = 0
    for (const plan of this.plan.services()) {
      plan.outlier.restoreDue(now)
      services[plan.name] = serviceStats(
        plan,
        now,
        (endpoint) => this.startup.engine.connections?.count(endpoint) ?? { connections: 0, idleConnections: 0 },
      )
      inflight += plan.counters.inflight
    }
    return {
      version: this.store.snapshot.version,
      closed: this.closing !== undefined,
      inflight,
      passedThrough: this.outbound.passedThrough,
      services,
      executions: this.executor.stats(),
      sources: this.sources.states,
    }
  }

  /** Calls `listener` at every such event; the returned function ends that. What a listener throws is logged, no more. */
  on<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): () => void {
    return this.events.on(event, listener)
  }

  off<Event extends keyof MeshEvents>(event: Event, listener: (payload: MeshEvents[Event]) => void): void {
    this.events.off(event, listener)
  }

  /**
   * Takes no new calls (`MESH_CLOSED`), waits for those under way, then aborts what is left. A second call gets the first
   * one's promise.
   * @param options.timeout how long to wait, default 10 s
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    this.closing ??= this.shutDown(waitMs('close.timeout', options.timeout))
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Only for types: the services that were named in the options. */
  declare readonly names?: Name

  private start(): void {
    this.resolver.start()
    this.sources.start()
    this.monitor.start()
  }

  private async shutDown(timeoutMs: number): Promise<void> {
    this.installation?.restore()
    this.monitor.close()
    // A source that does not let go must not hold the calls, nor whoever waits for the end of the mesh.
    await Promise.all([this.executor.close(timeoutMs), this.within(timeoutMs, this.sources.stop()), this.startup.drain(timeoutMs)])
    this.plan.close()
    this.resolver.close()
    await this.http.close()
  }

  private within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(resolve, timeoutMs)
      const end = (): void => {
        timer.cancel()
        resolve()
      }
      work.then(end, end)
    })
  }

  private owner(input: unknown): Ownership {
    const url = urlOf(input)
    const origin = url === undefined || url instanceof URL ? url?.origin : originOf(url)
    if (origin === undefined) return 'theirs'
    if (this.outbound.serves(origin)) return 'ours'
    if (this.closing === undefined && !this.sources.settled) return 'unknown'
    return this.options.unknownHosts === 'refuse' ? 'ours' : 'theirs'
  }

  private fetchThrough(former: typeof globalThis.fetch, input: unknown, init: unknown): Promise<Response> {
    return this.fetching.fetch(former, input, init as RequestInit | undefined)
  }

  /** Made at the first use: on Node 20 a living AsyncLocalStorage makes every promise dearer. */
  private contextStorage(): AsyncLocalStorage<CallSettings> | undefined {
    if (this.options.context) this.context ??= new AsyncLocalStorage()
    return this.context
  }

  private refuseWhenClosed(): void {
    if (this.closing !== undefined) throw new MeshError('MESH_CLOSED', { reason: 'the mesh is closed' })
  }

  private report(what: string, error: unknown): void {
    try {
      const returned: unknown = this.options.logger?.error(`inmesh: ${what} threw`, error)
      if (returned instanceof Promise) returned.catch(() => {})
    } catch {}
  }
}

/**
 * Makes a mesh. It opens nothing: sources start with `ready()` or the first call.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function createMesh<Name extends string = never>(options: MeshOptions<Name> = {}): Mesh<Name | (string & {})> {
  return new Mesh<Name | (string & {})>(options)
}

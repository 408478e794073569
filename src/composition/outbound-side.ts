import { AsyncLocalStorage } from 'node:async_hooks'
import type { ParsedOptions } from '../config/mesh-options.ts'
import { SourceRunner } from '../config/source-runner.ts'
import { ConfigStore } from '../config/store.ts'
import { defaultClassifier } from '../core/classifier.ts'
import { DnsResolver } from '../discovery/dns/dns-resolver.ts'
import { HealthMonitor } from '../health/monitor.ts'
import { HealthReporters } from '../health/reporters.ts'
import type { MeshStats } from '../model/stats.ts'
import { MeshDispatcher, type UniversalDispatcher } from '../outbound/dispatcher.ts'
import type { CallSettings } from '../outbound/engine.ts'
import { MeshFetch, type Ownership, urlOf } from '../outbound/fetch/mesh-fetch.ts'
import { UndiciHttpClient } from '../outbound/http-client.ts'
import { Installation } from '../outbound/install.ts'
import { Outbound } from '../outbound/outbound.ts'
import { EndpointProber } from '../outbound/prober.ts'
import { Router } from '../outbound/router.ts'
import { Startup } from '../outbound/startup.ts'
import { Targets } from '../outbound/targets.ts'
import { originOf } from '../outbound/url.ts'
import { Plan } from '../plan/plan.ts'
import { routeStats } from '../plan/route-stats.ts'
import { serviceStats } from '../plan/service-stats.ts'
import { Executor } from '../resilience/execute.ts'
import type { Ground } from './ground.ts'

/** How the names of endpoints and hosts are called in events, as if they came from a source. */
const NAMES = 'names'

/** Everything of a mesh that carries calls out of the process, put together; and the configuration that it goes by. */
export class OutboundSide {
  readonly store: ConfigStore
  readonly plan: Plan
  readonly targets: Targets
  readonly startup: Startup
  readonly sources: SourceRunner
  readonly resolver: DnsResolver
  readonly http: UndiciHttpClient
  readonly executor: Executor
  readonly dispatcher: UniversalDispatcher
  private readonly options: ParsedOptions
  private readonly ground: Ground
  private readonly monitor: HealthMonitor
  private readonly outbound: Outbound
  private readonly fetching: MeshFetch
  private context: AsyncLocalStorage<CallSettings> | undefined = undefined
  private installation: Installation | undefined = undefined

  /** @param close what `dispatcher.close()` does, which ends the whole mesh */
  constructor(parsed: ParsedOptions, ground: Ground, close: (options: { timeout?: number }) => Promise<void>) {
    const { clock, random, time, emit, report } = ground
    const { addressPolicy } = parsed
    this.options = parsed
    this.ground = ground
    this.resolver = new DnsResolver({
      clock,
      random,
      addressPolicy,
      failed: (error) => emit('sourceFailed', { source: NAMES, error }),
      recovered: () => emit('sourceRecovered', { source: NAMES }),
      settled: () => this.startup.check(),
    })
    this.http = new UndiciHttpClient({ clock, addressPolicy, names: this.resolver, undici: () => this.startup.undici() })
    this.monitor = new HealthMonitor({ clock, random, prober: new EndpointProber(clock, parsed.addressPolicy) })
    const reporters = new HealthReporters(parsed.healthReporters, clock, (error) => report('health reporter', error))
    this.plan = new Plan(
      {
        time,
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
    this.startup = new Startup(
      { clock, time, classifier: defaultClassifier, emit, report },
      {
        undici: parsed.undici,
        addressPolicy,
        fallback: parsed.fallback,
        sourcesSettled: () => this.sources.settled,
        start: () => {
          this.resolver.start()
          this.sources.start()
          this.monitor.start()
        },
      },
    )
    this.targets = new Targets(this.plan, { engine: this.startup.engine, random })
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
    const side = this
    this.outbound = new Outbound({
      engine: this.startup.engine,
      targets: this.targets,
      router: new Router(this.startup.engine, random),
      unknownHosts: parsed.unknownHosts,
      get context() {
        return side.context
      },
      get closed() {
        return ground.closed
      },
      get ready() {
        return side.startup.done
      },
      whenReady: (then) => this.startup.when(then),
    })
    this.dispatcher = new MeshDispatcher({
      dispatch: (request, handler, passOn) => this.outbound.dispatch(request, handler, passOn),
      undici: () => this.startup.undici(),
      fallback: (request, handler) => this.startup.passOn(request, handler),
      close: (atOnce) => close(atOnce ? { timeout: 0 } : {}),
      get loaded() {
        return side.startup.engine.undici
      },
      get closed() {
        return ground.closed
      },
    }) as unknown as UniversalDispatcher
    this.executor = new Executor({ clock, random, gates: parsed.gates, emit })
    const { outbound, targets } = this
    this.fetching = new MeshFetch({
      owner: (input) => this.owner(input),
      whenSettled: (then) => this.startup.when(then),
      setTimer: (fire, delayMs) => clock.setTimer(fire, delayMs),
      dispatcher: this.dispatcher,
      context: () => this.contextStorage(),
      get around() {
        return outbound.around
      },
      get closed() {
        return ground.closed
      },
      afterPoll: (then) => clock.afterPoll(then),
      now: () => time.read(),
      find: (origin) => targets.find(origin),
      serves: (origin) => outbound.serves(origin),
      originOfEndpoint: (address) => targets.originOfEndpoint(address),
      open: (to, options, caller, settings) => outbound.open(to, options, caller, settings),
    })
  }

  /** The per-call options around this moment. Made at the first use: on Node 20 a living AsyncLocalStorage makes every promise dearer. */
  contextStorage(): AsyncLocalStorage<CallSettings> | undefined {
    if (this.options.context) this.context ??= new AsyncLocalStorage()
    return this.context
  }

  /** `fetch` for whoever called `former`: ours goes through the mesh, the rest to `former` unchanged. */
  fetchThrough(former: typeof globalThis.fetch, input: unknown, init: unknown): Promise<Response> {
    return this.fetching.fetch(former, input, init as RequestInit | undefined)
  }

  /**
   * Puts the mesh behind the globals; returns what undoes it.
   * @throws MeshError `MESH_CONFIG` in a process that was started without fetch
   */
  install(): () => void {
    if (this.installation?.installed !== true)
      this.installation = new Installation({
        dispatch: (request, handler, passOn) => this.outbound.dispatch(request, handler, passOn),
        wants: (input) => this.owner(input) !== 'theirs',
        fetchThrough: (former, input, init) => this.fetchThrough(former, input, init),
      })
    this.startup.installation = this.installation
    return this.installation.hold()
  }

  /** What `mesh.stats()` says of the outbound side. */
  stats(): Omit<MeshStats, 'closed'> {
    const now = this.ground.time.read()
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
      inflight,
      passedThrough: this.outbound.passedThrough,
      services,
      routes: routeStats(this.plan.routes.all(), this.options.namespace),
      executions: this.executor.stats(),
      sources: this.sources.states,
    }
  }

  /** Lets go of the globals and waits for the calls under way, at most `timeoutMs`; then nothing of this side is left. */
  async shutDown(timeoutMs: number): Promise<void> {
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
      const timer = this.ground.clock.setTimer(resolve, timeoutMs)
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
    if (!this.ground.closed && !this.sources.settled) return 'unknown'
    return this.options.unknownHosts === 'refuse' ? 'ours' : 'theirs'
  }
}

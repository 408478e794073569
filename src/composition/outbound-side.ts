import type { AsyncLocalStorage } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import type { ParsedOptions } from '../config/mesh-options.ts'
import { textOf } from '../config/schema/plain.ts'
import { SourceRunner } from '../config/source-runner.ts'
import { ConfigStore } from '../config/store.ts'
import { defaultClassifier } from '../core/classifier.ts'
import { DnsResolver } from '../discovery/dns/dns-resolver.ts'
import { HealthMonitor } from '../health/monitor.ts'
import { HealthReporters } from '../health/reporters.ts'
import type { CallSettings } from '../model/call-settings.ts'
import type { MeshStats } from '../model/stats.ts'
import type { AgentCall } from '../outbound/agent/agent-call.ts'
import { EndpointAgents } from '../outbound/agent/endpoint-agents.ts'
import { HttpAgent } from '../outbound/agent/http-agent.ts'
import type { Connections } from '../outbound/connections.ts'
import { MeshDispatcher, type UniversalDispatcher } from '../outbound/dispatcher.ts'
import { MeshFetch, type Ownership, urlOf } from '../outbound/fetch/mesh-fetch.ts'
import { UndiciHttpClient } from '../outbound/http-client.ts'
import { Installation } from '../outbound/install.ts'
import { MutualTls } from '../outbound/mutual-tls.ts'
import { Outbound, type OutboundHost } from '../outbound/outbound.ts'
import { EndpointProber } from '../outbound/prober.ts'
import { Router } from '../outbound/router.ts'
import { Startup } from '../outbound/startup.ts'
import { Targets } from '../outbound/targets.ts'
import { originOf } from '../outbound/url.ts'
import { Plan } from '../plan/plan.ts'
import { routeStats } from '../plan/route-stats.ts'
import { serviceStats } from '../plan/service-stats.ts'
import { Executor } from '../resilience/execute.ts'
import { Authorizer } from '../security/authorization/authorizer.ts'
import type { Ground } from './ground.ts'
import type { IdentitySide } from './identity-side.ts'

/** Instrumentations of undici listen here, and add `traceparent` to what leaves. */
const requestsOfUndici = channel('undici:request:create')

/** How the names of endpoints and hosts are called in events, as if they came from a source. */
const NAMES = 'names'

/** Everything of a mesh that carries calls out of the process, put together; and the configuration that it goes by. */
export class OutboundSide {
  readonly store: ConfigStore
  /** Who may call this process; the inbound side asks it. */
  readonly authorizer: Authorizer
  readonly plan: Plan
  readonly targets: Targets
  readonly startup: Startup
  readonly sources: SourceRunner
  readonly resolver: DnsResolver
  readonly http: UndiciHttpClient
  readonly executor: Executor
  readonly dispatcher: UniversalDispatcher
  /** Called when something that `missing` names may be there. */
  onProgress: () => void = () => {}
  /** Called when the policies of the inbound side changed. */
  onPolicies: () => void = () => {}
  private readonly options: ParsedOptions
  private readonly ground: Ground
  private readonly who: IdentitySide
  private readonly monitor: HealthMonitor
  private readonly host: OutboundHost
  private readonly outbound: Outbound
  private readonly agents: EndpointAgents
  private readonly fetching: MeshFetch
  private installation: Installation | undefined = undefined

  /** @param close what `dispatcher.close()` does, which ends the whole mesh */
  constructor(parsed: ParsedOptions, ground: Ground, who: IdentitySide, close: (options: { timeout?: number }) => Promise<void>) {
    const { clock, random, time, emit, report } = ground
    const { addressPolicy } = parsed
    const mutual = new MutualTls(who.store, who.verifier)
    this.options = parsed
    this.ground = ground
    this.who = who
    this.resolver = new DnsResolver({
      clock,
      random,
      addressPolicy,
      failed: (error) => emit('sourceFailed', { source: NAMES, error }),
      recovered: () => emit('sourceRecovered', { source: NAMES }),
      settled: () => this.startup.check(),
    })
    this.http = new UndiciHttpClient({ clock, addressPolicy, names: this.resolver, undici: () => this.startup.undici() })
    this.monitor = new HealthMonitor({
      clock,
      random,
      prober: new EndpointProber(clock, parsed.addressPolicy, mutual),
      allAsked: () => this.onProgress(),
    })
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
        released: (endpoint) => {
          this.startup.engine.connections?.release(endpoint)
          this.agents.release(endpoint)
        },
        unreachable: (endpoint) => this.sources.unreachable(endpoint),
      },
      parsed.namespace,
      parsed.service,
      parsed.locality,
    )
    this.startup = new Startup(
      {
        clock,
        time,
        classifier: defaultClassifier,
        emit,
        report,
        tells: parsed.context,
        traced: () => requestsOfUndici.hasSubscribers,
        placeOf: (from) => this.store.placeOf(from),
      },
      {
        undici: parsed.undici,
        addressPolicy,
        mutual,
        fallback: parsed.fallback,
        checked: () => this.onProgress(),
        sourcesSettled: () => this.sources.settled,
        start: () => {
          who.store.start()
          this.resolver.start()
          this.sources.start()
          this.monitor.start()
        },
      },
    )
    this.targets = new Targets(this.plan, { engine: this.startup.engine, random })
    this.authorizer = new Authorizer([], { namespace: parsed.namespace, failed: (error) => report('an authorization policy', error) })
    who.store.onChange((lessTrust) => {
      this.startup.check()
      this.startup.engine.connections?.renew(lessTrust)
      this.agents.destroy()
    })
    this.store = new ConfigStore({
      namespace: parsed.namespace,
      defaults: parsed.defaults,
      resources: parsed.resources,
      onChange: (snapshot, changed, source) => {
        this.plan.apply(snapshot, changed)
        emit('configChanged', { version: snapshot.version, services: [...changed], source })
      },
      onAuthorization: (state) => {
        this.authorizer.reconfigure(state)
        this.onPolicies()
      },
    })
    this.plan.apply(this.store.snapshot, this.store.snapshot.services.keys())
    const apply = new Map(
      parsed.sources.map(({ name, inbound }) => [name, this.store.register(name, { inbound: inbound === true })] as const),
    )
    const context = { namespace: parsed.namespace, clock, random, addressPolicy, http: this.http }
    this.sources = new SourceRunner(parsed.sources, context, (source, delta) => apply.get(source)?.(delta) ?? [], {
      rejected: (source, rejections) => {
        this.store.failed(source, rejections.flatMap(({ problems }) => problems).join('; '))
        emit('configRejected', { source, rejections })
      },
      failed: (source, error) => {
        this.store.failed(source, textOf(error))
        emit('sourceFailed', { source, error })
      },
      recovered: (source) => emit('sourceRecovered', { source }),
      answered: () => this.startup.check(),
    })
    const side = this
    this.host = {
      engine: this.startup.engine,
      targets: this.targets,
      router: new Router(this.startup.engine, random),
      unknownHosts: parsed.unknownHosts,
      get context() {
        return ground.context
      },
      get closed() {
        return ground.closed
      },
      get ready() {
        return side.startup.done
      },
      whenReady: (then) => this.startup.when(then),
    }
    this.outbound = new Outbound(this.host)
    this.agents = new EndpointAgents((request, connected) =>
      (request as AgentCall).open(this.startup.engine.connections as Connections, connected),
    )
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
    this.executor = new Executor({
      clock,
      random,
      gates: parsed.gates,
      emit,
      get around() {
        return side.outbound.around
      },
    })
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

  /** Who has not given yet what calls and servers need: our identity, sources, names. */
  get awaited(): string[] {
    return [...this.who.store.missing, ...this.sources.missing, ...this.resolver.pending]
  }

  /** What keeps calls from being sent as they should be, in words. */
  get missing(): string[] {
    const missing = this.awaited
    return missing.length > 0 || this.startup.done ? missing : ['undici']
  }

  /** The services with endpoints that no health check has come to a verdict on yet, in words. */
  get unchecked(): string[] {
    if (this.monitor.unasked === 0) return []
    return [...this.plan.services()].flatMap(({ name, health: { unasked, size } }) =>
      unasked === 0 ? [] : [`${name}: ${unasked} of ${size} endpoints not checked yet`],
    )
  }

  /** Somebody waits for the first health checks. */
  hurry(): void {
    this.monitor.hurry()
  }

  /** What holds for a call that is made at this moment. */
  get around(): CallSettings {
    return this.outbound.around
  }

  /** Where that is kept. */
  contextStorage(): AsyncLocalStorage<CallSettings> | undefined {
    return this.options.context ? this.ground.contextStorage() : undefined
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

  /** An agent for clients that stand on node:http. */
  httpAgent(protocol: 'http:' | 'https:'): HttpAgent {
    return new HttpAgent(protocol, this.host, this.agents, () => this.outbound.passedThrough++)
  }

  /** What `mesh.stats()` says of the outbound side. */
  stats(): Omit<MeshStats, 'closed' | 'inbound' | 'identity'> {
    const now = this.ground.time.read()
    const services: MeshStats['services'] = {}
    let inflight = 0
    for (const plan of this.plan.services()) {
      plan.outlier.restoreDue(now)
      services[plan.name] = serviceStats(
        plan,
        now,
        (endpoint) => this.startup.engine.connections?.count(endpoint) ?? { connections: 0, idleConnections: 0, protocol: 'none' as const },
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
    this.agents.destroy()
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

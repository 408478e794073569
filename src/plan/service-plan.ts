import type { Balancer } from '../balancing/balancer.ts'
import type { SpreadGround } from '../balancing/spread/spread.ts'
import type { Call } from '../core/call.ts'
import { isDeepStrictEqual } from '../core/deep-equal.ts'
import { Endpoint, type EndpointSpec } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import { splitHost } from '../core/host.ts'
import { NO_ENDPOINT, NOBODY_CHOSEN, type Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { CheckedService } from '../health/endpoint-check.ts'
import type { HealthMonitor } from '../health/monitor.ts'
import { ServiceHealth } from '../health/service-health.ts'
import type { NameResolver } from '../model/name-resolver.ts'
import { formatProvenance, type Policy } from '../model/resources.ts'
import type { ServiceSnapshot } from '../model/snapshot.ts'
import type { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import type { PolicyGate } from '../resilience/outbound-policies.ts'
import { OutlierDetector } from '../resilience/outlier-detection.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import { type CallPolicy, servicePolicy } from './call-policy.ts'
import type { Choice } from './choice.ts'
import { whyNobody } from './choice-words.ts'
import { Choices } from './choices.ts'
import { EndpointChanges, type EndpointsOwner } from './endpoint-changes.ts'
import { EndpointNews, type NewsDesk } from './endpoint-news.ts'
import { Hedging } from './hedging.ts'
import { type ServedName, servedNames } from './host.ts'
import type { Lanes } from './lanes.ts'
import { NamedEndpoints } from './named-endpoints.ts'
import { probeRequest } from './probe-request.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { Protections } from './protections.ts'
import { ServiceBalancing } from './service-balancing.ts'
import { ServiceCounters } from './service-counters.ts'
import { StandingIn } from './standing-in.ts'
import { WatchedSet } from './watched-set.ts'

/** What a plan needs from the mesh it belongs to. */
export interface PlanContext extends NewsDesk {
  readonly time: TimerWheel
  readonly random: Random
  readonly gates: readonly Gate[]
  readonly names: NameResolver
  /** Who asks the endpoints whether they are in order. */
  readonly monitor: HealthMonitor
  /** The endpoint is no longer dialled: its connections may close. */
  released(endpoint: Endpoint): void
  /** No connection to the endpoint came about: whoever named it may know better by now. */
  unreachable(endpoint: Endpoint): void
}

/** The same for one service. */
export interface ServiceContext extends PlanContext {
  readonly identity: ProcessIdentity
  /** Where we are among the zones. */
  readonly ground: SpreadGround
}

/**
 * One service as it runs: the policy objects that calls meet, and the living state that outlives configuration.
 * A push changes the former and reconfigures the latter; nothing forgets because somebody pushed.
 */
export class ServicePlan {
  readonly name: string
  readonly counters: ServiceCounters
  readonly set: WatchedSet
  readonly budget: RetryBudget
  readonly hedging: Hedging
  readonly outlier: OutlierDetector
  readonly health: ServiceHealth
  snapshot: ServiceSnapshot
  policy: Policy
  /** What its calls go by; another object after a push, so that calls under way keep theirs. */
  callPolicy: CallPolicy
  readonly balancing: ServiceBalancing
  /** Whom its calls choose among. */
  readonly choices: Choices
  /** Asked in this order; settled in the reverse one. */
  gates: readonly Gate[]
  /** Breaker, limits, faults, fallback, policies. */
  readonly protections: Protections
  /** False once the service left the configuration: its names stay ours. */
  present = true
  private readonly context: ServiceContext
  private readonly named: NamedEndpoints
  private readonly changes: EndpointChanges
  private readonly standingIn: StandingIn
  private readonly former = new Map<string, ServedName>()

  /** @param name how it is called in events, errors and stats */
  constructor(name: string, snapshot: ServiceSnapshot, context: ServiceContext) {
    const { policy } = snapshot
    const { time, random } = context
    this.name = name
    this.context = context
    this.snapshot = snapshot
    this.policy = policy
    this.counters = new ServiceCounters()
    this.budget = new RetryBudget(policy.retry, time.now)
    this.hedging = new Hedging(policy.hedge, this.budget, time.now)
    this.set = new WatchedSet(policy, random, context.ground)
    const news = new EndpointNews(name, context)
    this.outlier = new OutlierDetector(policy.outlierDetection, this.set, news, time, random)
    this.health = new ServiceHealth(context.monitor, this.checked(news))
    this.health.reconfigure(policy.healthCheck)
    this.protections = new Protections(name, policy, context)
    this.gates = this.protections.gates
    this.callPolicy = this.ownPolicy()
    const busy = (): number => this.protections.connections.busy
    this.balancing = new ServiceBalancing(policy, this.set, context, busy, (id) => isUsable(this.changes.known.get(id), time.now))
    this.standingIn = new StandingIn(time.clock, this.balancing.members, () => this.applyEndpoints(this.named.resolved))
    this.set.onUse = () => this.standingIn.look()
    const from = (): string | undefined => this.from('subsets')
    this.choices = new Choices(policy, { set: this.set, random, time, balancing: this.balancing, protections: this.protections, from })
    this.changes = new EndpointChanges(time, this.endpointsOwner())
    this.named = new NamedEndpoints(context.names, () => this.applyEndpoints(this.named.resolved))
    this.configureEndpoints(endpointsOf(snapshot))
  }

  /** Takes over a new configuration; state stays where its key is the same. */
  apply(snapshot: ServiceSnapshot): void {
    const former = this.snapshot
    const { policy } = snapshot
    if (snapshot.hosts !== former.hosts || snapshot.ports !== former.ports) this.rememberNames(former)
    this.snapshot = snapshot
    this.present = true
    if (snapshot.policy !== former.policy) {
      const { policy: before } = this
      const repart = this.balancing.apply(policy)
      this.policy = policy
      this.budget.reconfigure(policy.retry)
      this.hedging.reconfigure(policy.hedge)
      this.outlier.reconfigure(policy.outlierDetection, this.context.time.now)
      this.health.reconfigure(policy.healthCheck)
      this.protections.apply(policy)
      this.gates = this.protections.gates
      if (!spreadsAlike(policy, before)) this.set.reconfigure(policy)
      this.choices.configure(policy)
      if (repart) this.applyEndpoints(this.named.resolved)
    }
    this.callPolicy = this.ownPolicy()
    if (snapshot.endpoints !== former.endpoints || snapshot.hosts !== former.hosts) this.configureEndpoints(endpointsOf(snapshot))
  }

  /** The service left the configuration. Its names stay ours, and calls to them find no endpoint. */
  remove(): void {
    this.present = false
    this.snapshot = { ...this.snapshot, endpoints: [] }
    this.configureEndpoints([])
    this.catchUp()
  }

  /** Names it answered to once. They stay ours: what was meant for it must never go out in clear text to whatever DNS finds. */
  formerNames(): Iterable<ServedName> {
    return this.former.values()
  }

  /** Why there is none for a call to choose, who says so, and what those hear of it that judge calls. */
  noEndpoint(call: Call, colour: string | undefined, choice: Choice): { why: { reason: string; from?: string }; outcome: Outcome } {
    const why = this.present && this.set.usable.length > 0 ? whyNobody(choice, call, colour) : undefined
    return why === undefined ? { why: { reason: this.whyEmpty() }, outcome: NO_ENDPOINT } : { why, outcome: NOBODY_CHOSEN }
  }

  /** Its endpoints by colour, where it has lanes. */
  get lanes(): Lanes | undefined {
    return this.choices.lanes
  }

  /** No call can be sent yet, because names are being resolved for the first time, or what calls are hashed with is being loaded. */
  get resolving(): boolean {
    return this.named.pending || this.balancing.pending
  }

  /** Calls back once names were resolved, or could not be. */
  whenResolved(then: () => void): void {
    this.named.whenSettled(() => this.balancing.whenSettled(then))
  }

  get balancer(): Balancer {
    return this.balancing.balancer
  }

  /** A try found that nobody can be connected at `endpoint`. */
  unreachable(endpoint: Endpoint, now: number): void {
    endpoint.connectFailedAt = now
    this.named.unreachable(endpoint.id)
    this.context.unreachable(endpoint)
  }

  /** Every endpoint that has state here; those that calls went to for a minute after they left. */
  endpoints(): Iterable<Endpoint> {
    return this.changes.known.values()
  }

  /** Newer endpoints are known than calls choose among. */
  get changing(): boolean {
    return this.changes.pending
  }

  /** Applies at once what is configured and was put off, for somebody who looks. */
  catchUp(): void {
    this.changes.finish()
  }

  /** Ends what waits for its time. */
  close(): void {
    this.changes.close()
    this.standingIn.close()
  }

  /** The resource that wrote `section` of the policy, or the endpoints, or the service; as errors print it. */
  from(section: string): string | undefined {
    const provenance = this.snapshot.from[section]
    return provenance === undefined ? undefined : formatProvenance(provenance)
  }

  /** The resource behind a gate. */
  gateFrom(gate: Gate): string {
    return this.protections.from(gate, this.snapshot.from)
  }

  get breaker(): CircuitBreaker | undefined {
    return this.protections.breaker
  }

  /** The rules over source and target that concern calls to this service changed. */
  applyPolicies(gate: PolicyGate | undefined): void {
    this.protections.applyPolicies(gate)
    this.gates = this.protections.gates
  }

  private whyEmpty(): string {
    if (!this.present) return 'the service was removed'
    if (this.set.failing) return 'panic: fewer endpoints are usable than panicPercent asks for, and failTrafficOnPanic is on'
    if (this.set.all.length > 0) return 'every endpoint is ejected or unhealthy, and panicPercent is 0'
    return this.named.failure ?? this.snapshot.because ?? 'no endpoint is configured'
  }

  private ownPolicy(): CallPolicy {
    const { policy, budget, hedging, context, protections, snapshot } = this
    const { fault, fallback } = protections
    return servicePolicy({ policy, from: snapshot.from, budget, hedging, random: context.random, fault, fallback })
  }

  private rememberNames(snapshot: ServiceSnapshot): void {
    for (const name of servedNames(snapshot)) this.former.set(`${name.host} ${name.ports.join()}`, name)
    for (const oldest of this.former.keys()) {
      if (this.former.size <= MAX_FORMER_NAMES) break
      this.former.delete(oldest)
    }
  }

  private configureEndpoints(specs: readonly EndpointSpec[]): void {
    this.named.configure(specs)
    this.applyEndpoints(this.named.resolved)
  }

  private applyEndpoints(specs: readonly EndpointSpec[]): void {
    this.changes.apply(specs)
  }

  /** What a change of endpoints means for the rest of the service. */
  private endpointsOwner(): EndpointsOwner {
    const { context, set } = this
    return {
      set,
      part: (specs) => this.balancing.part(specs),
      join: (spec, now) => {
        const endpoint = new Endpoint(this.name, spec)
        // Who joins others starts slowly; those that a service begins with have nobody to leave the load to.
        if (set.all.length > 0) endpoint.warmFrom = now
        return endpoint
      },
      renew: (endpoint, spec) => {
        // The same workload at another address: its history holds, its sockets do not.
        if (endpoint.spec.address !== spec.address) context.released(endpoint)
        endpoint.spec = spec
      },
      replace: (present) => {
        this.balancing.adopted()
        set.replace(present)
        this.standingIn.wait()
        this.outlier.endpointsChanged()
        this.health.endpointsChanged(present)
        this.protections.connections.serve()
      },
      leave: (endpoint) => context.released(endpoint),
    }
  }

  /** What active checks need to know of the service, and whom they tell. */
  private checked(news: EndpointNews): CheckedService {
    const plan = this
    return {
      get hadTraffic() {
        return plan.counters.tries > 0
      },
      request: (endpoint, settings) => probeRequest(plan.snapshot, endpoint, settings),
      setHealth: (endpoint, unhealthy, degraded) => {
        endpoint.healthSince = plan.context.time.read()
        plan.set.setHealth(endpoint, unhealthy, degraded)
      },
      healthChanged: (endpoint, state, reason, source) => news.healthChanged(endpoint, state, reason, source),
      checkPassed: (endpoint, startedAt, now) => plan.outlier.checkPassed(endpoint, startedAt, now),
    }
  }
}

/**
 * Where a service runs: what was configured, or, when nobody said anything about endpoints, its first host by name, on
 * the port of the URL.
 */
function endpointsOf(snapshot: ServiceSnapshot): readonly EndpointSpec[] {
  if (snapshot.from['endpoints'] !== undefined) return snapshot.endpoints
  const named = snapshot.hosts.find((host) => !host.startsWith('*'))
  if (named === undefined) return []
  const { host, port } = splitHost(named)
  return [{ id: named, address: named, host, port: port ?? snapshot.ports[0] ?? 0, weight: 1, priority: 0, locality: {}, metadata: {} }]
}

/** One that nobody knows was never out of use; one that left is out as long as it was said to be. */
function isUsable(endpoint: Endpoint | undefined, now: number): boolean {
  if (endpoint === undefined || !endpoint.out) return true
  return endpoint.removedAt !== undefined && !endpoint.unhealthy && endpoint.ejectedUntil <= now
}

/** Whether calls are spread over priorities and places as before. */
function spreadsAlike(a: Policy, b: Policy): boolean {
  return a.panicPercent === b.panicPercent && isDeepStrictEqual([a.priorities, a.locality], [b.priorities, b.locality])
}

/** Names come from outside: an unlimited memory of them would be a leak. */
const MAX_FORMER_NAMES = 1_000

import type { Balancer } from '../balancing/balancer.ts'
import { createBalancer } from '../balancing/create.ts'
import { EndpointSet } from '../balancing/endpoint-set.ts'
import { Endpoint, type EndpointSpec } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { MeshEvents } from '../model/events.ts'
import { formatProvenance, type Policy } from '../model/resources.ts'
import type { ServiceSnapshot } from '../model/snapshot.ts'
import { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import { OutlierDetector } from '../resilience/outlier-detection.ts'
import { RetryPolicy } from '../resilience/retry.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import { EndpointChanges, type EndpointsOwner } from './endpoint-changes.ts'
import { type ServedName, servedNames, splitHost } from './host.ts'
import { ServiceCounters } from './service-counters.ts'

/** What a plan needs from the mesh it belongs to. */
export interface PlanContext {
  readonly time: TimerWheel
  readonly random: Random
  readonly gates: readonly Gate[]
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
  /** The endpoint is no longer dialled: its connections may close. */
  released(endpoint: Endpoint): void
}

/**
 * One service as it runs: the policy objects that calls meet, and the living state that outlives configuration.
 * A push changes the former and reconfigures the latter; nothing forgets because somebody pushed.
 */
export class ServicePlan {
  readonly name: string
  readonly counters: ServiceCounters
  readonly set: EndpointSet
  readonly budget: RetryBudget
  readonly retry: RetryPolicy
  readonly outlier: OutlierDetector
  snapshot: ServiceSnapshot
  policy: Policy
  balancer: Balancer
  breaker: CircuitBreaker | undefined = undefined
  /** Asked in this order; settled in the reverse one. */
  gates: readonly Gate[] = []
  /** False once the service left the configuration: its names stay ours. */
  present = true
  private readonly context: PlanContext
  private readonly changes: EndpointChanges
  private readonly former = new Map<string, ServedName>()

  /** @param name how it is called in events, errors and stats */
  constructor(name: string, snapshot: ServiceSnapshot, context: PlanContext) {
    const { policy } = snapshot
    const { time, random } = context
    this.name = name
    this.context = context
    this.snapshot = snapshot
    this.policy = policy
    this.counters = new ServiceCounters(time.now)
    this.balancer = createBalancer(policy.balancing.policy, random)
    this.budget = new RetryBudget(policy.retry, time.now)
    this.retry = new RetryPolicy(policy.retry, this.budget, random)
    this.set = new EndpointSet(policy.panicPercent, random)
    this.outlier = new OutlierDetector(policy.outlierDetection, this.set, {
      ejected: (endpoint, detail) => context.emit('endpointEjected', { service: this.name, endpoint: endpoint.address, ...detail }),
      restored: (endpoint, detail) => context.emit('endpointRestored', { service: this.name, endpoint: endpoint.address, ...detail }),
    })
    this.applyBreaker(policy)
    this.changes = new EndpointChanges(time, this.endpointsOwner())
    this.applyEndpoints(endpointsOf(snapshot))
  }

  /** Takes over a new configuration; state stays where its key is the same. */
  apply(snapshot: ServiceSnapshot): void {
    const former = this.snapshot
    const { policy } = snapshot
    if (snapshot.hosts !== former.hosts || snapshot.ports !== former.ports) this.rememberNames(former)
    this.snapshot = snapshot
    this.present = true
    if (snapshot.policy !== former.policy) {
      if (policy.balancing.policy !== this.policy.balancing.policy)
        this.balancer = createBalancer(policy.balancing.policy, this.context.random)
      this.policy = policy
      this.budget.reconfigure(policy.retry)
      this.retry.reconfigure(policy.retry)
      this.set.reconfigure(policy.panicPercent)
      this.outlier.reconfigure(policy.outlierDetection, this.context.time.now)
      this.applyBreaker(policy)
    }
    if (snapshot.endpoints !== former.endpoints || snapshot.hosts !== former.hosts) this.applyEndpoints(endpointsOf(snapshot))
  }

  /** The service left the configuration. Its names stay ours, and calls to them find no endpoint. */
  remove(): void {
    this.present = false
    this.snapshot = { ...this.snapshot, endpoints: [] }
    this.applyEndpoints([])
    this.catchUp()
  }

  /** Names it answered to once. They stay ours: what was meant for it must never go out in clear text to whatever DNS finds. */
  formerNames(): Iterable<ServedName> {
    return this.former.values()
  }

  /** In words, when there is none to choose. */
  get whyNoEndpoint(): string {
    if (!this.present) return 'the service was removed'
    return this.set.all.length === 0 ? 'no endpoint is configured' : 'every endpoint is ejected, and panicPercent is 0'
  }

  /** Every endpoint that has state here; those that calls went to for a minute after they left. */
  endpoints(): Iterable<Endpoint> {
    return this.changes.known.values()
  }

  /** Applies at once what is configured and was put off, for somebody who looks. */
  catchUp(): void {
    this.changes.finish()
  }

  /** Ends what waits for its time. */
  close(): void {
    this.changes.close()
  }

  /** The resource that wrote `section` of the policy, or the endpoints, or the service; as errors print it. */
  from(section: string): string | undefined {
    const provenance = this.snapshot.from[section]
    return provenance === undefined ? undefined : formatProvenance(provenance)
  }

  /** The resource behind a gate. */
  gateFrom(gate: Gate): string {
    return (gate === this.breaker ? this.from('circuitBreaker') : undefined) ?? `options/gates/${gate.name}`
  }

  private rememberNames(snapshot: ServiceSnapshot): void {
    for (const name of servedNames(snapshot)) this.former.set(`${name.host} ${name.ports.join()}`, name)
    for (const oldest of this.former.keys()) {
      if (this.former.size <= MAX_FORMER_NAMES) break
      this.former.delete(oldest)
    }
  }

  private applyBreaker(policy: Policy): void {
    if (policy.circuitBreaker === false) {
      this.breaker = undefined
    } else if (this.breaker === undefined) {
      this.breaker = new CircuitBreaker(this.name, policy.circuitBreaker, this.context.time, {
        opened: (detail) => this.context.emit('circuitOpened', { service: this.name, ...detail }),
        closed: (detail) => this.context.emit('circuitClosed', { service: this.name, ...detail }),
      })
    } else {
      this.breaker.reconfigure(policy.circuitBreaker)
    }
    this.gates = this.breaker === undefined ? this.context.gates : [this.breaker, ...this.context.gates]
  }

  private applyEndpoints(specs: readonly EndpointSpec[]): void {
    this.changes.apply(specs)
  }

  /** What a change of endpoints means for the rest of the service. */
  private endpointsOwner(): EndpointsOwner {
    const { context, set } = this
    return {
      set,
      join: (spec) => new Endpoint(this.name, spec),
      renew: (endpoint, spec) => {
        // The same workload at another address: its history holds, its sockets do not.
        if (endpoint.spec.address !== spec.address) context.released(endpoint)
        endpoint.spec = spec
      },
      replace: (present) => {
        set.replace(present)
        this.outlier.endpointsChanged()
      },
      leave: (endpoint) => context.released(endpoint),
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

/** Names come from outside: an unlimited memory of them would be a leak. */
const MAX_FORMER_NAMES = 1_000

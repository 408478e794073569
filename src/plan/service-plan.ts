import type { Balancer } from '../balancing/balancer.ts'
import { createBalancer } from '../balancing/create.ts'
import { EndpointSet } from '../balancing/endpoint-set.ts'
import { pickWithRoom } from '../balancing/pick-with-room.ts'
import type { Call } from '../core/call.ts'
import { Endpoint, type EndpointSpec } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { MeshEvents } from '../model/events.ts'
import { formatProvenance, type Policy } from '../model/resources.ts'
import type { ServiceSnapshot } from '../model/snapshot.ts'
import type { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import type { PolicyGate } from '../resilience/outbound-policies.ts'
import { OutlierDetector } from '../resilience/outlier-detection.ts'
import { RetryPolicy } from '../resilience/retry.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import { type ServedName, servedNames, splitHost } from './host.ts'
import { Protections } from './protections.ts'
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
  /** Asked in this order; settled in the reverse one. */
  gates: readonly Gate[]
  /** Breaker, limits, faults, fallback, policies. */
  readonly protections: Protections
  /** False once the service left the configuration: its names stay ours. */
  present = true
  private readonly context: PlanContext
  private readonly known = new Map<string, Endpoint>()
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
    this.protections = new Protections(name, policy, context)
    this.gates = this.protections.gates
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
      this.protections.apply(policy)
      this.gates = this.protections.gates
    }
    if (snapshot.endpoints !== former.endpoints || snapshot.hosts !== former.hosts) this.applyEndpoints(endpointsOf(snapshot))
  }

  /** The service left the configuration. Its names stay ours, and calls to them find no endpoint. */
  remove(): void {
    this.present = false
    this.snapshot = { ...this.snapshot, endpoints: [] }
    this.applyEndpoints([])
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

  /** Every endpoint that still has state here, those that left within the last minute included. */
  endpoints(): Iterable<Endpoint> {
    return this.known.values()
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

  /** The endpoint for the next try of `call`; undefined when there is none, or none with room for one more try. */
  pick(call: Call, now: number): Endpoint | undefined {
    const picked = this.set.pick(this.balancer, call, now)
    const { endpointMax } = this.protections
    if (picked === undefined || picked.inflight < endpointMax) return picked
    return pickWithRoom(this.set.usable, call, endpointMax, this.context.random)
  }

  /** Whether some endpoint has room for one more try; true when there are none, which is for the pick to say. */
  get hasRoom(): boolean {
    const { usable } = this.set
    const { endpointMax } = this.protections
    return usable.length === 0 || endpointMax === Number.POSITIVE_INFINITY || usable.some(({ inflight }) => inflight < endpointMax)
  }

  /** Whether every endpoint is full, and nothing but an answer from one of them changes that. */
  get isFull(): boolean {
    const { endpointMaxRequests } = this.protections
    return this.set.usable.every(({ inflight }) => inflight >= endpointMaxRequests)
  }

  private rememberNames(snapshot: ServiceSnapshot): void {
    for (const name of servedNames(snapshot)) this.former.set(`${name.host} ${name.ports.join()}`, name)
    for (const oldest of this.former.keys()) {
      if (this.former.size <= MAX_FORMER_NAMES) break
      this.former.delete(oldest)
    }
  }

  private applyEndpoints(specs: readonly EndpointSpec[]): void {
    const now = this.context.time.read()
    const wanted = new Set<string>()
    const present = specs.map((spec) => {
      wanted.add(spec.id)
      return this.adopt(spec)
    })
    for (const endpoint of this.known.values()) {
      if (wanted.has(endpoint.id)) continue
      if (endpoint.removedAt === undefined) {
        endpoint.removedAt = now
        this.context.released(endpoint)
      } else if (now - endpoint.removedAt > FORGET_AFTER_MS && endpoint.inflight === 0) {
        this.known.delete(endpoint.id)
      }
    }
    this.set.replace(present)
    this.outlier.endpointsChanged()
    this.protections.connections.serve()
  }

  private adopt(spec: EndpointSpec): Endpoint {
    const known = this.known.get(spec.id)
    if (known === undefined) {
      const endpoint = new Endpoint(this.name, spec)
      this.known.set(spec.id, endpoint)
      return endpoint
    }
    // The same workload at another address: its history holds, its sockets do not.
    if (known.spec.address !== spec.address) this.context.released(known)
    known.spec = spec
    known.removedAt = undefined
    return known
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

/** How long the state of an endpoint that left is kept, in case it comes back. */
const FORGET_AFTER_MS = 60_000

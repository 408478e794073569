import type { Described } from '../core/described.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { MeshEvents } from '../model/events.ts'
import { formatProvenance, type LimitSettings, type Policy, type Provenance } from '../model/resources.ts'
import { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import { ConnectionLimit } from '../resilience/connection-limit.ts'
import { Fallback } from '../resilience/fallback.ts'
import { FaultInjector } from '../resilience/fault.ts'
import type { PolicyGate } from '../resilience/outbound-policies.ts'
import { RateLimit } from '../resilience/rate-limit.ts'
import { RequestLimit, ResendLimit } from '../resilience/request-limit.ts'
import { OverloadGates } from './overload-gates.ts'

/** What protections need from the mesh. */
export interface ProtectionContext {
  readonly time: TimerWheel
  readonly random: Random
  /** Further gates, asked last. */
  readonly gates: readonly Gate[]
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/**
 * What stands before and around the calls of one service: breaker, limits, rate limit, faults, fallback, policies. Each is made
 * when its section first appears and reconfigured from then on; one that is switched off leaves the list of gates and keeps what
 * it knows.
 */
export class Protections {
  /** Asked in this order; settled in the reverse one. */
  gates: readonly Gate[] = []
  breaker: CircuitBreaker | undefined = undefined
  requests: RequestLimit | undefined = undefined
  rate: RateLimit | undefined = undefined
  fault: FaultInjector | undefined = undefined
  fallback: Fallback | undefined = undefined
  policies: PolicyGate | undefined = undefined
  /** Throttle and adaptive limit. */
  readonly overload: OverloadGates
  readonly connections: ConnectionLimit
  readonly resends = new ResendLimit()
  /** Most tries in flight at one endpoint: the bound that refuses where that of its connections waits. */
  endpointMaxRequests = Number.POSITIVE_INFINITY
  private readonly service: string
  private readonly context: ProtectionContext
  /** What was made once, whether it is switched on now or not. */
  private readonly made: { requests?: RequestLimit; rate?: RateLimit } = {}
  private policy: Policy

  constructor(service: string, policy: Policy, context: ProtectionContext) {
    this.service = service
    this.context = context
    this.policy = policy
    this.connections = new ConnectionLimit(context.time)
    this.overload = new OverloadGates(service, context.time, context.random)
    this.apply(policy)
  }

  apply(policy: Policy): void {
    this.policy = policy
    this.applyBreaker(policy)
    this.applyLimits(policy)
    this.applyRate(policy)
    this.overload.apply(policy)
    const { fault, fallback } = policy
    this.fault = fault === false ? undefined : new FaultInjector(fault, this.context.random)
    this.fallback = fallback === false ? undefined : new Fallback(fallback)
    this.list()
  }

  applyPolicies(gate: PolicyGate | undefined): void {
    this.policies = gate
    this.list()
  }

  /** What was turned away so far, by limits that are switched off now too. */
  get refused(): { maxRequests: number; maxPending: number; perEndpoint: number; maxRetries: number; rate: number } {
    const { made, connections, resends } = this
    return {
      maxRequests: made.requests?.refusals ?? 0,
      maxPending: connections.pendingRefusals,
      perEndpoint: connections.endpointRefusals,
      maxRetries: resends.refusals,
      rate: made.rate?.refusals ?? 0,
    }
  }

  /** The resource behind a gate. */
  from(gate: Gate, sections: Readonly<Record<string, Provenance>>): string {
    const { section } = gate
    const provenance = section === undefined ? undefined : sections[section]
    return provenance === undefined ? `options/gates/${gate.name}` : formatProvenance(provenance)
  }

  /** What may hold a call up after the gates, in the order in which it meets them; only what is switched on. */
  get steps(): readonly Described[] {
    const { policy, connections, resends } = this
    if (policy.limits === false) return []
    const { maxConnections, perEndpoint, maxRetries } = policy.limits
    const bounded = maxConnections !== undefined || perEndpoint?.maxConnections !== undefined
    return [...(bounded ? [connections] : []), ...(maxRetries === undefined ? [] : [resends])]
  }

  /** Whether the limits leave room for one more try at `endpoint`. */
  readonly hasRoom = (endpoint: Endpoint): boolean => endpoint.inflight < this.endpointMaxRequests && this.connections.roomAt(endpoint)

  private list(): void {
    const own = [this.policies, this.breaker, ...this.overload.gates, this.requests, this.rate].filter((gate) => gate !== undefined)
    this.gates = own.length === 0 ? this.context.gates : [...own, ...this.context.gates]
  }

  private applyBreaker({ circuitBreaker }: Policy): void {
    const { service, context } = this
    if (circuitBreaker === false) {
      this.breaker = undefined
    } else if (this.breaker === undefined) {
      this.breaker = new CircuitBreaker(service, circuitBreaker, context.time, {
        opened: (detail) => context.emit('circuitOpened', { service, ...detail }),
        closed: (detail) => context.emit('circuitClosed', { service, ...detail }),
      })
    } else {
      this.breaker.reconfigure(circuitBreaker)
    }
  }

  private applyLimits({ limits }: Policy): void {
    const written = limits || NO_LIMITS
    const { maxRequests, maxRetries = Number.POSITIVE_INFINITY, perEndpoint = {} } = written
    this.resends.max = maxRetries
    this.endpointMaxRequests = perEndpoint.maxRequests ?? Number.POSITIVE_INFINITY
    this.connections.reconfigure(written)
    if (maxRequests === undefined) {
      this.requests = undefined
      return
    }
    this.made.requests ??= new RequestLimit(this.service, maxRequests)
    this.requests = this.made.requests
    this.requests.reconfigure(maxRequests)
  }

  private applyRate({ rateLimit }: Policy): void {
    if (rateLimit === false) {
      this.rate = undefined
      return
    }
    this.made.rate ??= new RateLimit(this.service, rateLimit, this.context.time)
    this.rate = this.made.rate
    this.rate.reconfigure(rateLimit)
  }
}

const NO_LIMITS: LimitSettings = Object.freeze({})

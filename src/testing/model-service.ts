import type { Balancer } from '../balancing/balancer.ts'
import { createBalancer } from '../balancing/create.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { CallerZone } from '../balancing/spread/zone-routing.ts'
import { subsetSeed } from '../balancing/subset-score.ts'
import type { XxHash64 } from '../balancing/xxhash64.ts'
import type { Clock } from '../core/clock.ts'
import { Endpoint, type Locality } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { Policy } from '../model/resources.ts'
import { WatchedSet } from '../plan/watched-set.ts'
import { AdaptiveConcurrency } from '../resilience/adaptive-concurrency.ts'
import { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import type { OutlierListener } from '../resilience/ejections.ts'
import { HedgePolicy } from '../resilience/hedge.ts'
import { HedgeBudget } from '../resilience/hedge-budget.ts'
import { OutlierDetector } from '../resilience/outlier-detection.ts'
import { RetryPolicy } from '../resilience/retry.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import { Throttle } from '../resilience/throttle.ts'
import { TryTimes } from '../resilience/try-times.ts'
import { type CallEnd, type CalledService, ModelCall, type ModelCallOptions } from './model-call.ts'
import type { ModelServer, ServedRequest } from './model-server.ts'
import { ModelSubset } from './model-subset.ts'

/** Where a modelled endpoint stands among the others. */
export interface EndpointPlace {
  /** Default 0. */
  readonly priority?: number
  readonly locality?: Locality
}

/** What a {@link ModelService} is made of. */
export interface ModelServiceParts {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly policy: Policy
  /** One for each endpoint. */
  readonly servers: readonly ModelServer[]
  /** Priority and locality of each, where they count. */
  readonly places?: readonly EndpointPlace[]
  /** Where the process that calls runs. Default: nowhere, and zones do not count. */
  readonly locality?: Locality | undefined
  /** Where all processes of its service run; without it zone-aware calls take them to be spread evenly. */
  readonly callers?: readonly CallerZone[] | undefined
  readonly listener?: OutlierListener
  /** Needed by `ring-hash` and `maglev`: see `loadXxHash64` of `inmesh/balancing`. */
  readonly hash?: XxHash64 | undefined
}

/**
 * A service as one process calls it, in memory: the very objects that decide in a mesh (endpoint set, balancer, outlier detection,
 * breaker, retry policy and budget), with modelled endpoints behind them. It is itself a modelled server, so that chains can be built.
 */
export class ModelService implements CalledService, ModelServer {
  readonly name: string
  readonly clock: Clock
  readonly policy: Policy
  readonly endpoints: readonly Endpoint[]
  readonly set: EndpointSet
  readonly balancer: Balancer
  readonly outlier: OutlierDetector
  /** Undefined when the policy switches it off. */
  readonly breaker: CircuitBreaker | undefined
  /** Undefined unless the policy switches them on. */
  readonly throttle: Throttle | undefined
  readonly adaptive: AdaptiveConcurrency | undefined
  readonly gates: readonly Gate[]
  readonly budget: RetryBudget
  readonly retry: RetryPolicy
  /** Undefined where the policy does not hedge. */
  readonly hedge: HedgePolicy | undefined
  calls = 0
  tries = 0
  private readonly servers: ReadonlyMap<Endpoint, ModelServer>

  constructor(parts: ModelServiceParts) {
    const { name, clock, random, policy, servers, listener = SILENT, hash, places = [], locality = {}, callers } = parts

    const now = clock.now()
    this.name = name
    this.clock = clock
    this.policy = policy
    this.endpoints = servers.map((_, index) => modelEndpoint(name, index, places[index]))
    this.servers = new Map(this.endpoints.map((endpoint, index) => [endpoint, servers[index] as ModelServer]))
    const set = new WatchedSet(policy, random, { own: locality, callers: () => callers })
    this.set = set
    set.replace(this.endpoints)
    const { policy: balancing, session: _, ...rest } = policy.balancing
    this.balancer = createBalancer(balancing, random, hash === undefined ? rest : { ...rest, hash })
    this.outlier = new OutlierDetector(policy.outlierDetection, this.set, listener, undefined, random)
    if (typeof policy.subset === 'object') {
      const seed = subsetSeed(name, Math.floor(random() * 0x1_0000_0000))
      const changed = (): void => this.outlier.endpointsChanged()
      new ModelSubset({ clock, size: policy.subset.size, seed, endpoints: this.endpoints, set, changed })
    }
    const time = {
      get now() {
        return clock.now()
      },
    }
    this.breaker = policy.circuitBreaker === false ? undefined : new CircuitBreaker(name, policy.circuitBreaker, time, DEAF)
    const { throttle, adaptiveConcurrency } = policy
    this.throttle = throttle === false ? undefined : new Throttle(name, throttle, time, random)
    this.adaptive = adaptiveConcurrency === false ? undefined : new AdaptiveConcurrency(name, adaptiveConcurrency, { time, random })
    this.gates = [this.breaker, this.throttle, this.adaptive].filter((gate) => gate !== undefined)
    this.budget = new RetryBudget(policy.retry, now)
    this.retry = new RetryPolicy(policy.retry, this.budget, random)
    const { hedge } = policy
    this.hedge =
      hedge === false ? undefined : new HedgePolicy(hedge, new TryTimes(), new HedgeBudget(hedge.extraLoadPercent, this.budget, now))
  }

  /** One logical call; `done` hears how it ended, in virtual time. */
  call(options: ModelCallOptions, done: (end: CallEnd) => void): void {
    this.calls++
    new ModelCall(this, options, done).begin()
  }

  /** As a layer of a chain: an application that makes one call for each request, and says with 503 or 504 that it had no answer. */
  serve({ deadline, idempotent }: ServedRequest, answer: (reply: { status: number; retried: boolean }) => void): void {
    this.call({ deadline, idempotent }, ({ status, code, retried }) =>
      answer({ status: status > 0 ? status : code === 'MESH_DEADLINE' ? 504 : 503, retried }),
    )
  }

  serverOf(endpoint: Endpoint): ModelServer {
    return this.servers.get(endpoint) as ModelServer
  }
}

function modelEndpoint(service: string, index: number, { priority = 0, locality = {} }: EndpointPlace = {}): Endpoint {
  const host = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`
  const address = `${host}:80`
  return new Endpoint(service, { id: address, address, host, port: 80, weight: 1, priority, locality, metadata: {} })
}

const SILENT: OutlierListener = Object.freeze({ ejected() {}, restored() {} })
const DEAF = Object.freeze({ opened() {}, closed() {} })

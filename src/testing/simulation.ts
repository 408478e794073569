import type { XxHash64 } from '../balancing/xxhash64.ts'
import type { Endpoint, Locality } from '../core/endpoint.ts'
import { type Random, seededRandom } from '../core/random.ts'
import type { PolicyOptions } from '../model/options.ts'
import type { CallEnd } from './model-call.ts'
import { modelPolicy } from './model-policy.ts'
import { MemoryServer } from './model-server.ts'
import { type EndpointPlace, ModelService } from './model-service.ts'
import type { Profile } from './profiles.ts'
import { type Ejection, report, type SimulationReport } from './simulation-report.ts'
import { VirtualClock } from './virtual-clock.ts'

/** One endpoint of a simulation. */
export interface SimulatedEndpoint extends EndpointPlace {
  readonly profile: Profile
  /** Whether it ought to be ejected, at a virtual time: what false and missed ejections are counted by. Default: never. */
  readonly bad?: boolean | ((now: number) => boolean)
}

/** What is simulated. */
export interface SimulationOptions {
  readonly endpoints: readonly SimulatedEndpoint[]
  /** Calls a second, of all clients together. */
  readonly perSecond: number
  /** Virtual milliseconds in which calls begin; those under way then are carried to their end. */
  readonly forMs: number
  /** How the service is called, as for `createMesh`; fixed limits, faults, fallbacks, health checks and TLS are not modelled and are refused. Of `subset` a size counts: without one every process uses all endpoints, however many. */
  readonly policy?: PolicyOptions
  /** Processes that call, each with policies of its own. Default 1. */
  readonly clients?: number
  /** Where they run, in turn; this is what zones go by. Default: nowhere. */
  readonly localities?: readonly Locality[]
  /** Whether they know of each other where they run. Default: they do not, and take each other to be spread evenly. */
  readonly knowEachOther?: boolean
  /** Default 1. The same seed gives the same result, to the last digit. */
  readonly seed?: number
  /** Calls begin at random (a Poisson process) or evenly. Default random. */
  readonly arrivals?: 'random' | 'even'
  /** Default true. */
  readonly idempotent?: boolean
  /** How many keys the calls have, for balancers that hash. Default: none. */
  readonly keys?: number
  /** Needed by `ring-hash` and `maglev`: `await loadXxHash64()`. */
  readonly hash?: XxHash64
}

/**
 * Runs the policies of a mesh against endpoints that exist in memory, in virtual time: what hours of real load would show is known in
 * seconds. Only the endpoints and the network are modelled; what decides is the code that decides in production.
 * @throws MeshError `MESH_CONFIG` for a policy that `createMesh` would refuse
 */
export function simulate(options: SimulationOptions): SimulationReport {
  const { endpoints, clients = 1, seed = 1, forMs, idempotent = true, keys, localities = [], knowEachOther = false } = options
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const policy = modelPolicy(options.policy ?? {})
  const servers = endpoints.map(({ profile }) => new MemoryServer(profile, clock, random))
  const ejections: Ejection[] = []
  const detections: Ejection[] = []
  const callers = Array.from({ length: clients }, (_, client) => {
    const service: ModelService = new ModelService({
      name: 'simulated',
      clock,
      random,
      policy,
      servers,
      places: endpoints,
      locality: localities[client % localities.length],
      callers: knowEachOther
        ? Array.from({ length: clients }, (_each, index) => ({ locality: localities[index % localities.length] ?? {}, count: 1 }))
        : undefined,
      hash: options.hash,
      listener: {
        ejected: (endpoint, { reason }) => void ejections.push(noted(service, endpoint, reason)),
        detected: (endpoint, { reason }) => void detections.push(noted(service, endpoint, reason)),
        restored() {},
      },
    })
    const noted = ({ endpoints: known }: ModelService, endpoint: Endpoint, reason: string): Ejection => {
      const index = known.indexOf(endpoint)
      return { at: clock.now(), client, endpoint: index, reason, wrong: !isBad(endpoints[index], clock.now()) }
    }
    return service
  })
  const ends: CallEnd[] = []
  arrive(options, clock, random, () => {
    const caller = callers[clients === 1 ? 0 : Math.floor(random() * clients)] as ModelService
    const hashKey = keys === undefined ? undefined : `key-${Math.floor(random() * keys)}`
    caller.call({ idempotent, hashKey }, (end) => ends.push(end))
  })
  clock.advance(forMs)
  // No call outlives its own deadline, and none begins any more.
  clock.advance(policy.timeouts.timeoutMs ?? policy.timeouts.headTimeoutMs)
  const requests = servers.map((server) => server.requests)
  const bad = endpoints.flatMap((endpoint, index) => (endpoint.bad === undefined || endpoint.bad === false ? [] : [index]))
  return report({ ends, requests, ejections, detections, bad })
}

/** Lets calls begin for the length of the simulation. */
function arrive(
  { perSecond, forMs, arrivals = 'random' }: SimulationOptions,
  clock: VirtualClock,
  random: Random,
  begin: () => void,
): void {
  const gap = (): number => (1_000 / perSecond) * (arrivals === 'even' ? 1 : -Math.log(1 - random()))
  const next = (): void => {
    if (clock.now() >= forMs) return
    begin()
    clock.setTimer(next, gap())
  }
  clock.setTimer(next, gap())
}

function isBad(endpoint: SimulatedEndpoint | undefined, now: number): boolean {
  return typeof endpoint?.bad === 'function' ? endpoint.bad(now) : endpoint?.bad === true
}

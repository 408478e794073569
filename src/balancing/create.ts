import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { BalancingSettings } from '../model/balancing.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { BalancingPolicy } from '../model/names.ts'
import type { Balancer } from './balancer.ts'
import { BoundedLoad } from './bounded-load.ts'
import { type ConsistentHashParts, Maglev, RingHash } from './consistent-hash.ts'
import { HashPolicy } from './hash-policy.ts'
import { LeastRequest } from './least-request.ts'
import { LoadWeights } from './load-weights.ts'
import { PeakEwma } from './peak-ewma.ts'
import { RandomBalancer } from './random.ts'
import { ReportedRoundRobin } from './reported-round-robin.ts'
import { RoundRobin } from './round-robin.ts'
import { SlowStart } from './slow-start.ts'
import { WeightedRoundRobin } from './weighted-round-robin.ts'
import type { XxHash64 } from './xxhash64.ts'

/** How a balancer differs from the default one of its policy, and what those that hash need. */
export interface BalancerOptions extends Partial<Omit<BalancingSettings, 'policy' | 'session'>> {
  /** Needed by `ring-hash` and `maglev`: see `loadXxHash64`. */
  readonly hash?: XxHash64
  /** Who calls, for hashing by source. */
  readonly source?: string
  /** Lets large tables be built in slices of 5 ms. */
  readonly clock?: Pick<Clock, 'now' | 'afterPoll'>
  /** Tries under way at all endpoints together; counted for every call when nobody says. For bounded load. */
  readonly active?: () => number
}

/** Whether calls of one key go to one endpoint under `policy`, for which it needs a hash. */
export function isHashing(policy: BalancingPolicy): boolean {
  return policy === 'ring-hash' || policy === 'maglev'
}

/**
 * The balancer that configuration names. `random`, `ring-hash` and `maglev` start nobody slowly.
 * @throws TypeError when one that hashes is given no hash
 */
export function createBalancer(policy: BalancingPolicy, random: Random, options: BalancerOptions = {}): Balancer {
  const { slowStart, loadReports, peakEwma, ringHash, maglev } = { ...DEFAULT_POLICY.balancing, ...options }
  const slowly = slowStart === false ? undefined : new SlowStart(slowStart)
  switch (policy) {
    case 'round-robin':
      return new RoundRobin(random, slowly)
    case 'weighted-round-robin':
      return loadReports === false
        ? new WeightedRoundRobin(random, slowly)
        : new ReportedRoundRobin(random, new LoadWeights(loadReports), loadReports.updateMs, slowly)
    case 'random':
      return new RandomBalancer(random)
    case 'least-request':
      return new LeastRequest(random, slowly)
    case 'peak-ewma':
      return new PeakEwma(random, slowly, peakEwma.decayMs)
    case 'ring-hash':
      return new RingHash(partsOf(random, options), ringHash)
    case 'maglev':
      return new Maglev(partsOf(random, options), maglev.tableSize)
  }
}

function partsOf(
  random: Random,
  { hash, hashOn = [], boundedLoad = false, source = '', clock, active }: BalancerOptions,
): ConsistentHashParts {
  if (hash === undefined) throw new TypeError('a balancer that hashes needs options.hash, which loadXxHash64() gives')
  return {
    hash,
    policy: new HashPolicy(hash, hashOn, random, source),
    bounded: boundedLoad === false ? undefined : new BoundedLoad(boundedLoad, active),
    clock,
  }
}

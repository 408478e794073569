import type { Random } from '../core/random.ts'
import type { BalancingPolicy } from '../model/names.ts'
import type { Balancer } from './balancer.ts'
import { LeastRequest } from './least-request.ts'
import { RandomBalancer } from './random.ts'
import { RoundRobin } from './round-robin.ts'
import { SlowStart, type SlowStartSettings } from './slow-start.ts'
import { WeightedRoundRobin } from './weighted-round-robin.ts'

/** The balancer that configuration names. `random` starts nobody slowly: it has no weights. */
export function createBalancer(policy: BalancingPolicy, random: Random, slowStart: SlowStartSettings | false = false): Balancer {
  const slowly = slowStart === false ? undefined : new SlowStart(slowStart)
  switch (policy) {
    case 'round-robin':
      return new RoundRobin(random, slowly)
    case 'weighted-round-robin':
      return new WeightedRoundRobin(random, slowly)
    case 'random':
      return new RandomBalancer(random)
    case 'least-request':
      return new LeastRequest(random, slowly)
  }
}

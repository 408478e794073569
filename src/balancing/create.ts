import type { Random } from '../core/random.ts'
import type { BalancingPolicy } from '../model/names.ts'
import type { Balancer } from './balancer.ts'
import { LeastRequest } from './least-request.ts'
import { RandomBalancer } from './random.ts'
import { RoundRobin } from './round-robin.ts'

/** The balancer that configuration names. */
export function createBalancer(policy: BalancingPolicy, random: Random): Balancer {
  switch (policy) {
    case 'round-robin':
      return new RoundRobin(random)
    case 'random':
      return new RandomBalancer(random)
    case 'least-request':
      return new LeastRequest(random)
  }
}

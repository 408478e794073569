import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'

/** Each with the same chance, whatever went before and whatever their weights. */
export class RandomBalancer implements Balancer {
  readonly name = 'random'
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  pick(candidates: readonly Endpoint[]): Endpoint | undefined {
    return candidates[Math.floor(this.random() * candidates.length)]
  }

  shares(candidates: readonly Endpoint[]): number[] {
    return candidates.map(() => 1 / candidates.length)
  }
}

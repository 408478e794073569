import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'

/**
 * The less loaded of two endpoints drawn at random (power of two choices): nearly as even as knowing them all, at the same
 * price for 10 and for 10,000. Load is tries under way ÷ weight. The two are distinct, where Envoy draws with replacement.
 */
export class LeastRequest implements Balancer {
  readonly name = 'least-request'
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  pick(candidates: readonly Endpoint[]): Endpoint | undefined {
    const { length } = candidates
    if (length < 2) return candidates[0]
    const first = Math.floor(this.random() * length)
    let second = Math.floor(this.random() * (length - 1))
    if (second >= first) second++
    const a = candidates[first] as Endpoint
    const b = candidates[second] as Endpoint
    // Multiplied crosswise instead of divided: exact for whole weights.
    return (a.inflight + 1) * b.spec.weight <= (b.inflight + 1) * a.spec.weight ? a : b
  }
}

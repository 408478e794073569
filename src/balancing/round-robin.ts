import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'

/** One after the other, whatever their weights. It starts at a random place, so that processes started together do not march in step. */
export class RoundRobin implements Balancer {
  readonly name = 'round-robin'
  private next: number

  constructor(random: Random) {
    this.next = Math.floor(random() * 0x7fff_ffff)
  }

  pick(candidates: readonly Endpoint[]): Endpoint | undefined {
    const picked = candidates[this.next % candidates.length]
    this.next = this.next === Number.MAX_SAFE_INTEGER ? 0 : this.next + 1
    return picked
  }
}

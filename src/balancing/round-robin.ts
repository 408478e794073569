import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'

/** One after the other, whatever their weights. It starts at a random place, so that processes started together do not march in step. */
export class RoundRobin implements Balancer {
  readonly name = 'round-robin'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private next: number

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.slowStart = slowStart
    this.next = Math.floor(random() * 0x7fff_ffff)
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    const picked = this.take(candidates)
    if (this.slowStart === undefined || picked === undefined || call === undefined) return picked
    return this.warm(picked, candidates, this.slowStart, call.startedAt)
  }

  /** Of many calls; who is passed over while cold leaves his turn to whoever comes next, so those shares are nobody's own. */
  shares(candidates: readonly Endpoint[], now: number): number[] | undefined {
    const { slowStart } = this
    if (slowStart !== undefined && candidates.some((each) => slowStart.share(each, now) < 1)) return undefined
    return candidates.map(() => 1 / candidates.length)
  }

  another(): RoundRobin {
    return new RoundRobin(this.random, this.slowStart)
  }

  private take(candidates: readonly Endpoint[]): Endpoint | undefined {
    const picked = candidates[this.next % candidates.length]
    this.next = this.next === Number.MAX_SAFE_INTEGER ? 0 : this.next + 1
    return picked
  }

  /** Passes a cold endpoint over as often as its share says; once around at most, for all may be cold. */
  private warm(picked: Endpoint, candidates: readonly Endpoint[], slowStart: SlowStart, now: number): Endpoint {
    let endpoint = picked
    for (let step = 1; step < candidates.length && step < MAX_STEPS; step++) {
      const share = slowStart.share(endpoint, now)
      if (share === 1 || this.random() < share) break
      endpoint = this.take(candidates) as Endpoint
    }
    return endpoint
  }
}

const MAX_STEPS = 64

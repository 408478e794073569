import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { MersenneTwister } from './mersenne-twister.ts'

/**
 * Consistent hashing with bounded load, as in Envoy: an endpoint may have under way `factor` times its part of what all have. What
 * is too much goes to another one, found in an order that the key decides, so that calls of one key stay together. A look at a few
 * endpoints mostly; at all of them when all are full.
 */
export class BoundedLoad {
  private readonly percent: number
  private readonly active: (() => number) | undefined
  private readonly random = new MersenneTwister()
  /** A permutation that is undone after each use: making one per call would cost as much as the service has endpoints. */
  private order = new Uint32Array(0)
  private weighed: readonly Endpoint[] | undefined = undefined
  private weight = 0

  /** @param active tries under way at all endpoints together; counted anew for every call when nobody says */
  constructor(factor: number, active?: () => number) {
    this.percent = Math.round(factor * 100)
    this.active = active
  }

  /** The same bound for a part of the endpoints, which counts what is under way there. */
  another(): BoundedLoad {
    return new BoundedLoad(this.percent / 100)
  }

  /** `chosen`, or the first of the others that has room, or the least full of all. `lo` is the lower half of the call's hash. */
  pick(chosen: Endpoint, candidates: readonly Endpoint[], lo: number, call: Call): Endpoint {
    if (this.weighed !== candidates) {
      this.weighed = candidates
      this.weight = candidates.reduce((sum, { spec }) => sum + spec.weight, 0)
    }
    const active = this.active?.() ?? candidates.reduce((sum, { inflight }) => sum + inflight, 0)
    const slots = Math.floor(((active + 1) * this.percent + 99) / 100)
    const load = this.loadOf(chosen, slots)
    return load <= 1 ? chosen : this.pickOther(chosen, load, candidates, slots, lo, call)
  }

  private pickOther(chosen: Endpoint, load: number, candidates: readonly Endpoint[], slots: number, lo: number, call: Call): Endpoint {
    const { random } = this
    const { length } = candidates
    if (this.order.length !== length) this.order = Uint32Array.from(candidates, (_, index) => index)
    const { order } = this
    const swapped: number[] = []
    let best = chosen
    let least = load
    random.seed(lo)
    for (let index = 0; index < length; index++) {
      const other = index + uniform(random, length - index)
      const place = order[other] as number
      order[other] = order[index] as number
      order[index] = place
      swapped.push(other)
      const candidate = candidates[place] as Endpoint
      if (candidate === chosen || (call.tries > 0 && call.hasTried(candidate))) continue
      const its = this.loadOf(candidate, slots)
      if (its < least) {
        best = candidate
        least = its
      }
      if (its <= 1) break
    }
    for (let index = swapped.length - 1; index >= 0; index--) {
      const other = swapped[index] as number
      const place = order[other] as number
      order[other] = order[index] as number
      order[index] = place
    }
    return best
  }

  /** Above 1: too much. */
  private loadOf({ inflight, spec }: Endpoint, slots: number): number {
    return inflight / Math.max(1, Math.ceil(slots * (spec.weight / this.weight)))
  }
}

/** A whole number below `bound`, drawn as Envoy draws it. */
function uniform(random: MersenneTwister, bound: number): number {
  const divisor = Math.floor(0x1_0000_0000 / bound)
  for (;;) {
    const drawn = Math.floor(random.next() / divisor)
    if (drawn < bound) return drawn
  }
}

import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import { AliasDraw } from './alias-draw.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'

/**
 * The less loaded of two endpoints drawn at random (power of two choices): nearly as even as knowing them all, at the same
 * price for 10 and for 10,000. Load is tries under way ÷ weight. The two are distinct, where Envoy draws with replacement.
 *
 * Where weights differ, the draw follows them and load decides among what was drawn: with little traffic, when nobody has anything
 * under way, the draw alone keeps the shares.
 */
export class LeastRequest implements Balancer {
  readonly name = 'least-request'
  private readonly random: Random
  private readonly weighted: AliasDraw
  private readonly slowStart: SlowStart | undefined

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.weighted = new AliasDraw(random)
    this.slowStart = slowStart
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    const { length } = candidates
    if (length < 2) return candidates[0]
    if (this.slowStart !== undefined && call !== undefined) return this.pickWarm(candidates, this.slowStart, call.startedAt)
    if (!this.weighted.even(candidates)) return this.pickWeighted(candidates)
    const first = Math.floor(this.random() * length)
    let second = Math.floor(this.random() * (length - 1))
    if (second >= first) second++
    const a = candidates[first] as Endpoint
    const b = candidates[second] as Endpoint
    return a.inflight <= b.inflight ? a : b
  }

  private pickWeighted(candidates: readonly Endpoint[]): Endpoint {
    const first = this.weighted.draw(candidates)
    let second = this.weighted.draw(candidates)
    for (let again = 0; second === first && again < MAX_DRAWS; again++) second = this.weighted.draw(candidates)
    const a = candidates[first] as Endpoint
    const b = candidates[second] as Endpoint
    // Multiplied crosswise instead of divided: exact for whole weights.
    return a.inflight * b.spec.weight <= b.inflight * a.spec.weight ? a : b
  }

  private pickWarm(candidates: readonly Endpoint[], slowStart: SlowStart, now: number): Endpoint {
    const a = this.drawWarm(candidates, slowStart, now)
    const b = this.drawWarm(candidates, slowStart, now)
    const weightA = a.spec.weight * slowStart.share(a, now)
    const weightB = b.spec.weight * slowStart.share(b, now)
    return a.inflight * weightB <= b.inflight * weightA ? a : b
  }

  /** A draw by weight that gives the cold up in proportion to what they lack. */
  private drawWarm(candidates: readonly Endpoint[], slowStart: SlowStart, now: number): Endpoint {
    let drawn = candidates[this.weighted.draw(candidates)] as Endpoint
    for (let again = 0; again < MAX_DRAWS; again++) {
      const share = slowStart.share(drawn, now)
      if (share === 1 || this.random() < share) break
      drawn = candidates[this.weighted.draw(candidates)] as Endpoint
    }
    return drawn
  }
}

/** Where all are cold, or one outweighs all others, nobody is looked for in vain. */
const MAX_DRAWS = 8

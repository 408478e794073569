import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'
import { TwoChoices } from './two-choices.ts'

/**
 * The less loaded of two endpoints drawn at random. Load is tries under way ÷ weight. Where the less loaded one has a try on each of its
 * connections, up to three further pairs are looked at before one more is opened: by chance alone every endpoint of many would get a third
 * connection in time, which it hardly ever needs.
 *
 * Where weights differ, the draw follows them and load decides among what was drawn: with little traffic, when nobody has anything
 * under way, the draw alone keeps the shares.
 */
export class LeastRequest implements Balancer {
  readonly name = 'least-request'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private readonly choices: TwoChoices
  /** Of the endpoint that was found last. */
  private weight = 1

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.slowStart = slowStart
    this.choices = new TwoChoices(random, slowStart)
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    if (candidates.length < 2) return candidates[0]
    let best = this.lesserOfTwo(candidates, call)
    let weight = this.weight
    for (let again = 0; again < MORE_PAIRS && best.inflight > 0 && best.inflight === best.connections; again++) {
      const next = this.lesserOfTwo(candidates, call)
      if (next.inflight * weight >= best.inflight * this.weight) continue
      best = next
      weight = this.weight
    }
    return best
  }

  private lesserOfTwo(candidates: readonly Endpoint[], call: Call | undefined): Endpoint {
    const { choices } = this
    choices.draw(candidates, call)
    const a = choices.a as Endpoint
    const b = choices.b as Endpoint
    // Multiplied crosswise instead of divided: exact for whole weights.
    const first = a.inflight * choices.weightB <= b.inflight * choices.weightA
    this.weight = first ? choices.weightA : choices.weightB
    return first ? a : b
  }

  shares(candidates: readonly Endpoint[], now: number): number[] | undefined {
    return this.choices.shares(candidates, now, ({ inflight }) => inflight)
  }

  another(): LeastRequest {
    return new LeastRequest(this.random, this.slowStart)
  }
}

const MORE_PAIRS = 3

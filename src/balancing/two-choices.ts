import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import { AliasDraw } from './alias-draw.ts'
import { pairShares } from './pair-shares.ts'
import type { SlowStart } from './slow-start.ts'

/**
 * Two endpoints drawn at random, of which a balancer takes the better one (power of two choices): nearly as even as knowing them
 * all, at the same price for 10 and for 10,000. Where weights differ the draw follows them. The two are distinct, where Envoy draws
 * with replacement, unless some are cold. One object serves every pick; what it drew is read at once.
 */
export class TwoChoices {
  a: Endpoint | undefined = undefined
  b: Endpoint | undefined = undefined
  /** What their load is divided by: weight, and the share that slow start allows. */
  weightA = 1
  weightB = 1
  private readonly random: Random
  private readonly weighted: AliasDraw
  private readonly slowStart: SlowStart | undefined

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.weighted = new AliasDraw(random)
    this.slowStart = slowStart
  }

  /** Draws from `candidates`, of which there are at least two. */
  draw(candidates: readonly Endpoint[], call: Call | undefined): void {
    if (this.slowStart !== undefined && call !== undefined) {
      this.drawTwoWarm(candidates, this.slowStart, call.startedAt)
      return
    }
    const { length } = candidates
    let first: number
    let second: number
    if (this.weighted.even(candidates)) {
      first = Math.floor(this.random() * length)
      second = Math.floor(this.random() * (length - 1))
      if (second >= first) second++
      this.weightA = 1
      this.weightB = 1
    } else {
      first = this.weighted.draw(candidates)
      second = this.weighted.draw(candidates)
      for (let again = 0; second === first && again < MAX_DRAWS; again++) second = this.weighted.draw(candidates)
      this.weightA = this.weighted.weightAt(first)
      this.weightB = this.weighted.weightAt(second)
    }
    this.a = candidates[first]
    this.b = candidates[second]
  }

  /** The chance of each candidate to be the cheaper one of two; `cost` is divided by the weight that it is drawn by. */
  shares(candidates: readonly Endpoint[], now: number, cost: (endpoint: Endpoint) => number): number[] | undefined {
    const { slowStart } = this
    const weights = candidates.map((each) => each.spec.weight * (slowStart?.share(each, now) ?? 1))
    const even = slowStart === undefined && weights.every((weight) => weight === weights[0])
    const again = slowStart !== undefined
    return pairShares(candidates, { weights, again }, (each, index) => cost(each) / (even ? 1 : (weights[index] as number)))
  }

  private drawTwoWarm(candidates: readonly Endpoint[], slowStart: SlowStart, now: number): void {
    const a = this.drawWarm(candidates, slowStart, now)
    const b = this.drawWarm(candidates, slowStart, now)
    this.a = a
    this.b = b
    this.weightA = a.spec.weight * slowStart.share(a, now)
    this.weightB = b.spec.weight * slowStart.share(b, now)
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

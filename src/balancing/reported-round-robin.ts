import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { LoadWeights } from './load-weights.ts'
import type { SlowStart } from './slow-start.ts'
import { FULL, scaledWeights } from './stride-weights.ts'

/**
 * Weighted round robin whose weights follow from what endpoints report of their load (gRFC A58), worked out anew each `updateMs`. The
 * scheduler is gRPC's static stride: it goes round, and passes an endpoint over as often as its weight falls short of the
 * highest. An endpoint of which nothing is known weighs as the others do on average; with fewer than two known the turn goes round.
 */
export class ReportedRoundRobin implements Balancer {
  readonly name = 'weighted-round-robin'
  private readonly random: Random
  private readonly weights: LoadWeights
  private readonly updateMs: number
  private readonly slowStart: SlowStart | undefined
  private candidates: readonly Endpoint[] | undefined = undefined
  private scaled: Uint16Array = new Uint16Array(0)
  /** Where in the circle of {@link FULL} each begins, so that not all are passed over at once. */
  private offsets: Uint16Array = new Uint16Array(0)
  private madeAt = Number.NEGATIVE_INFINITY
  /** Where the turn stands, and how often it went round, modulo {@link FULL}. */
  private index: number
  private generation: number

  constructor(random: Random, weights: LoadWeights, updateMs: number, slowStart?: SlowStart) {
    this.random = random
    this.weights = weights
    this.updateMs = updateMs
    this.slowStart = slowStart
    this.index = Math.floor(random() * 0x7fff_ffff)
    this.generation = Math.floor(random() * FULL)
  }

  pick(candidates: readonly Endpoint[], { startedAt: now }: Call): Endpoint | undefined {
    const { length } = candidates
    if (length < 2) return candidates[0]
    if (this.candidates !== candidates || now - this.madeAt >= this.updateMs) this.weigh(candidates, now)
    const { scaled, offsets } = this
    // Ends: whoever weighs most is never passed over.
    for (;;) {
      const index = this.index
      const weight = scaled[index] as number
      const reached = remainder(Math.imul(weight, this.generation) >>> 0) + (offsets[index] as number)
      if (++this.index === length) {
        this.index = 0
        this.generation = this.generation === FULL - 1 ? 0 : this.generation + 1
      }
      if ((reached >= FULL ? reached - FULL : reached) >= FULL - weight) return candidates[index]
    }
  }

  /** Of many calls, by the weights of now. */
  shares(candidates: readonly Endpoint[], now: number): number[] {
    const scaled = this.scaledAt(candidates, now)
    const sum = scaled.reduce((all, weight) => all + weight, 0)
    return Array.from(scaled, (weight) => weight / sum)
  }

  another(): ReportedRoundRobin {
    return new ReportedRoundRobin(this.random, this.weights, this.updateMs, this.slowStart)
  }

  private weigh(candidates: readonly Endpoint[], now: number): void {
    const { length } = candidates
    this.scaled = this.scaledAt(candidates, now)
    if (this.offsets.length !== length) this.offsets = Uint16Array.from(candidates, (_, index) => (OFFSET * index) % FULL)
    this.candidates = candidates
    this.madeAt = now
    this.index %= length
  }

  private scaledAt(candidates: readonly Endpoint[], now: number): Uint16Array {
    const { slowStart, weights } = this
    const { length } = candidates
    const raw = new Float64Array(length)
    for (let index = 0; index < length; index++) raw[index] = weights.weightOf(candidates[index] as Endpoint, now)
    const scaled = scaledWeights(raw)
    if (slowStart === undefined) return scaled
    for (let index = 0; index < length; index++) {
      const share = slowStart.share(candidates[index] as Endpoint, now)
      if (share < 1) scaled[index] = Math.max(1, Math.round((scaled[index] as number) * share))
    }
    return scaled
  }
}

/** `value` modulo {@link FULL}, without the division that is slow for numbers above 2^31. */
function remainder(value: number): number {
  const folded = (value & FULL) + (value >>> 16)
  return folded >= FULL ? folded - FULL : folded
}

const OFFSET = FULL >> 1

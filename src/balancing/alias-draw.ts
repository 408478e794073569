import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'

/**
 * Draws one of the candidates with a chance in proportion to its weight, at the same price for ten and ten thousand (Vose's alias
 * method). Its table is made when the candidates change, and only when their weights differ.
 */
export class AliasDraw {
  private readonly random: Random
  private made: readonly Endpoint[] | undefined = undefined
  private equal = true
  /** Three numbers of each: the chance to be kept, who is taken otherwise, and the weight. Together, since they are read together. */
  private table = new Float64Array(0)

  constructor(random: Random) {
    this.random = random
  }

  /** Whether all of `candidates` weigh the same. */
  even(candidates: readonly Endpoint[]): boolean {
    if (this.made !== candidates) this.make(candidates)
    return this.equal
  }

  /** Index of one of `candidates`, of which there is at least one. */
  draw(candidates: readonly Endpoint[]): number {
    if (this.made !== candidates) this.make(candidates)
    const at = this.random() * candidates.length
    const slot = Math.floor(at)
    // The fraction is as random as a second draw would be.
    return this.equal || at - slot < (this.table[3 * slot] as number) ? slot : (this.table[3 * slot + 1] as number)
  }

  /** The weight of the candidate at `index` of those drawn from last, where their weights differ. */
  weightAt(index: number): number {
    return this.table[3 * index + 2] as number
  }

  private make(candidates: readonly Endpoint[]): void {
    const { length } = candidates
    const first = candidates[0]?.spec.weight
    this.made = candidates
    this.equal = candidates.every(({ spec }) => spec.weight === first)
    if (this.equal) return
    const total = candidates.reduce((sum, { spec }) => sum + spec.weight, 0)
    const scaled = Float64Array.from(candidates, ({ spec }) => (spec.weight * length) / total)
    const table = new Float64Array(3 * length)
    this.table = table
    for (let index = 0; index < length; index++) {
      table[3 * index] = 1
      table[3 * index + 2] = (candidates[index] as Endpoint).spec.weight
    }
    const small: number[] = []
    const large: number[] = []
    for (const [index, share] of scaled.entries()) (share < 1 ? small : large).push(index)
    while (small.length > 0 && large.length > 0) {
      const less = small.pop() as number
      const more = large.at(-1) as number
      table[3 * less] = scaled[less] as number
      table[3 * less + 1] = more
      scaled[more] = (scaled[more] as number) + (scaled[less] as number) - 1
      if ((scaled[more] as number) < 1) {
        large.pop()
        small.push(more)
      }
    }
  }
}

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
  private keep = new Float64Array(0)
  private alias = new Uint32Array(0)

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
    return this.equal || at - slot < (this.keep[slot] as number) ? slot : (this.alias[slot] as number)
  }

  private make(candidates: readonly Endpoint[]): void {
    const { length } = candidates
    const first = candidates[0]?.spec.weight
    this.made = candidates
    this.equal = candidates.every(({ spec }) => spec.weight === first)
    if (this.equal) return
    const total = candidates.reduce((sum, { spec }) => sum + spec.weight, 0)
    const scaled = Float64Array.from(candidates, ({ spec }) => (spec.weight * length) / total)
    this.keep = new Float64Array(length).fill(1)
    this.alias = new Uint32Array(length)
    const small: number[] = []
    const large: number[] = []
    for (const [index, share] of scaled.entries()) (share < 1 ? small : large).push(index)
    while (small.length > 0 && large.length > 0) {
      const less = small.pop() as number
      const more = large.at(-1) as number
      this.keep[less] = scaled[less] as number
      this.alias[less] = more
      scaled[more] = (scaled[more] as number) + (scaled[less] as number) - 1
      if ((scaled[more] as number) < 1) {
        large.pop()
        small.push(more)
      }
    }
  }
}

import type { Random } from '../core/random.ts'

/** Draws one of several by weight; with a key always the same one, as long as the weights are the same. */
export class WeightedSplit {
  /** Where each one's part of the whole ends, from 0 to 1. */
  private readonly ends: Float64Array
  private readonly seed: number

  /**
   * @param weights of which one is above 0
   * @param name by which two splits give the same key to different parts
   */
  constructor(weights: readonly number[], name: string) {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    let sofar = 0
    this.ends = Float64Array.from(weights, (weight) => {
      sofar += weight
      return sofar / total
    })
    this.seed = hash(name, FNV_OFFSET)
  }

  /** The index of one of them. */
  draw(key: string | undefined, random: Random): number {
    const { ends } = this
    if (ends.length === 1) return 0
    const at = key === undefined ? random() : mixed(hash(key, this.seed)) / 2 ** 32
    let low = 0
    let high = ends.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (at < (ends[middle] as number)) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** FNV-1a over the code units. */
function hash(text: string, from: number): number {
  let value = from
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0
}

/** Spreads keys that differ in their last character only (the finaliser of MurmurHash3). */
function mixed(value: number): number {
  let spread = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35)
  return (spread ^ (spread >>> 16)) >>> 0
}

const FNV_OFFSET = 0x811c9dc5

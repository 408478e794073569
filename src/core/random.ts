/** Randomness as the mesh sees it: the next number in [0, 1). Tests hand in a seeded one. */
export type Random = () => number

/** The platform's generator; good for spreading load, never for secrets. */
export const systemRandom: Random = Math.random

/** A repeatable generator (mulberry32): equal seeds give equal sequences. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

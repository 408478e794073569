import type { Endpoint } from '../core/endpoint.ts'

/** How two are drawn, of which the cheaper gets the call. */
export interface PairDraw {
  /** What each candidate is drawn by; any positive numbers. */
  readonly weights: ArrayLike<number>
  /** Both draws may find the same one. */
  readonly again: boolean
}

/**
 * The chance of each candidate to be the better one of two drawn at random: every pair weighed, and the first of two alike taken. Undefined
 * for more than {@link MOST} candidates, of which there are too many pairs for somebody who only looks.
 */
export function pairShares(
  candidates: readonly Endpoint[],
  { weights, again }: PairDraw,
  cost: (endpoint: Endpoint, index: number) => number,
): number[] | undefined {
  const { length } = candidates
  if (length === 1) return [1]
  if (length > MOST) return undefined
  const costs = candidates.map(cost)
  let sum = 0
  for (let index = 0; index < length; index++) sum += weights[index] as number
  const shares = new Array<number>(length).fill(0)
  for (let first = 0; first < length; first++) {
    const drawn = (weights[first] as number) / sum
    // Who was drawn already is drawn once more until it is another.
    const rest = again ? 1 : 1 - drawn
    for (let second = 0; second < length; second++) {
      if (second === first && !again) continue
      const better = (costs[first] as number) <= (costs[second] as number) ? first : second
      shares[better] = (shares[better] as number) + (drawn * ((weights[second] as number) / sum)) / rest
    }
  }
  return shares
}

const MOST = 512

import type { AdaptiveConcurrencySettings, ConcurrencyAlgorithm } from '../../model/adaptive-concurrency.ts'

/** What finds a limit out: it is told how long calls took, and asked at each call. Time is what it is told, so that it needs no timer. */
export interface LimitAlgorithm {
  /** Calls that may be in flight now. */
  readonly limit: number
  /** What is taken for the latency without a queue; undefined while nobody knows. */
  readonly minRttMs: number | undefined
  readonly measuring: boolean
  /** Another number means that calls which were let go under the one before say nothing any more. */
  readonly epoch: number
  /** Time has passed. */
  tick(now: number): void
  /** A call was answered after `latencyMs`. @param inflight calls at that moment, this one included */
  answered(latencyMs: number, now: number, inflight: number): void
  /** A call ran out of time after `latencyMs`, or was turned away by the service, which says nothing of latency. */
  dropped(latencyMs: number | undefined, now: number, inflight: number): void
  /** Applies to the living state: the limit stays, within the new bounds. */
  reconfigure(settings: AdaptiveConcurrencySettings, now: number): void
}

/** What an algorithm never goes below, and never beyond. */
export interface Bounds {
  readonly min: number
  readonly max: number
}

/** The bounds that hold: what was written, else those that the algorithm comes with. */
export function boundsOf({ algorithm, minLimit, maxLimit }: AdaptiveConcurrencySettings): Bounds {
  const [least, most] = BOUNDS[algorithm]
  const min = minLimit ?? Math.min(least, maxLimit ?? least)
  return { min, max: Math.max(min, maxLimit ?? most) }
}

/** `limit` within the bounds. */
export function within({ min, max }: Bounds, limit: number): number {
  return Math.max(min, Math.min(max, limit))
}

const BOUNDS: Readonly<Record<ConcurrencyAlgorithm, readonly [min: number, max: number]>> = {
  gradient: [3, 1_000],
  gradient2: [20, 200],
  vegas: [1, 1_000],
  aimd: [20, 200],
}

import type { Random } from './random.ts'

/** Bounds of a wait that doubles with every failure in a row. Milliseconds. */
export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * How long to wait after `failures` failures in a row: base × 2^(n−1), at most the maximum, shortened by up to half at random.
 * Whoever failed together must not come back together; the half that stays keeps a broken server from being asked in a loop.
 */
export function backoffMs(failures: number, { baseMs, maxMs }: Backoff, random: Random): number {
  const full = Math.min(baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 30), maxMs)
  return full * (0.5 + random() / 2)
}

/** `ms` spread by up to ten percent to both sides, so that what began together does not stay together. */
export function jittered(ms: number, random: Random): number {
  return ms * (0.9 + random() / 5)
}

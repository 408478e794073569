import type { Duration } from '../core/duration.ts'
import type { RetryCondition } from './names.ts'

/** When, how often and how far apart a broken try is sent again. */
export interface RetryOptions {
  /** Re-sends after the first try, 0–10. Default 2. */
  attempts?: number
  /** Default `connect-failure`, `refused-stream` always; `reset`, `gateway-error`, `timeout` for idempotent calls. */
  on?: RetryCondition[]
  /** Bound of one try. Default: what remains of the timeout ÷ tries left. */
  perTryTimeout?: Duration
  /** Full jitter between 0 and min(base × 2^n, max). Default 25ms, 250ms. */
  backoff?: { base?: Duration; max?: Duration }
  /**
   * Headers in which the service says when its limits are reset, in the order in which they are looked for: `seconds` from now, or `unix` time.
   * What is beyond `max` does not count. The wait is that time to one and a half times that. Default: `Retry-After`. Default of `max` 300s.
   */
  rateLimitedBackoff?: { headers: { name: string; format: 'seconds' | 'unix' }[]; max?: Duration }
  /** Re-sends and hedges ≤ max(10 × minPerSecond, percent of first tries) in 10 s. Default 20, 10. */
  budget?: { percent?: number; minPerSecond?: number }
  /** A further try prefers priorities of which none was tried; with `after` from so many tries on, 1–10. `true`: 1. Default false. */
  otherPriorities?: boolean | { after: number }
  /** Also sends again what the service says it has tried again itself (`x-inmesh-retried`). Default false. */
  repeatRetried?: boolean
}

import type { Duration } from '../core/duration.ts'

/** A share of the tries of late, as `p95`: after the time that 95 of 100 of them took at most. */
export type Percentile = `p${number}`

/** When another endpoint is asked for the same answer while the first has not given it. */
export interface HedgeOptions {
  /**
   * How long a try is waited for: a duration, or a percentile (`p50` to `p99.9`) of what first tries took in the last 30 s, 1 ms at least.
   * `false`: no time but that of `onTryTimeout`. Default `p95`.
   */
  after?: Duration | Percentile | false
  /** Hedges are at most this share of the first tries, within every 10 s and over all time. Default 5. */
  extraLoadPercent?: number
  /** Hedges of one call, 1–4. Default 1. */
  max?: number
  /** A try whose `perTryTimeout` is over goes on while the call is sent again (Envoy `hedge_on_per_try_timeout`). Default false. */
  onTryTimeout?: boolean
}

/** The same, checked. A number is milliseconds. */
export interface HedgeSettings {
  readonly after: number | Percentile | false
  readonly extraLoadPercent: number
  readonly max: number
  readonly onTryTimeout: boolean
}

/** What a `hedge` section that is present starts from. */
export const DEFAULT_HEDGE: HedgeSettings = Object.freeze({ after: 'p95', extraLoadPercent: 5, max: 1, onTryTimeout: false })

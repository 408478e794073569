import type { Duration } from '../core/duration.ts'

/**
 * How a limit is found. `gradient`: by the latency without a queue, which is measured now and then (Envoy); `gradient2`: by the latency of
 * late (Netflix); `vegas`: by the queue that the least latency gives away (Netflix); `aimd`: one more until something is too late (Netflix).
 */
export type ConcurrencyAlgorithm = 'gradient' | 'gradient2' | 'vegas' | 'aimd'

/** How many calls may be in flight at once, found out from how long they take. */
export interface AdaptiveConcurrencyOptions {
  /** Default `gradient`. */
  algorithm?: ConcurrencyAlgorithm
  /** Never fewer. Default 3 for `gradient`, 1 for `vegas`, 20 for the others. */
  minLimit?: number
  /** Never more. Default 1000 for `gradient` and `vegas`, 200 for the others. */
  maxLimit?: number
  /** How often the limit is worked out anew. Default 100ms for `gradient`, 1s for the others. */
  updateInterval?: Duration
  /** For `gradient`: how the latency without a queue is measured. Meanwhile no more than `minLimit` calls are let go. */
  minRtt?: {
    /** Default 60s. */
    interval?: Duration
    /** Answers that a measurement takes. Default 50. */
    requests?: number
    /** Each interval is longer by a random part of this much, so that processes do not measure together. Default 15. */
    jitterPercent?: number
    /** So much slower than without a queue may answers be before the limit falls. Default 25. */
    bufferPercent?: number
  }
  /** For `aimd`: what takes longer is too late. Default 5s. */
  maxLatency?: Duration
}

/** {@link AdaptiveConcurrencyOptions}, checked; undefined is what the algorithm starts from. */
export interface AdaptiveConcurrencySettings {
  readonly algorithm: ConcurrencyAlgorithm
  readonly minLimit: number | undefined
  readonly maxLimit: number | undefined
  readonly updateIntervalMs: number | undefined
  readonly minRttIntervalMs: number
  readonly minRttRequests: number
  readonly minRttJitterPercent: number
  readonly minRttBufferPercent: number
  readonly maxLatencyMs: number
}

/** What an `adaptiveConcurrency` section that is present starts from: the numbers of Envoy and Netflix. */
export const DEFAULT_ADAPTIVE_CONCURRENCY: AdaptiveConcurrencySettings = Object.freeze({
  algorithm: 'gradient',
  minLimit: undefined,
  maxLimit: undefined,
  updateIntervalMs: undefined,
  minRttIntervalMs: 60_000,
  minRttRequests: 50,
  minRttJitterPercent: 15,
  minRttBufferPercent: 25,
  maxLatencyMs: 5_000,
})

/** An adaptive limit in `stats()`. */
export interface AdaptiveConcurrencyStats {
  /** The limit in force. */
  limit: number
  inflight: number
  /** The latency that is taken for the one without a queue, in milliseconds; absent while nobody knows it. */
  minRttMs?: number
  /** The latency without a queue is being measured, and the limit is `minLimit`. */
  measuring: boolean
  refused: number
}

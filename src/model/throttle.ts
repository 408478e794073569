import type { Duration } from '../core/duration.ts'

/** Sends a service that fails fewer calls, by chance: so many that about as many get through as succeed. */
export interface ThrottleOptions {
  /** Share of calls that succeed from which on nothing is refused, 1–100. Default 95. */
  successPercent?: number
  /** Above 1 refuses more than the failures call for, below it fewer; 0.1–10. Default 1. */
  aggression?: number
  /** How far back calls are counted. Default 30s. */
  window?: Duration
  /** Most calls that are refused, so that it is found out when the service is back; 0–100. Default 80. */
  maxRejectPercent?: number
  /** With fewer calls a second over the window nothing is refused. Default 0. */
  minPerSecond?: number
}

/** {@link ThrottleOptions}, checked. */
export interface ThrottleSettings {
  readonly successPercent: number
  readonly aggression: number
  readonly windowMs: number
  readonly maxRejectPercent: number
  readonly minPerSecond: number
}

/** What a `throttle` section that is present starts from: Envoy's admission control. */
export const DEFAULT_THROTTLE: ThrottleSettings = Object.freeze({
  successPercent: 95,
  aggression: 1,
  windowMs: 30_000,
  maxRejectPercent: 80,
  minPerSecond: 0,
})

/** A throttle in `stats()`. */
export interface ThrottleStats {
  /** Calls that ended within the window, and how many of them succeeded; those that it refused are none of them. */
  requests: number
  successes: number
  /** Share of calls of normal priority that it refuses now, 0–100. */
  rejectPercent: number
  refused: number
}

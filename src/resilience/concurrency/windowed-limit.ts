import type { AdaptiveConcurrencySettings } from '../../model/adaptive-concurrency.ts'
import { type Bounds, boundsOf, type LimitAlgorithm, within } from './limit-algorithm.ts'

/** What calls were like in one window. */
export interface LimitWindow {
  /** Mean of the answers; undefined when none came. */
  readonly rttMs: number | undefined
  /** Most calls at once. */
  readonly inflight: number
  /** Some ran out of time, or were turned away by the service. */
  readonly dropped: boolean
}

/** The rule that makes a limit of the one before. */
export interface LimitRule {
  readonly minRttMs: number | undefined
  /** @returns what the limit should be; fractions count, and the bounds are none of its business */
  next(limit: number, window: LimitWindow): number
  reconfigure(settings: AdaptiveConcurrencySettings): void
}

/** A limit by a rule of Netflix' `concurrency-limits`, which looks at windows of a second with ten calls at least. */
export class WindowedLimit implements LimitAlgorithm {
  readonly epoch = 0
  readonly measuring = false
  private settings: AdaptiveConcurrencySettings
  private bounds: Bounds
  private readonly rule: LimitRule
  private estimate: number
  private updateAt: number
  private answers = 0
  private sumMs = 0
  private drops = 0
  private inflight = 0

  constructor(settings: AdaptiveConcurrencySettings, rule: LimitRule, now: number, limit = INITIAL_LIMIT) {
    this.settings = settings
    this.bounds = boundsOf(settings)
    this.rule = rule
    this.estimate = within(this.bounds, limit)
    this.updateAt = now + (settings.updateIntervalMs ?? WINDOW_MS)
  }

  get limit(): number {
    return Math.floor(this.estimate)
  }

  get minRttMs(): number | undefined {
    return this.rule.minRttMs
  }

  tick(now: number): void {
    if (now < this.updateAt || this.answers + this.drops < LEAST_CALLS) return
    const { answers, sumMs, drops, inflight } = this
    const window = { rttMs: answers === 0 ? undefined : sumMs / answers, inflight, dropped: drops > 0 }
    this.estimate = within(this.bounds, this.rule.next(this.estimate, window))
    this.answers = 0
    this.sumMs = 0
    this.drops = 0
    this.inflight = 0
    this.updateAt = now + (this.settings.updateIntervalMs ?? WINDOW_MS)
  }

  answered(latencyMs: number, now: number, inflight: number): void {
    this.answers++
    this.sumMs += latencyMs
    if (inflight > this.inflight) this.inflight = inflight
    this.tick(now)
  }

  dropped(_: number | undefined, now: number, inflight: number): void {
    this.drops++
    if (inflight > this.inflight) this.inflight = inflight
    this.tick(now)
  }

  reconfigure(settings: AdaptiveConcurrencySettings): void {
    this.settings = settings
    this.bounds = boundsOf(settings)
    this.estimate = within(this.bounds, this.estimate)
    this.rule.reconfigure(settings)
  }
}

const INITIAL_LIMIT = 20
const WINDOW_MS = 1_000
const LEAST_CALLS = 10

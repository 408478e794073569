import { quarterOctaveOf } from './quarter-octaves.ts'
import { SlidingWindow } from './window.ts'

/**
 * How one endpoint answered of late, for outlier detection: four numbers in a ring, and latencies only once it was slow
 * (ten thousand quick endpoints would hold 50 MiB of histograms that nobody reads).
 */
export class EndpointRecord {
  readonly counts: SlidingWindow
  latencies: LatencyHistogram | undefined = undefined
  /** Clock time at which the first of a row of failures was seen, and whether one of the row was an answer. */
  rowSince = 0
  rowAnswered = false
  /** Who counts it into his totals. */
  readonly owner: object

  constructor(windowMs: number, owner: object) {
    this.counts = new SlidingWindow(windowMs, 4)
    this.owner = owner
  }

  clear(): void {
    this.counts.clear()
    this.latencies = undefined
  }

  resize(windowMs: number, now: number): void {
    this.counts.resize(windowMs, now)
    this.latencies = undefined
  }
}

/** Columns of {@link EndpointRecord.counts}. `samples`: answers whose time is known, `slow`: those beyond the limit. */
export const RECORD = { answers: 0, failures: 1, samples: 2, slow: 3 } as const

/** Latencies in a sliding window, in columns that grow by 2^(1/4) from 1 ms to a minute: no sample is kept, nothing is sorted. */
export class LatencyHistogram {
  private readonly window: SlidingWindow

  constructor(windowMs: number) {
    this.window = new SlidingWindow(windowMs, COLUMNS)
  }

  add(latencyMs: number, now: number): void {
    this.window.add(quarterOctaveOf(latencyMs, COLUMNS), now)
  }

  /** Takes out what `other` counted of the same answers. */
  subtract(other: LatencyHistogram, now: number): void {
    this.window.subtract(other.window, now)
  }

  /** Samples in the columns beyond that of `latencyMs`. */
  beyond(latencyMs: number, now: number): number {
    let seen = 0
    for (let column = quarterOctaveOf(latencyMs, COLUMNS) + 1; column < COLUMNS; column++) seen += this.window.sum(column, now)
    return seen
  }

  /**
   * Upper bound in milliseconds of the column in which the `percent` quantile of `total` samples lies; those of `without`
   * are taken out. Counted from the top, so that samples below the lowest that matters may be missing.
   */
  quantile(percent: number, total: number, now: number, without?: LatencyHistogram): number {
    const above = (total * (100 - percent)) / 100
    let seen = 0
    for (let column = COLUMNS - 1; column > 0; column--) {
      seen += this.window.sum(column, now) - (without?.window.sum(column, now) ?? 0)
      if (seen > above) return 2 ** (column / STEPS_PER_DOUBLING)
    }
    return 1
  }
}

const STEPS_PER_DOUBLING = 4
const COLUMNS = 64

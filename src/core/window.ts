/**
 * Counts in a sliding window, kept as a ring of ten buckets: no timer, no array of samples, one comparison
 * per event. A bucket that time has passed is emptied when somebody looks.
 */
export class SlidingWindow {
  private bucketMs: number
  private readonly counts: Float64Array
  private readonly columns: number
  private readonly totals: Float64Array
  private newest = 0

  /**
   * @param windowMs length of the window in milliseconds
   * @param columns how many separate numbers are counted
   */
  constructor(windowMs: number, columns: number, now: number) {
    this.bucketMs = windowMs / BUCKETS
    this.columns = columns
    this.counts = new Float64Array(BUCKETS * columns)
    this.totals = new Float64Array(columns)
    this.newest = Math.floor(now / this.bucketMs)
  }

  add(column: number, now: number, amount = 1): void {
    this.advance(now)
    const slot = (this.newest % BUCKETS) * this.columns + column
    this.counts[slot] = (this.counts[slot] as number) + amount
    this.totals[column] = (this.totals[column] as number) + amount
  }

  sum(column: number, now: number): number {
    this.advance(now)
    return this.totals[column] as number
  }

  /** Takes out what `other` counted of the same events: a window of the same length and columns. */
  subtract(other: SlidingWindow, now: number): void {
    this.advance(now)
    other.advance(now)
    if (other.bucketMs !== this.bucketMs) return
    for (let slot = 0; slot < this.counts.length; slot++) this.counts[slot] = (this.counts[slot] as number) - (other.counts[slot] as number)
    for (let column = 0; column < this.columns; column++)
      this.totals[column] = (this.totals[column] as number) - (other.totals[column] as number)
  }

  clear(): void {
    this.counts.fill(0)
    this.totals.fill(0)
  }

  /** Goes on with another length; what was counted stays, as if it had just happened. */
  resize(windowMs: number, now: number): void {
    const totals = [...this.totals]
    this.clear()
    this.bucketMs = windowMs / BUCKETS
    this.newest = Math.floor(now / this.bucketMs)
    for (const [column, total] of totals.entries()) this.add(column, now, total)
  }

  private advance(now: number): void {
    const bucket = Math.floor(now / this.bucketMs)
    if (bucket <= this.newest) return
    if (bucket - this.newest >= BUCKETS) {
      this.clear()
    } else {
      for (let passed = this.newest + 1; passed <= bucket; passed++) this.emptyBucket(passed)
    }
    this.newest = bucket
  }

  private emptyBucket(bucket: number): void {
    const start = (bucket % BUCKETS) * this.columns
    for (let column = 0; column < this.columns; column++) {
      this.totals[column] = (this.totals[column] as number) - (this.counts[start + column] as number)
      this.counts[start + column] = 0
    }
  }
}

const BUCKETS = 10

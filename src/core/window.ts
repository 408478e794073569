/**
 * Counts in a sliding window, kept as a ring of ten buckets: no timer, no array of samples, one comparison
 * per event. A bucket that time has passed is emptied when somebody looks.
 */
export class SlidingWindow {
  private bucketMs: number
  private readonly columns: number
  /**
   * When (clock time) the newest bucket is over, so that most looks need no division; what each column adds up to; and ten buckets of them.
   * One array, since a window is mostly cold when it is met: there is one for each endpoint.
   */
  private readonly counts: Float64Array
  private newest = 0
  /** Where the newest bucket begins in `counts`. */
  private start = 0

  /**
   * @param windowMs length of the window in milliseconds
   * @param columns how many separate numbers are counted
   */
  constructor(windowMs: number, columns: number, now: number) {
    this.bucketMs = windowMs / BUCKETS
    this.columns = columns
    this.counts = new Float64Array(1 + columns + BUCKETS * columns)
    this.turnTo(Math.floor(now / this.bucketMs))
  }

  add(column: number, now: number, amount = 1): void {
    const { counts } = this
    if (now >= (counts[0] as number)) this.advance(now)
    const slot = this.start + column
    counts[slot] = (counts[slot] as number) + amount
    counts[1 + column] = (counts[1 + column] as number) + amount
  }

  sum(column: number, now: number): number {
    if (now >= (this.counts[0] as number)) this.advance(now)
    return this.counts[1 + column] as number
  }

  /** Takes out what `other` counted of the same events: a window of the same length and columns. */
  subtract(other: SlidingWindow, now: number): void {
    this.advance(now)
    other.advance(now)
    if (other.bucketMs !== this.bucketMs) return
    for (let slot = 1; slot < this.counts.length; slot++) this.counts[slot] = (this.counts[slot] as number) - (other.counts[slot] as number)
  }

  clear(): void {
    this.counts.fill(0, 1)
  }

  /** Goes on with another length; what was counted stays, as if it had just happened. */
  resize(windowMs: number, now: number): void {
    const totals = this.counts.slice(1, 1 + this.columns)
    this.clear()
    this.bucketMs = windowMs / BUCKETS
    this.turnTo(Math.floor(now / this.bucketMs))
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
    this.turnTo(bucket)
  }

  private turnTo(bucket: number): void {
    this.newest = bucket
    this.start = this.startOf(bucket)
    this.counts[0] = (bucket + 1) * this.bucketMs
  }

  private emptyBucket(bucket: number): void {
    const { counts, columns } = this
    const start = this.startOf(bucket)
    for (let column = 0; column < columns; column++) {
      counts[1 + column] = (counts[1 + column] as number) - (counts[start + column] as number)
      counts[start + column] = 0
    }
  }

  private startOf(bucket: number): number {
    return 1 + this.columns + (bucket % BUCKETS) * this.columns
  }
}

const BUCKETS = 10

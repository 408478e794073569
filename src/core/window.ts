/**
 * Counts in a sliding window, kept as a ring of ten buckets: no timer, no array of samples, one comparison
 * per event. A bucket that time has passed is emptied when somebody looks.
 */
export class SlidingWindow {
  private bucketMs: number
  private readonly columns: number
  /**
   * When (clock time) the newest bucket is over, so that most looks need no division; what each column adds up to; and ten buckets of them.
   * One array, since a window is mostly cold when it is met: there is one for each endpoint. It is made at the first event: of ten thousand
   * services most processes call a few.
   */
  private counts = NOTHING
  private newest = 0
  /** Where the newest bucket begins in `counts`. */
  private start = 0

  /**
   * @param windowMs length of the window in milliseconds
   * @param columns how many separate numbers are counted
   */
  constructor(windowMs: number, columns: number) {
    this.bucketMs = windowMs / BUCKETS
    this.columns = columns
  }

  add(column: number, now: number, amount = 1): void {
    if (now >= (this.counts[0] as number)) this.advance(now)
    const { counts } = this
    const slot = this.start + column
    counts[slot] = (counts[slot] as number) + amount
    counts[1 + column] = (counts[1 + column] as number) + amount
  }

  sum(column: number, now: number): number {
    if (now >= (this.counts[0] as number)) {
      if (this.counts === NOTHING) return 0
      this.advance(now)
    }
    return this.counts[1 + column] as number
  }

  /** Takes out what `other` counted of the same events: a window of the same length and columns. */
  subtract(other: SlidingWindow, now: number): void {
    if (this.counts === NOTHING || other.counts === NOTHING || other.bucketMs !== this.bucketMs) return
    this.advance(now)
    other.advance(now)
    for (let slot = 1; slot < this.counts.length; slot++) this.counts[slot] = (this.counts[slot] as number) - (other.counts[slot] as number)
  }

  clear(): void {
    if (this.counts !== NOTHING) this.counts.fill(0, 1)
  }

  /** Goes on with another length; what was counted stays, as if it had just happened. */
  resize(windowMs: number, now: number): void {
    this.bucketMs = windowMs / BUCKETS
    if (this.counts === NOTHING) return
    const totals = this.counts.slice(1, 1 + this.columns)
    this.clear()
    this.turnTo(Math.floor(now / this.bucketMs))
    for (const [column, total] of totals.entries()) this.add(column, now, total)
  }

  private advance(now: number): void {
    const bucket = Math.floor(now / this.bucketMs)
    if (this.counts === NOTHING) this.counts = new Float64Array(1 + this.columns + BUCKETS * this.columns)
    else if (bucket <= this.newest) return
    else if (bucket - this.newest >= BUCKETS) this.clear()
    else for (let passed = this.newest + 1; passed <= bucket; passed++) this.emptyBucket(passed)
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
/** Of a window without an event. Its bucket is always over, so that nobody asks for it but who turns to another one. */
const NOTHING = new Float64Array([Number.NEGATIVE_INFINITY])

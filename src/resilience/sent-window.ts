/**
 * How many tries were sent within the last ten seconds, to the second in which they were. The running second is only partly past, so ten
 * buckets would forget some after little more than 9 s, and two bursts could fall into one window: hence an eleventh.
 */
export class SentWindow {
  /** A plain list, which is made quicker than a typed one: each service has one. */
  private readonly sent: number[] = new Array<number>(BUCKETS).fill(0)
  private total = 0
  private newest: number

  constructor(now: number) {
    this.newest = Math.floor(now / BUCKET_MS)
  }

  /** Those of the last ten seconds at least, of eleven at most. */
  count(now: number): number {
    const bucket = Math.floor(now / BUCKET_MS)
    const passed = Math.min(bucket - this.newest, BUCKETS)
    for (let step = 1; step <= passed; step++) {
      const slot = (this.newest + step) % BUCKETS
      this.total -= this.sent[slot] as number
      this.sent[slot] = 0
    }
    if (passed > 0) this.newest = bucket
    return this.total
  }

  /** One more was sent now, which is when {@link count} was asked last. */
  add(): void {
    const slot = this.newest % BUCKETS
    this.sent[slot] = (this.sent[slot] as number) + 1
    this.total++
  }
}

/** What budgets look back on. */
export const BUDGET_WINDOW_MS = 10_000
const BUCKET_MS = 1_000
const BUCKETS = BUDGET_WINDOW_MS / BUCKET_MS + 1

/**
 * Latencies by size, in buckets whose bounds grow by 2^(1/32): a median costs no sorting and no sample is kept. Each bucket has the sum of
 * what is in it, so that what takes always the same time is known exactly.
 */
export class LatencyHistogram {
  count = 0
  private readonly counts = new Uint32Array(COLUMNS)
  private readonly sums = new Float64Array(COLUMNS)

  add(latencyMs: number): void {
    const ms = Math.max(latencyMs, LOWEST_MS)
    const column = Math.min(COLUMNS - 1, Math.floor(Math.log2(ms / LOWEST_MS) * STEPS_PER_DOUBLING))
    this.counts[column] = (this.counts[column] as number) + 1
    this.sums[column] = (this.sums[column] as number) + ms
    this.count++
  }

  /** Half of them took no longer; 0 of none. */
  get median(): number {
    let seen = 0
    for (let column = 0; column < COLUMNS; column++) {
      const here = this.counts[column] as number
      seen += here
      if (here > 0 && seen * 2 >= this.count) return (this.sums[column] as number) / here
    }
    return 0
  }

  clear(): void {
    this.count = 0
    this.counts.fill(0)
    this.sums.fill(0)
  }
}

const LOWEST_MS = 0.01
const STEPS_PER_DOUBLING = 32
/** Up to some twenty minutes. */
const COLUMNS = 27 * STEPS_PER_DOUBLING

import type { Endpoint } from '../core/endpoint.ts'

/** Successes among the answers, or the tries, of the running interval and of the one before. */
class RateBuckets {
  total = 0
  success = 0
  formerTotal = 0
  formerSuccess = 0

  add(success: boolean): void {
    this.total++
    if (success) this.success++
  }

  /** The running interval is over. */
  swap(): void {
    this.formerTotal = this.total
    this.formerSuccess = this.success
    this.total = 0
    this.success = 0
  }

  /** Share of successes of the interval before, 0–100. */
  get rate(): number {
    return (100 * this.formerSuccess) / this.formerTotal
  }
}

/** What Envoy and gRPC keep of one endpoint. */
export class OutlierBuckets {
  /** Answers; where errors are not split, everything. */
  readonly answers = new RateBuckets()
  /** Tries, and whether a connection came about and held, where errors are split. */
  readonly local = new RateBuckets()
  /** Rows of failures; gRPC has none. */
  consecutive5xx = 0
  consecutiveGateway = 0
  consecutiveLocal = 0
  restoredAt = Number.NEGATIVE_INFINITY
}

/** Which of the two is judged. */
export type Origin = 'answers' | 'local'

/**
 * The success rate below which Envoy and gRPC call an endpoint an outlier: mean − standard deviation of the population × factor. Of few
 * endpoints one that fails moves both, so that it can hide: two dead of five to nine put it below zero.
 * @param stdevFactor thousandths
 */
export function successRateThreshold(rates: readonly number[], stdevFactor: number): number {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  return mean - (Math.sqrt(variance) * stdevFactor) / 1_000
}

/** The buckets of each endpoint of a group; forgotten with the endpoint. */
export class BucketTable {
  private readonly table = new WeakMap<Endpoint, OutlierBuckets>()

  of(endpoint: Endpoint): OutlierBuckets {
    let buckets = this.table.get(endpoint)
    if (buckets === undefined) {
      buckets = new OutlierBuckets()
      this.table.set(endpoint, buckets)
    }
    return buckets
  }

  /** The endpoints of which the interval before had at least `volume` answers. */
  withVolume(endpoints: readonly Endpoint[], volume: number, origin: Origin = 'answers'): Endpoint[] {
    return endpoints.filter((endpoint) => this.of(endpoint)[origin].formerTotal >= Math.max(1, volume))
  }
}

/** A share in words: at most two digits behind the point. */
export function percentText(value: number): string {
  return `${Math.round(value * 100) / 100} %`
}

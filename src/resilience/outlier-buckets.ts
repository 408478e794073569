import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'

/** What Envoy and gRPC keep of one endpoint: the answers of the running interval and of the one before. */
export class OutlierBuckets {
  total = 0
  success = 0
  formerTotal = 0
  formerSuccess = 0
  /** Runs of failures; gRPC has none. */
  consecutive5xx = 0
  consecutiveGateway = 0
  multiplier = 0
  restoredAt = Number.NEGATIVE_INFINITY

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

/**
 * The success rate below which Envoy and gRPC call an endpoint an outlier: mean − standard deviation of the population × factor. Of few
 * endpoints one that fails moves both, so that it can hide: two dead of five to nine put it below zero.
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
}

/** Takes `endpoint` out until `until`, and says why. */
export function takeOut(group: EndpointGroup, endpoint: Endpoint, reason: string, now: number, until: number): void {
  endpoint.ejections++
  endpoint.ejectedAt = now
  endpoint.ejectedUntil = until
  endpoint.ejectionReason = reason
  group.setEjected(endpoint, true)
}

import type { Call } from '../core/call.ts'
import type { Description } from '../core/described.ts'
import { formatDuration } from '../core/duration.ts'
import { type AnswerHeaders, FREE_PERMIT, type Gate, type Permit, type Refusal } from '../core/gate.ts'
import { TokenBucket, type TokenBucketSettings } from '../core/token-bucket.ts'
import type { RateLimitSettings, RateSettings } from '../model/resources.ts'
import { boundedKey, KeyedMeters } from './keyed-meters.ts'

/** Tokens and refill of `requests` in each `perMs`. */
export function bucketSettings({ requests, perMs = 1_000, burst = requests }: RateSettings): TokenBucketSettings {
  return { ratePerMs: requests / perMs, burst }
}

/** A rate in words: `100 in 1s, 20 at once`. */
export function formatRate({ requests, perMs = 1_000, burst = requests }: RateSettings): string {
  return `${requests} in ${formatDuration(perMs)}, ${burst} at once`
}

/**
 * Bounds how often a service is called, by a token bucket, or by one for each value of a request header. It stands last among the
 * gates of the mesh: a call that another gate refuses has spent nothing here.
 */
export class RateLimit implements Gate {
  readonly name = 'rate-limit'
  readonly section = 'rateLimit'
  refusals = 0
  private readonly service: string
  private readonly time: { readonly now: number }
  private settings: RateLimitSettings
  private rate: TokenBucketSettings
  /** Without a key, and for calls without its header, all share one bucket. */
  private readonly buckets: KeyedMeters
  private readonly refusal: RateRefusal

  constructor(service: string, settings: RateLimitSettings, time: { readonly now: number }) {
    this.service = service
    this.settings = settings
    this.time = time
    this.rate = bucketSettings(settings)
    this.buckets = new KeyedMeters(TokenBucket, this.rate, time.now)
    this.refusal = new RateRefusal(this.reason())
  }

  describe(call: Call): Description {
    const { key } = this.settings
    const left = this.buckets.left(this.keyOf(call), this.rate, this.time.now)
    const because =
      key === undefined ? 'all calls share them' : `for this value of ${key}; ${this.buckets.size} values are known, each with its own`
    return { state: `${left} calls left of ${formatRate(this.settings)}`, because, admits: left > 0 }
  }

  /** Applies to the living state: no bucket refills because somebody pushed. Another key begins with buckets of its own. */
  reconfigure(settings: RateLimitSettings): void {
    if (settings.key !== this.settings.key) this.buckets.clear()
    const rate = bucketSettings(settings)
    this.buckets.reconfigure(new Map([[this.rate, rate]]), this.time.now)
    this.settings = settings
    this.rate = rate
    this.refusal.reason = this.reason()
  }

  admit(call: Call): Permit | Refusal {
    const { now } = this.time
    const bucket = this.buckets.of(this.keyOf(call), this.rate, now)
    if (bucket.take(now)) return FREE_PERMIT
    this.refusals++
    this.refusal.retryAfterMs = Math.ceil(bucket.waitMs(now))
    return this.refusal
  }

  /** What the bucket of a call is found by; undefined for the one that all others share. */
  private keyOf(call: Call): string | undefined {
    const { key } = this.settings
    const value = key === undefined ? undefined : call.header(key)
    return value === undefined ? undefined : boundedKey(value)
  }

  private reason(): string {
    const { key } = this.settings
    const whose = key === undefined ? '' : ` for each value of ${key}`
    return `the rate limit of ${this.service} is used up: ${formatRate(this.settings)}${whose}`
  }
}

/** Outbound one per gate, for all calls it refuses; read `retryAfterMs` at once, since the next refusal writes it anew. */
export class RateRefusal implements Refusal {
  readonly refused = true
  readonly code = 'MESH_RATE_LIMITED'
  readonly status = 429
  readonly from: string | undefined
  reason: string
  retryAfterMs = 0
  headers: AnswerHeaders | undefined = undefined
  constructor(reason: string, from?: string) {
    this.reason = reason
    this.from = from
  }
}

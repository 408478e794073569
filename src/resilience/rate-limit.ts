import { LRUCache } from 'lru-cache'
import type { Call } from '../core/call.ts'
import { formatDuration } from '../core/duration.ts'
import { FREE_PERMIT, type Gate, type Permit, type Refusal } from '../core/gate.ts'
import { TokenBucket, type TokenBucketSettings } from '../core/token-bucket.ts'
import type { RateLimitSettings, RateSettings } from '../model/resources.ts'

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
  refusals = 0
  private readonly service: string
  private readonly time: { readonly now: number }
  private settings: RateLimitSettings
  /** The bucket of every call; of those without the header where there is a key. */
  private readonly bucket: TokenBucket
  /**
   * Header values are text from outside, so they are bounded. What is dropped is what was asked for longest ago, which is
   * what has had most time to fill up again.
   */
  private readonly keyed = new LRUCache<string, TokenBucket>({ max: MAX_KEYS })
  private readonly refusal: RateRefusal

  constructor(service: string, settings: RateLimitSettings, time: { readonly now: number }) {
    this.service = service
    this.settings = settings
    this.time = time
    this.bucket = new TokenBucket(bucketSettings(settings), time.now)
    this.refusal = new RateRefusal(this.reason())
  }

  get explain(): string {
    const { key } = this.settings
    return key === undefined
      ? `${this.bucket.left(this.time.now)} calls left of ${formatRate(this.settings)}`
      : `${formatRate(this.settings)} for each value of ${key}, of which ${this.keyed.size} are known`
  }

  /** Applies to the living state: no bucket refills because somebody pushed. Another key begins with buckets of its own. */
  reconfigure(settings: RateLimitSettings): void {
    const { now } = this.time
    if (settings.key !== this.settings.key) this.keyed.clear()
    this.settings = settings
    const buckets = bucketSettings(settings)
    this.bucket.reconfigure(buckets, now)
    for (const bucket of this.keyed.values()) bucket.reconfigure(buckets, now)
    this.refusal.reason = this.reason()
  }

  admit(call: Call): Permit | Refusal {
    const { key } = this.settings
    const { now } = this.time
    const value = key === undefined ? undefined : call.header(key)
    const bucket = value === undefined ? this.bucket : this.bucketOf(value, now)
    if (bucket.take(now)) return FREE_PERMIT
    this.refusals++
    this.refusal.retryAfterMs = Math.ceil(bucket.waitMs(now))
    return this.refusal
  }

  private bucketOf(value: string, now: number): TokenBucket {
    const key = value.length > MAX_KEY_LENGTH ? value.slice(0, MAX_KEY_LENGTH) : value
    let bucket = this.keyed.get(key)
    if (bucket === undefined) {
      bucket = new TokenBucket(bucketSettings(this.settings), now)
      this.keyed.set(key, bucket)
    }
    return bucket
  }

  private reason(): string {
    const { key } = this.settings
    const whose = key === undefined ? '' : ` for each value of ${key}`
    return `the rate limit of ${this.service} is used up: ${formatRate(this.settings)}${whose}`
  }
}

/** One per gate, for all calls it refuses; read `retryAfterMs` at once, since the next refusal writes it anew. */
export class RateRefusal implements Refusal {
  readonly refused = true
  readonly code = 'MESH_RATE_LIMITED'
  readonly status = 429
  readonly from: string | undefined
  reason: string
  retryAfterMs = 0
  constructor(reason: string, from?: string) {
    this.reason = reason
    this.from = from
  }
}

/** Buckets of one service. */
const MAX_KEYS = 10_000
const MAX_KEY_LENGTH = 256

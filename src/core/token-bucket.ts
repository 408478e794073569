/** How fast a {@link RateMeter} lets go, and how much at once. */
export interface TokenBucketSettings {
  /** Tokens that come back per millisecond. */
  readonly ratePerMs: number
  /** Most tokens at once: what may be spent in a burst after a quiet time. */
  readonly burst: number
}

/** What somebody may still spend of a rate: a {@link TokenBucket} or a `Gcra`, which agree with each other. */
export interface RateMeter {
  readonly settings: TokenBucketSettings
  take(now: number): boolean
  left(now: number): number
  waitMs(now: number): number
  /** Calls that are not made good yet. */
  spent(now: number): number
  reconfigure(settings: TokenBucketSettings, now: number): void
}

/**
 * A token bucket: begins full, gives one token a call, and is refilled by the time that has passed when somebody looks, so
 * that it costs no timer however many there are. Within any `t` milliseconds it gives at most `burst + ratePerMs × t` tokens.
 */
export class TokenBucket implements RateMeter {
  settings: TokenBucketSettings
  /** Below zero after a push that made the bucket smaller than what was spent: that debt is paid off first. */
  private tokens: number
  private at: number

  /** @param spent calls that it begins with as if they had been made */
  constructor(settings: TokenBucketSettings, now: number, spent = 0) {
    this.settings = settings
    this.tokens = settings.burst - spent
    this.at = now
  }

  /** Takes one token; false when there is none. */
  take(now: number): boolean {
    this.refill(now)
    if (this.tokens < ONE) return false
    this.tokens--
    return true
  }

  /** Whole tokens that are left. */
  left(now: number): number {
    return Math.max(0, Math.floor(this.tokensAt(now) + 1 - ONE))
  }

  /** Milliseconds until one token is there; 0 when there is one. Infinity for a bucket that never fills. */
  waitMs(now: number): number {
    this.refill(now)
    return this.tokens >= ONE ? 0 : (1 - this.tokens) / this.settings.ratePerMs
  }

  spent(now: number): number {
    this.refill(now)
    return this.settings.burst - this.tokens
  }

  /** Applies to the living state: what was spent stays spent, whatever the size of the bucket is now. */
  reconfigure(settings: TokenBucketSettings, now: number): void {
    this.refill(now)
    this.tokens += settings.burst - this.settings.burst
    this.settings = settings
  }

  private refill(now: number): void {
    const passed = now - this.at
    // A clock that is read elsewhere may be a tick behind.
    if (passed <= 0) return
    this.tokens = this.tokensAt(now)
    this.at = now
  }

  private tokensAt(now: number): number {
    return Math.min(this.settings.burst, this.tokens + Math.max(0, now - this.at) * this.settings.ratePerMs)
  }
}

/** One token, but for what is lost when fractions are added: whoever waits exactly `waitMs` must get his. */
const ONE = 1 - 1e-9

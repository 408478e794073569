import { LRUCache } from 'lru-cache'
import type { RateMeter, TokenBucketSettings } from '../core/token-bucket.ts'

/** Makes what one key may spend. */
export type MeterClass = new (settings: TokenBucketSettings, now: number, spent?: number) => RateMeter

/**
 * One meter for each key, and one for all that have none. Keys are text from outside, so they are bounded: what is dropped is what was
 * asked for longest ago, which is what has had most time to fill up again. The one without a key is never dropped.
 */
export class KeyedMeters {
  private shared: RateMeter
  private readonly keyed = new LRUCache<string, RateMeter>({ max: MAX_KEYS })
  private Meter: MeterClass

  constructor(Meter: MeterClass, settings: TokenBucketSettings, now: number) {
    this.Meter = Meter
    this.shared = new Meter(settings, now)
  }

  /** Keys that are known. */
  get size(): number {
    return this.keyed.size
  }

  /** The meter of `key`, which has these settings from now on, whatever it had before. */
  of(key: string | undefined, settings: TokenBucketSettings, now: number): RateMeter {
    const meter = key === undefined ? this.shared : this.find(key, settings, now)
    if (meter.settings !== settings) meter.reconfigure(settings, now)
    return meter
  }

  /** What the meter of `key` has left, without making one or remembering that it was asked for. */
  left(key: string | undefined, settings: TokenBucketSettings, now: number): number {
    const meter = key === undefined ? this.shared : this.keyed.peek(key)
    return meter === undefined ? settings.burst : meter.left(now)
  }

  /** Applies to the living state: meters that had the settings on the left get those on the right, and none refills. */
  reconfigure(replaced: ReadonlyMap<TokenBucketSettings, TokenBucketSettings>, now: number): void {
    for (const meter of [this.shared, ...this.keyed.values()]) {
      const settings = replaced.get(meter.settings)
      if (settings !== undefined) meter.reconfigure(settings, now)
    }
  }

  /** From now on another algorithm counts; what was spent stays spent. */
  recount(Meter: MeterClass, now: number): void {
    if (Meter === this.Meter) return
    this.Meter = Meter
    const anew = (meter: RateMeter): RateMeter => new Meter(meter.settings, now, meter.spent(now))
    this.shared = anew(this.shared)
    // From the one that was asked for longest ago, so that their order stays.
    for (const [key, meter] of [...this.keyed.entries()].reverse()) this.keyed.set(key, anew(meter))
  }

  /** Another key means other meters; the one without a key stays. */
  clear(): void {
    this.keyed.clear()
  }

  private find(key: string, settings: TokenBucketSettings, now: number): RateMeter {
    let meter = this.keyed.get(key)
    if (meter === undefined) {
      meter = new this.Meter(settings, now)
      this.keyed.set(key, meter)
    }
    return meter
  }
}

/** As much of a text from outside as a key keeps of it. */
export function boundedKey(key: string): string {
  return key.length > MAX_KEY_LENGTH ? key.slice(0, MAX_KEY_LENGTH) : key
}

const MAX_KEYS = 10_000
const MAX_KEY_LENGTH = 256

import type { TokenBucketSettings } from '../core/token-bucket.ts'
import type { InboundRateLimitSettings } from '../model/inbound-limits.ts'
import type { RateSettings } from '../model/resources.ts'
import { boundedKey } from './keyed-meters.ts'
import { keyPart, type LimitKey } from './limit-key.ts'
import { bucketSettings, formatRate } from './rate-limit.ts'

/** A rate with all that is said of it, worked out once. */
export class LimitRate implements TokenBucketSettings {
  readonly ratePerMs: number
  readonly burst: number
  readonly words: string
  /** Requests of a window of whole seconds, which is all that a header can tell. */
  readonly quota: number
  readonly windowSeconds: number
  /** The quota as a header tells it, behind the name of the limit. */
  readonly policy: string

  constructor(settings: RateSettings) {
    const { ratePerMs, burst } = bucketSettings(settings)
    this.ratePerMs = ratePerMs
    this.burst = burst
    this.words = formatRate(settings)
    this.windowSeconds = Math.ceil((settings.perMs ?? 1_000) / 1_000)
    this.quota = Math.max(1, Math.floor(ratePerMs * this.windowSeconds * 1_000 + 1e-9))
    this.policy = `;q=${this.quota};w=${this.windowSeconds}`
  }
}

/** Overrides that name the same descriptors. */
interface OverrideGroup {
  /** Where these descriptors stand in `by`. */
  readonly places: readonly number[]
  readonly rates: ReadonlyMap<string, LimitRate>
}

/**
 * The rate of a limit and its overrides. Those that name the same descriptors are one table, so that what a request costs depends
 * on how many different kinds of overrides there are and not on how many overrides.
 */
export class LimitRates {
  readonly base: LimitRate
  /** By what an override is told from the others of its limit, also in the settings of a later push. */
  private readonly named = new Map<string, LimitRate>()
  private readonly groups: readonly OverrideGroup[]

  constructor(settings: InboundRateLimitSettings) {
    this.base = new LimitRate(settings)
    const groups = new Map<string, { places: number[]; rates: Map<string, LimitRate> }>()
    for (const { values, ...rate } of settings.overrides) {
      const places = settings.by.flatMap(({ label }, place) => (values.has(label) ? [place] : []))
      const group = groups.get(places.join()) ?? { places, rates: new Map() }
      groups.set(places.join(), group)
      const key = places.map((place) => keyPart(boundedKey(values.get(settings.by[place]?.label as string) as string))).join('')
      const own = new LimitRate(rate)
      group.rates.set(key, own)
      this.named.set(`${places.join()} ${key}`, own)
    }
    // The one that names most holds.
    this.groups = [...groups.values()].sort((a, b) => b.places.length - a.places.length)
  }

  /** The rate of the request that `key` read last. */
  of(key: LimitKey): LimitRate {
    for (const { places, rates } of this.groups) {
      const part = key.partial(places)
      const rate = part === undefined ? undefined : rates.get(part)
      if (rate !== undefined) return rate
    }
    return this.base
  }

  /** What those of `former` get now. An override that is gone leaves its values the rate of all others. */
  replacing(former: LimitRates): Map<TokenBucketSettings, LimitRate> {
    const replaced = new Map<TokenBucketSettings, LimitRate>([[former.base, this.base]])
    for (const [name, rate] of former.named) replaced.set(rate, this.named.get(name) ?? this.base)
    return replaced
  }
}

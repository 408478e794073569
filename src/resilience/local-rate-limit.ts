import { Gcra } from '../core/gcra.ts'
import { type RateMeter, TokenBucket } from '../core/token-bucket.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import type { InboundRateLimitSettings, RateLimitStats } from '../model/inbound-limits.ts'
import { KeyedMeters, type MeterClass } from './keyed-meters.ts'
import { LimitKey } from './limit-key.ts'
import { LimitMatch } from './limit-match.ts'
import { type LimitRate, LimitRates } from './limit-rates.ts'

const METERS = { 'token-bucket': TokenBucket, gcra: Gcra } satisfies Record<string, MeterClass>

/** One of the limits of {@link LocalRateLimits}: it is asked about a request first, and charged when all others let it go too. */
export class LocalRateLimit {
  settings: InboundRateLimitSettings
  /** Its name as a header tells it. */
  readonly quotedName: string
  allowed = 0
  refused = 0
  dryRunRefused = 0
  /** Of the request that was asked about last; undefined when the limit is not for it. */
  meter: RateMeter | undefined = undefined
  /** The rate of that request. */
  rate: LimitRate
  private match: LimitMatch
  private key: LimitKey
  private rates: LimitRates
  private readonly meters: KeyedMeters

  constructor(settings: InboundRateLimitSettings, now: number) {
    this.settings = settings
    this.quotedName = `"${settings.name.replace(/["\\]/g, '\\$&')}"`
    this.match = new LimitMatch(settings.match)
    this.key = new LimitKey(settings.by)
    this.rates = new LimitRates(settings)
    this.rate = this.rates.base
    this.meters = new KeyedMeters(METERS[settings.algorithm], this.rate, now)
  }

  /** Milliseconds until it would let `call` go; 0 when it does now. Nothing is charged. */
  ask(call: InboundCall, now: number): number {
    const route = this.match.route(call)
    if (route === undefined) {
      this.meter = undefined
      return 0
    }
    const key = this.key.read(call, route)
    this.rate = this.rates.of(this.key)
    this.meter = this.meters.of(key, this.rate, now)
    return this.meter.waitMs(now)
  }

  /** Charges the request that it was asked about last. */
  charge(now: number): void {
    if (this.meter?.take(now) === true) this.allowed++
  }

  /** Applies to the living state: what was spent stays spent, whatever the rate and the algorithm. Other descriptors begin anew. */
  reconfigure(settings: InboundRateLimitSettings, now: number): void {
    const labels = (list: InboundRateLimitSettings['by']): string => list.map(({ label }) => label).join(' ')
    const rates = new LimitRates(settings)
    if (labels(settings.by) !== labels(this.settings.by)) this.meters.clear()
    this.meters.recount(METERS[settings.algorithm], now)
    this.meters.reconfigure(rates.replacing(this.rates), now)
    this.settings = settings
    this.match = new LimitMatch(settings.match)
    this.key = new LimitKey(settings.by)
    this.rates = rates
    this.meter = undefined
  }

  /** Why it refuses the request that it was asked about last. */
  get reason(): string {
    const { name, by } = this.settings
    const whose = by.length === 0 ? '' : ` for each ${by.map(({ label }) => label).join(' and ')}`
    return `the rate limit ${name} is used up: ${this.rate.words}${whose}`
  }

  stats(): RateLimitStats['limits'][string] {
    const { allowed, refused, dryRunRefused, meters } = this
    return { allowed, refused, dryRunRefused, keys: meters.size }
  }
}

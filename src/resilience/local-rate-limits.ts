import { type AnswerHeaders, FREE_PERMIT, type Permit, type Refusal } from '../core/gate.ts'
import type { InboundCall, InboundGate } from '../model/inbound-call.ts'
import {
  DEFAULT_RATE_LIMIT_HEADERS,
  type InboundRateLimitSettings,
  type RateLimitHeaderSettings,
  type RateLimitStats,
} from '../model/inbound-limits.ts'
import { LocalRateLimit } from './local-rate-limit.ts'
import { RateRefusal } from './rate-limit.ts'
import { legacyRateLimitHeaders, rateLimitHeaders } from './rate-limit-headers.ts'

/**
 * Bounds how often requests are taken, as Envoy's local rate limit does: every limit that matches is asked, and each has to have room.
 * Only then all of them are charged; one that is turned away costs nothing, where Envoy has charged the stricter limits already.
 */
export class LocalRateLimits implements InboundGate {
  readonly name = 'rate-limits'
  allowed = 0
  refused = 0
  private readonly clock: { now(): number }
  private limits: readonly LocalRateLimit[] = []
  private headers: RateLimitHeaderSettings = DEFAULT_RATE_LIMIT_HEADERS

  constructor(settings: readonly InboundRateLimitSettings[], clock: { now(): number }, headers = DEFAULT_RATE_LIMIT_HEADERS) {
    this.clock = clock
    this.reconfigure(settings, headers)
  }

  /** Applies to the living state: a limit is known by its name, and what was spent of it stays spent. */
  reconfigure(settings: readonly InboundRateLimitSettings[], headers = this.headers): void {
    const now = this.clock.now()
    const living = new Map(this.limits.map((limit) => [limit.settings.name, limit]))
    this.headers = headers
    this.limits = settings.map((each) => {
      const limit = living.get(each.name) ?? new LocalRateLimit(each, now)
      if (limit.settings !== each) limit.reconfigure(each, now)
      return limit
    })
  }

  admit(call: InboundCall): Permit | Refusal {
    const now = call.nowBy?.(this.clock) ?? this.clock.now()
    let refusing: LocalRateLimit | undefined
    let longestMs = 0
    for (const limit of this.limits) {
      const waitMs = limit.ask(call, now)
      if (waitMs === 0) continue
      if (limit.settings.dryRun) {
        limit.dryRunRefused++
        continue
      }
      limit.refused++
      longestMs = Math.max(longestMs, waitMs)
      // The strictest is named.
      if (refusing === undefined || limit.rate.ratePerMs < refusing.rate.ratePerMs) refusing = limit
    }
    if (refusing !== undefined) return this.refuse(refusing, longestMs, now)
    this.allowed++
    for (const limit of this.limits) limit.charge(now)
    return this.headers.answers ? new ToldPermit(this.told(now)) : FREE_PERMIT
  }

  stats(): RateLimitStats {
    const { allowed, refused, limits } = this
    return { allowed, refused, limits: Object.fromEntries(limits.map((limit) => [limit.settings.name, limit.stats()])) }
  }

  private refuse(limit: LocalRateLimit, waitMs: number, now: number): Refusal {
    this.refused++
    const refusal = new RateRefusal(limit.reason, `options/inbound#rateLimits.${limit.settings.name}`)
    refusal.retryAfterMs = Math.ceil(waitMs)
    if (this.headers.refusals) refusal.headers = this.told(now)
    return refusal
  }

  private told(now: number): AnswerHeaders {
    return this.headers.legacy ? legacyRateLimitHeaders(this.limits, now) : rateLimitHeaders(this.limits, now)
  }
}

/** A permit that has something to say to the client. */
class ToldPermit implements Permit {
  readonly answerHeaders: AnswerHeaders
  constructor(answerHeaders: AnswerHeaders) {
    this.answerHeaders = answerHeaders
  }
  settle(): void {}
}

import type { AnswerHeaders } from '../core/gate.ts'
import type { LocalRateLimit } from './local-rate-limit.ts'

/**
 * What an answer says of the limits that its request was asked about (draft-ietf-httpapi-ratelimit-headers): their policies and what
 * is left of each. `t` is when one more may come where nothing is left, and when all is there again otherwise.
 */
export function rateLimitHeaders(limits: readonly LocalRateLimit[], now: number): AnswerHeaders {
  let policies = ''
  let states = ''
  for (const limit of limits) {
    if (!isTold(limit)) continue
    const { rate, quotedName } = limit
    const comma = policies === '' ? '' : ', '
    policies += comma + quotedName + rate.policy
    states += `${comma}${quotedName};r=${limit.meter.left(now)};t=${resetSeconds(limit, now)}`
  }
  return policies === ''
    ? NONE
    : [
        ['RateLimit-Policy', policies],
        ['RateLimit', states],
      ]
}

/** The three headers of its earlier versions, which have room for one limit: the one of which least is left. */
export function legacyRateLimitHeaders(limits: readonly LocalRateLimit[], now: number): AnswerHeaders {
  let least: Told | undefined
  let leastShare = Number.POSITIVE_INFINITY
  for (const limit of limits) {
    if (!isTold(limit)) continue
    const share = limit.meter.left(now) / limit.rate.burst
    if (share >= leastShare) continue
    leastShare = share
    least = limit
  }
  if (least === undefined) return NONE
  return [
    ['RateLimit-Limit', String(least.rate.quota)],
    ['RateLimit-Remaining', String(least.meter.left(now))],
    ['RateLimit-Reset', String(resetSeconds(least, now))],
  ]
}

type Told = LocalRateLimit & { readonly meter: NonNullable<LocalRateLimit['meter']> }

const NONE: AnswerHeaders = Object.freeze([])

/** A limit that refuses nobody is nobody's business. */
function isTold(limit: LocalRateLimit): limit is Told {
  return limit.meter !== undefined && !limit.settings.dryRun
}

function resetSeconds({ meter, rate }: Told, now: number): number {
  const waitMs = meter.waitMs(now)
  return Math.ceil((waitMs > 0 ? waitMs : meter.spent(now) / rate.ratePerMs) / 1_000 - 1e-9)
}

import { parseRetryAfter } from '../core/retry-after.ts'
import type { TryOutcome } from '../core/try-outcome.ts'
import type { RateLimitedBackoff } from '../model/call-policy-settings.ts'
import type { RawHeaders } from './handler.ts'
import { rawHeader } from './headers.ts'

/**
 * What the head of an answer that is no good says about further tries: `Retry-After`, the headers of a rate limit, `x-envoy-ratelimited`,
 * and gRPC's `grpc-retry-pushback-ms` (gRFC A6).
 */
export function readPushback(attempt: TryOutcome, raw: RawHeaders, limited: RateLimitedBackoff | undefined, wallTimeMs: number): void {
  attempt.rateLimited = rawHeader(raw, 'x-envoy-ratelimited') !== undefined
  attempt.pushbackMs = parsePushback(rawHeader(raw, 'grpc-retry-pushback-ms'))
  attempt.retryAfterMs = (limited && resetAfterMs(raw, limited, wallTimeMs)) ?? parseRetryAfter(rawHeader(raw, 'retry-after'), wallTimeMs)
}

/** Milliseconds to wait; -1, which is no further try, for what is negative or no number. */
function parsePushback(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  return /^\s*\d{1,10}\s*$/.test(value) ? Number(value) : -1
}

/** The first header that tells a time within the bound; in milliseconds from now. */
function resetAfterMs(raw: RawHeaders, { headers, maxMs }: RateLimitedBackoff, wallTimeMs: number): number | undefined {
  for (const { name, format } of headers) {
    const value = rawHeader(raw, name)?.trim()
    if (value === undefined || !/^\d{1,12}$/.test(value)) continue
    const ms = Number(value) * 1_000 - (format === 'unix' ? wallTimeMs : 0)
    if (ms > 0 && ms <= maxMs) return ms
  }
  return undefined
}

/** Milliseconds that a `Retry-After` asks for (seconds or a date, RFC 9110 §10.2.3), at most a day; undefined when unusable. */
export function parseRetryAfter(value: string | undefined, wallTimeMs: number): number | undefined {
  if (value === undefined) return undefined
  const written = value.trim()
  // `Date.parse` takes nearly anything for a date, `-1` too; an HTTP date begins with the day (RFC 9110 §5.6.7).
  const ms = /^\d+$/.test(written)
    ? Number(written) * 1_000
    : /^[A-Z][a-z]{2}/.test(written)
      ? Date.parse(written) - wallTimeMs
      : Number.NaN
  if (!Number.isFinite(ms)) return undefined
  return Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

const MAX_RETRY_AFTER_MS = 86_400_000

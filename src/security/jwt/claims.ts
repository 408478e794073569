import type { TokenProviderSettings } from '../../model/authentication.ts'
import type { TokenFailure } from './refusals.ts'
import type { Claims } from './strict-json.ts'

/** When a token holds, leeway included, in milliseconds of wall time. */
export interface Validity {
  readonly notBeforeMs: number
  readonly expiresAtMs: number
}

/** Whether the claims are what `provider` asks for (RFC 7519 §4.1), now: when they hold, or what is wrong. */
export function checkClaims(
  claims: Claims,
  provider: Pick<TokenProviderSettings, 'audiences' | 'leewayMs'>,
  nowMs: number,
): Validity | TokenFailure {
  const { exp, nbf, iat, sub } = claims
  // A subject without end or with line breaks goes into logs, policies and headers of others.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (sub !== undefined && (typeof sub !== 'string' || sub.length > MAX_SUBJECT || /[\u0000-\u001f\u007f]/.test(sub))) return 'subject'
  if (exp === undefined) return 'no-expiry'
  const { leewayMs, audiences } = provider
  for (const time of [exp, nbf, iat]) if (time !== undefined && !isTime(time)) return 'time'
  const expiresAtMs = (exp as number) * 1_000 + leewayMs
  const notBeforeMs = Math.max((nbf as number | undefined) ?? 0, (iat as number | undefined) ?? 0) * 1_000 - leewayMs
  if (nowMs >= expiresAtMs) return 'expired'
  if (nowMs < notBeforeMs) return 'not-yet'
  if (audiences !== undefined && !audienceFits(claims['aud'], audiences)) return 'audience'
  return { notBeforeMs, expiresAtMs }
}

/** Seconds of an epoch that a calendar has: `1e400` is Infinity, and a token until the year 30,000 is a mistake. */
function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= LAST_SECOND
}

function audienceFits(aud: unknown, audiences: readonly string[]): boolean {
  if (typeof aud === 'string') return audiences.includes(aud)
  return Array.isArray(aud) && aud.every((each) => typeof each === 'string') && aud.some((each) => audiences.includes(each as string))
}

const MAX_SUBJECT = 1_024
/** The end of the year 9999. */
const LAST_SECOND = 253_402_300_799

/** Milliseconds as a number, or text such as `'250ms'`, `'2s'`, `'1m30s'`, `'1h'`. At most 24 days. */
export type Duration = number | string

/** Longest duration that configuration may name: what a platform timer can hold, in whole days. */
const MAX_DURATION_MS = 24 * 86_400_000

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const SHAPE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g

/** Milliseconds of `duration`, or undefined when it is not a duration from 0 to 24 days. */
export function parseDuration(duration: unknown): number | undefined {
  const ms = typeof duration === 'string' ? parseText(duration) : duration
  return typeof ms === 'number' && ms >= 0 && ms <= MAX_DURATION_MS ? ms : undefined
}

function parseText(text: string): number | undefined {
  // The length bound keeps the expression linear in practice: no honest duration is longer.
  if (text.length > 64 || !SHAPE.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * (UNIT_MS.get(unit as string) as number)
  return total
}

/** `ms` as a person would write it: `250ms`, `2s`, `1m30s`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return 'none'
  if (ms < 1_000) return `${Math.round(ms * 10) / 10}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor((ms % 3_600_000) / 60_000)
  const seconds = Math.round((ms % 60_000) / 100) / 10
  return `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds || !(hours || minutes) ? `${seconds}s` : ''}`
}

/** What ranks and weights are worked out from. */
interface Ranked {
  readonly priority: number
  readonly weight: number
}

/** SRV priorities (0–65535, lower first) as the endpoints' own: 0, 1, 2 … in the same order. */
export function rankPriorities(records: readonly Ranked[]): (priority: number) => number {
  const order = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  return (priority) => Math.min(order.indexOf(priority), MAX_PRIORITY)
}

/**
 * SRV weights (0–65535) as the endpoints' own, 1–1000. Zero is *hardly ever* beside others (RFC 2782) and *equal* among zeros, so
 * what stands beside a zero is scaled up as far as it goes.
 */
export function scaleWeights(records: readonly Ranked[]): (weight: number) => number {
  const weights = records.map(({ weight }) => weight)
  const most = Math.max(...weights)
  if (most === 0) return () => 1
  if (most <= MAX_WEIGHT && !weights.includes(0)) return (weight) => weight
  return (weight) => Math.max(1, Math.round((weight * MAX_WEIGHT) / most))
}

const MAX_PRIORITY = 127
const MAX_WEIGHT = 1_000

/** One zone as zone-aware routing sees it: what its healthy endpoints weigh, and how many callers it has. */
export interface Zone {
  readonly capacity: number
  readonly callers: number
}

/** What becomes of the calls of one zone, in 1/100 of a percent, as Envoy counts. */
export interface ZoneShares {
  /** Calls that stay. */
  readonly local: number
  /** What the zones up to each could take besides their own callers, added up; the rest of the calls is divided by it. */
  readonly residual: readonly number[]
  /** What each zone gets of the calls, 0–1; together 1. */
  readonly shares: readonly number[]
}

/**
 * How the calls of one zone are divided among all, so that endpoints everywhere have the same load: a zone with a smaller share of
 * the capacity than of the callers keeps what it carries, and the rest goes where there is more capacity than callers (Envoy's
 * zone-aware routing). There is some capacity and at least one caller.
 * @param own the zone whose calls are divided
 */
export function zoneShares(zones: readonly Zone[], own: number): ZoneShares {
  const capacity = zones.reduce((sum, zone) => sum + zone.capacity, 0)
  const callers = zones.reduce((sum, zone) => sum + zone.callers, 0)
  const offered = zones.map((zone) => Math.floor((FULL * zone.capacity) / capacity))
  const asked = zones.map((zone) => Math.floor((FULL * zone.callers) / callers))
  const [ours, needed] = [offered[own] as number, asked[own] as number]
  const stay = ours > 0 && ours >= needed ? FULL : Math.floor((ours * FULL) / Math.max(1, needed))
  let sum = 0
  const residual = zones.map((_, index) => {
    if (index !== own) sum += Math.max(0, (offered[index] as number) - (asked[index] as number))
    return sum
  })
  return { local: stay, residual, shares: sharesOf(stay, residual, own) }
}

function sharesOf(local: number, residual: readonly number[], own: number): number[] {
  const total = residual.at(-1) as number
  const leaving = (FULL - local) / FULL
  return residual.map((upTo, index) => {
    // Rounding may leave nobody with room for the last calls.
    const part = total === 0 ? 1 / residual.length : (upTo - (residual[index - 1] ?? 0)) / total
    return (index === own ? local / FULL : 0) + leaving * part
  })
}

const FULL = 10_000

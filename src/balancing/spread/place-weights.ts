/** One place as weights see it: its share, its endpoints, and how many of them may be used. */
export interface WeighedPlace {
  readonly weight: number
  readonly total: number
  readonly available: number
}

/**
 * What each place gets of the calls, 0–1: its weight × min(1, overprovisioning × available ÷ total), as Envoy weighs localities. A
 * place keeps its whole weight until less than 100 ÷ 1.4 of its endpoints are available. All 0 when no place with a weight has any.
 */
export function placeShares(places: readonly WeighedPlace[], overprovisioningPercent: number): number[] {
  const effective = places.map(({ weight, total, available }) =>
    total === 0 ? 0 : weight * Math.min(1, (overprovisioningPercent * available) / (100 * total)),
  )
  const sum = effective.reduce((all, each) => all + each, 0)
  return effective.map((each) => (sum === 0 ? 0 : each / sum))
}

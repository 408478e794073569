import type { ExplainedBackend, Explanation } from '../../model/explanation.ts'

/** Finds where that was written which an explanation calls `from`; undefined where nobody knows. */
export type PlaceOf = (from: string) => string | undefined

/** `told` with the places of everything that it names, as far as they are known. */
export function withPlaces(told: Explanation, placeOf: PlaceOf): Explanation {
  const places: Record<string, string> = {}
  for (const from of namedIn(told)) {
    const place = placeOf(from)
    if (place !== undefined) places[from] = place
  }
  return Object.keys(places).length === 0 ? told : { ...told, places }
}

function namedIn(told: Explanation): Set<string> {
  const rewriters = told.rewrites.flatMap((said) => /\(([^()]+)\)$/.exec(said)?.[1] ?? [])
  return new Set([told, ...(told.alternatives ?? [])].flatMap(ofBackend).concat(rewriters))
}

function ofBackend({ from, gates, safeguards, timeouts, selection }: Omit<ExplainedBackend, 'service'>): string[] {
  const steps = [...gates, ...safeguards].map((step) => step.from)
  return [...Object.values(from), ...steps, ...Object.values(timeouts?.from ?? {}), ...(selection === undefined ? [] : [selection.from])]
}

import type { Provenance, RouteResource } from '../model/resources.ts'
import type { RouteSnapshot } from '../model/snapshot.ts'

/** One version of a route that counts, and who gave it. */
export interface RouteVersion {
  readonly resource: RouteResource
  readonly from: Provenance
  /** Strength of its source: of two routes for one host that of the greater counts. */
  readonly rank: number
}

/** The routes, those whose hosts count first: of the stronger source first, each source's in its own order. */
export function orderRoutes(versions: readonly RouteVersion[]): readonly RouteSnapshot[] {
  const sorted = [...versions].sort((a, b) => b.rank - a.rank || a.resource.order - b.resource.order)
  return Object.freeze(
    sorted.map(({ resource: { name, namespace, hosts, rules }, from }) => Object.freeze({ name, namespace, hosts, rules, from })),
  )
}

import type { Endpoint } from '../../core/endpoint.ts'
import type { ServicePlan } from '../service-plan.ts'

/** The endpoints that are used because others are out of use, with the address of whom each stands in for; null where that one is back. */
export function standInsOf({ set, balancing }: ServicePlan): ReadonlyMap<Endpoint, string | null> {
  const found = new Map<Endpoint, string | null>()
  const ids = balancing.members.standIns()
  if (ids.size === 0) return found
  const byId = new Map(set.all.map((endpoint) => [endpoint.id, endpoint]))
  for (const [id, out] of ids) {
    const endpoint = byId.get(id)
    if (endpoint !== undefined) found.set(endpoint, (out === undefined ? undefined : byId.get(out)?.address) ?? null)
  }
  return found
}

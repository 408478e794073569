import type { RouteResource } from '../model/resources.ts'
import type { RouteSnapshot } from '../model/snapshot.ts'
import type { RankedVersion } from './ranked-list.ts'

/** What the snapshot shows of a route; of two for one host the one that stands first in the list counts. */
export function shownRoute({ resource: { name, namespace, hosts, rules }, from }: RankedVersion<RouteResource>): RouteSnapshot {
  return Object.freeze({ name, namespace, hosts, rules, from })
}

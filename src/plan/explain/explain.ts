import type { Explanation } from '../../model/explanation.ts'
import type { HostMatch } from '../host-table.ts'
import type { Plan } from '../plan.ts'
import type { RouteMatch } from '../route-table.ts'
import type { Asked } from './asked.ts'
import { explainRouted } from './explain-route.ts'
import { explainFound } from './explain-service.ts'
import { outline } from './outline.ts'

/** Says what would happen now to a request for a host: one that has a route, one that is a service's, or a stranger's. It changes nothing. */
export function explain(plan: Plan, found: HostMatch | RouteMatch | undefined, asked: Asked, unknownHosts: 'pass' | 'refuse'): Explanation {
  if (found !== undefined) return 'route' in found ? explainRouted(plan, found, asked) : explainFound(plan, found, asked)
  const match = 'no service answers to this host and port'
  const route = { host: asked.host, service: undefined, match, decision: unknownHosts }
  const from = { route: 'options/unknownHosts' }
  return unknownHosts === 'pass'
    ? outline(route, { tls: 'as the platform does', protocol: 'as the platform does', from })
    : outline(route, { from, error: 'MESH_UNKNOWN_SERVICE' })
}

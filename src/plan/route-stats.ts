import type { RouteStats, RuleStats } from '../model/stats.ts'
import type { RoutePlan } from './route-plan.ts'

/** The plain numbers of every route. */
export function routeStats(routes: Iterable<RoutePlan>, ownNamespace: string): Record<string, RouteStats> {
  const stats = Object.create(null) as Record<string, RouteStats>
  for (const { name, snapshot, counters, list } of routes) {
    const rules = Object.create(null) as Record<string, RuleStats>
    for (const rule of list) {
      const { calls, answered, mirrors } = rule.counters
      const copies = Object.create(null) as RuleStats['mirrors']
      for (const [service, { calls: copied, skipped }] of mirrors) {
        const { calls: sent, inflight, successes, failures } = copied
        copies[service] = { sent, inflight, successes, failures, skipped }
      }
      rules[rule.name] = { calls, answered, mirrors: copies }
    }
    const key = snapshot.namespace === ownNamespace ? name : `${name}.${snapshot.namespace}`
    stats[key] = { unmatched: counters.unmatched, rules }
  }
  return stats
}

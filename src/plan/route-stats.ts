import type { RouteStats, RuleStats } from '../model/stats.ts'
import type { RuleCounters } from './route-counters.ts'
import type { RoutePlan } from './route-plan.ts'

/** The plain numbers of every route. */
export function routeStats(routes: Iterable<RoutePlan>, ownNamespace: string): Record<string, RouteStats> {
  return Object.fromEntries(
    Array.from(routes, ({ name, snapshot, counters, list }) => [
      snapshot.namespace === ownNamespace ? name : `${name}.${snapshot.namespace}`,
      { unmatched: counters.unmatched, rules: Object.fromEntries(list.map((rule) => [rule.name, ruleStats(rule.counters)])) },
    ]),
  )
}

function ruleStats({ calls, answered, mirrors }: RuleCounters): RuleStats {
  const copies = Array.from(mirrors, ([service, { calls: copied, skipped }]) => {
    const { calls: sent, inflight, successes, failures } = copied
    return [service, { sent, inflight, successes, failures, skipped }] as const
  })
  return { calls, answered, mirrors: Object.fromEntries(copies) }
}

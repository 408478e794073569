import { isDeepStrictEqual } from '../core/deep-equal.ts'
import type { Random } from '../core/random.ts'
import type { RouteSnapshot } from '../model/snapshot.ts'
import { HostSearch } from '../routing/host-search.ts'
import { RouteCounters } from './route-counters.ts'
import { RoutePlan } from './route-plan.ts'

/** Which route a host has, and by which of its patterns. */
export interface RouteMatch {
  /** Undefined: there was one once, and nobody else may answer in its place. */
  readonly route: RoutePlan | undefined
  /** Its name. */
  readonly name: string
  readonly match: string
}

/**
 * The routes of a mesh by their hosts. A route that did not change stays the same object, so that a push compiles what it touched. Hosts
 * of routes that left are remembered: what was meant for them must not go out to whatever DNS finds.
 */
export class RouteTable {
  private readonly random: Random
  private snapshots: readonly RouteSnapshot[] = []
  private plans = new Map<string, RoutePlan>()
  private search = new HostSearch<RouteMatch>()
  private readonly former = new Map<string, string>()

  constructor(random: Random) {
    this.random = random
  }

  /** Takes over another list; false when it is the same one. */
  reconfigure(routes: readonly RouteSnapshot[]): boolean {
    if (routes === this.snapshots) return false
    this.snapshots = routes
    const plans = new Map<string, RoutePlan>()
    for (const snapshot of routes) {
      const key = `${snapshot.namespace}/${snapshot.name}`
      const former = this.plans.get(key)
      const same = former !== undefined && (former.snapshot === snapshot || isDeepStrictEqual(former.snapshot, snapshot))
      plans.set(key, same ? former : new RoutePlan(snapshot, former?.counters ?? new RouteCounters(), this.random))
    }
    this.remember(plans)
    this.plans = plans
    this.search = this.searchOf(plans)
    return true
  }

  /** The route that names the very host. */
  exact(host: string, port: number): RouteMatch | undefined {
    return this.search.exact(host, port)
  }

  /** The route with a pattern for the host. */
  wildcard(host: string, port: number): RouteMatch | undefined {
    return this.search.wildcard(host, port)
  }

  all(): Iterable<RoutePlan> {
    return this.plans.values()
  }

  private searchOf(plans: ReadonlyMap<string, RoutePlan>): HostSearch<RouteMatch> {
    const search = new HostSearch<RouteMatch>()
    for (const route of plans.values()) for (const match of route.snapshot.hosts) search.add(match, { route, name: route.name, match })
    // After those that are: the first that was added counts.
    for (const [match, name] of this.former) search.add(match, { route: undefined, name, match })
    search.seal()
    return search
  }

  private remember(next: ReadonlyMap<string, RoutePlan>): void {
    const present = new Set([...next.values()].flatMap(({ snapshot }) => snapshot.hosts))
    for (const { name, snapshot } of this.plans.values())
      for (const host of snapshot.hosts) if (!present.has(host) && !/^\*(?::\d+)?$/.test(host)) this.former.set(host, name)
    for (const host of present) this.former.delete(host)
    for (const oldest of this.former.keys()) {
      if (this.former.size <= MAX_FORMER) break
      this.former.delete(oldest)
    }
  }
}

/** Hosts come from outside: an unlimited memory of them would be a leak. */
const MAX_FORMER = 1_000

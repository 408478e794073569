import type { Random } from '../core/random.ts'
import { formatProvenance } from '../model/resources.ts'
import type { RuleSettings } from '../model/route-settings.ts'
import type { RouteSnapshot } from '../model/snapshot.ts'
import { Fallback } from '../resilience/fallback.ts'
import { FaultInjector } from '../resilience/fault.ts'
import { CompiledRule } from '../routing/compiled-rule.ts'
import { Rules } from '../routing/rules.ts'
import type { RulePolicy } from './call-policy.ts'
import type { RouteCounters, RuleCounters } from './route-counters.ts'

/** One rule as it runs. */
export class PlannedRule extends CompiledRule {
  readonly policy: RulePolicy
  readonly counters: RuleCounters
  /** The rule as errors print it. */
  readonly from: string

  constructor(settings: RuleSettings, route: RouteSnapshot, counters: RuleCounters, random: Random) {
    super(settings, route.name)
    const { timeoutMs, idleTimeoutMs, retry, hedge, fault, fallback } = settings
    this.from = formatProvenance({ ...route.from, section: settings.name })
    this.counters = counters
    const timeouts = {
      ...(timeoutMs === undefined ? {} : { timeoutMs, headTimeoutMs: timeoutMs }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    }
    this.policy = {
      from: this.from,
      identity: counters,
      timeouts: Object.keys(timeouts).length === 0 ? undefined : timeouts,
      retry,
      hedge,
      fault: fault === false ? null : fault && new FaultInjector(fault, random),
      fallback: fallback === false ? null : fallback && new Fallback(fallback),
    }
  }
}

/** One route as it runs: its rules, in the order in which they are asked. */
export class RoutePlan {
  readonly name: string
  readonly snapshot: RouteSnapshot
  /** The resource that holds it. */
  readonly from: string
  readonly counters: RouteCounters
  readonly list: readonly PlannedRule[]
  readonly rules: Rules<PlannedRule>

  constructor(snapshot: RouteSnapshot, counters: RouteCounters, random: Random) {
    this.name = snapshot.name
    this.snapshot = snapshot
    this.from = formatProvenance(snapshot.from)
    this.counters = counters
    this.list = snapshot.rules.map((rule) => new PlannedRule(rule, snapshot, counters.rule(rule.name), random))
    this.rules = new Rules(this.list)
    counters.keep(new Set(snapshot.rules.map(({ name }) => name)))
  }
}

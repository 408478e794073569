import type { Random } from '../core/random.ts'
import { DEFAULT_HEDGE, type HedgeSettings } from '../model/hedge.ts'
import { formatProvenance, type Policy, type Provenance, type RetrySettings, type TimeoutSettings } from '../model/resources.ts'
import type { Fallback } from '../resilience/fallback.ts'
import type { FaultInjector } from '../resilience/fault.ts'
import type { HedgePolicy } from '../resilience/hedge.ts'
import { RetryPolicy } from '../resilience/retry.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { Hedging } from './hedging.ts'

/** What one call goes by from its beginning to its end, whatever is pushed meanwhile: its service's policy, or what a rule says instead. */
export interface CallPolicy {
  readonly timeouts: TimeoutSettings
  readonly retrySettings: RetrySettings
  readonly retry: RetryPolicy
  /** Undefined where it is switched off. */
  readonly hedge: HedgePolicy | undefined
  readonly fault: FaultInjector | undefined
  readonly fallback: Fallback | undefined
  /** The resource that wrote a section, or one of its fields (`timeouts.idleTimeoutMs`), as errors print it. */
  from(section: string): string | undefined
}

/** What all policies of one service share. */
export interface PolicyGround {
  readonly policy: Policy
  readonly from: Readonly<Record<string, Provenance>>
  readonly budget: RetryBudget
  readonly hedging: Hedging
  readonly random: Random
  readonly fault: FaultInjector | undefined
  readonly fallback: Fallback | undefined
}

/** The policy of a service itself. */
export function servicePolicy({ policy, from, budget, hedging, random, fault, fallback }: PolicyGround): CallPolicy {
  return {
    timeouts: policy.timeouts,
    retrySettings: policy.retry,
    retry: new RetryPolicy(policy.retry, budget, random),
    hedge: hedging.policy(policy.hedge),
    fault,
    fallback,
    from(section) {
      const provenance = from[section] ?? from[sectionOf(section)]
      return provenance === undefined ? undefined : formatProvenance(provenance)
    },
  }
}

/** What a rule says about the calls that it sends somewhere; what is absent is as the service has it. */
export interface RulePolicy {
  /** The rule, as errors print it. */
  readonly from: string
  /** Stays the same when the rule is pushed anew: what was learnt of its calls is kept under it. */
  readonly identity: object
  readonly timeouts: Partial<TimeoutSettings> | undefined
  /** `false`: no re-sends. */
  readonly retry: Partial<RetrySettings> | false | undefined
  readonly hedge: Partial<HedgeSettings> | false | undefined
  /** `null`: switched off. */
  readonly fault: FaultInjector | null | undefined
  readonly fallback: Fallback | null | undefined
}

/** What the rules that lead to one service share. */
export type RuleGround = Pick<PolicyGround, 'budget' | 'hedging'>

/** The policy of a service with what a rule says instead. */
export function withRule(base: CallPolicy, rule: RulePolicy, { budget, hedging }: RuleGround, random: Random): CallPolicy {
  const { timeouts, retry, hedge, fault, fallback } = rule
  const written = { timeouts, retry, hedge, fault, fallback } as Readonly<Record<string, unknown>>
  if (Object.values(written).every((section) => section === undefined) && base.hedge === undefined) return base
  const retrySettings = retry === undefined ? base.retrySettings : { ...base.retrySettings, ...(retry === false ? { attempts: 0 } : retry) }
  return {
    timeouts: timeouts === undefined ? base.timeouts : { ...base.timeouts, ...timeouts },
    retrySettings,
    retry: retry === undefined ? base.retry : new RetryPolicy(retrySettings, budget, random),
    hedge: hedging.policy(hedge === false ? false : hedged(base.hedge?.settings, hedge), rule.identity),
    fault: fault === undefined ? base.fault : (fault ?? undefined),
    fallback: fallback === undefined ? base.fallback : (fallback ?? undefined),
    from: (section) => (writes(written, section) ? rule.from : base.from(section)),
  }
}

function hedged(base: HedgeSettings | undefined, rule: Partial<HedgeSettings> | undefined): HedgeSettings | false {
  return rule === undefined ? (base ?? false) : { ...(base ?? DEFAULT_HEDGE), ...rule }
}

/** Whether the sections in `written` have this one; of a field, whether it is in its section. */
function writes(written: Readonly<Record<string, unknown>>, section: string): boolean {
  const whole = written[sectionOf(section)]
  if (whole === undefined || !section.includes('.')) return whole !== undefined
  return typeof whole === 'object' && whole !== null && section.slice(section.indexOf('.') + 1) in whole
}

/** `timeouts` of `timeouts.idleTimeoutMs`. */
function sectionOf(field: string): string {
  const dot = field.indexOf('.')
  return dot < 0 ? field : field.slice(0, dot)
}

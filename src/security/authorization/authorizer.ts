import { FREE_PERMIT, type Permit, type Refusal } from '../../core/gate.ts'
import type {
  AuthorizationAnswer,
  AuthorizationDecision,
  AuthorizationPolicyOptions,
  AuthorizationStats,
} from '../../model/authorization.ts'
import type { InboundCall, InboundGate } from '../../model/inbound-call.ts'
import { formatProvenance } from '../../model/resources.ts'
import type { AuthorizationSnapshot, AuthorizationState } from '../../model/snapshot.ts'
import { type ParsedPolicy, readPolicies, readPolicy, Verdict } from './policy.ts'
import { type PlacedPolicy, RuleSet } from './rule-set.ts'

/** What an authorizer may be told besides its policies. */
export interface AuthorizerOptions {
  /** Where policies live that name no namespace. Default `default`. */
  readonly namespace?: string
  /** Hears what made an evaluation fail; the request is refused whatever it does. */
  readonly failed?: (error: unknown) => void
}

const NO_READINGS: readonly string[] = Object.freeze([])

/**
 * Decides which requests this process takes. Policies are compiled into an index when they change; a decision looks only at those
 * that name the request's principal, host, path or method, and makes no object. Every doubt is a no: a policy that is missing, a
 * condition that throws.
 */
export class Authorizer implements InboundGate {
  readonly name = 'authorization'
  private readonly report: (error: unknown) => void
  private readonly counters = { allowed: 0, denied: 0, dryAllowed: 0, dryDenied: 0, errors: 0 }
  private enforced = new RuleSet([])
  /** The same with the policies in dry run; undefined when there are none. */
  private rehearsed: RuleSet | undefined = undefined
  private parsed = new Map<AuthorizationPolicyOptions, ParsedPolicy>()
  private policies = { enforced: 0, dryRun: 0 }
  private missing: readonly Verdict[] = []

  /** @throws MeshError `MESH_CONFIG` with every problem of the policies and its path */
  constructor(policies: readonly AuthorizationPolicyOptions[] = [], { namespace = 'default', failed = () => {} }: AuthorizerOptions = {}) {
    this.report = failed
    if (policies.length === 0) return
    const snapshots = readPolicies(policies, namespace).map(({ name, namespace: own }, index): AuthorizationSnapshot => {
      const from = { source: 'options', kind: 'authorization', namespace: own, name } as const
      return { name, namespace: own, policy: policies[index] as AuthorizationPolicyOptions, from }
    })
    this.reconfigure({ policies: snapshots, missing: [] })
  }

  /** Takes over other policies. Counters stay; decisions that were kept do not. */
  reconfigure({ policies, missing }: AuthorizationState): void {
    const parsed = new Map<AuthorizationPolicyOptions, ParsedPolicy>()
    const placed: PlacedPolicy[] = []
    const lost = missing.map(({ reason, from, pending }) => withheld(reason, from, pending))
    for (const { policy: document, namespace, from: provenance } of policies) {
      const from = formatProvenance(provenance)
      const policy = this.parsed.get(document) ?? readPolicy(document, namespace)
      // Nobody hands on what was not checked; if somebody does, it must not be as if it were not there.
      if ('problems' in policy) lost.push(withheld('it cannot be used', from, false))
      else {
        parsed.set(document, policy)
        placed.push({ policy, from })
      }
    }
    const enforced = placed.filter(({ policy }) => !policy.dryRun)
    this.parsed = parsed
    this.missing = lost
    this.policies = { enforced: enforced.length, dryRun: placed.length - enforced.length }
    this.enforced = new RuleSet(enforced)
    this.rehearsed = enforced.length === placed.length ? undefined : new RuleSet(placed)
  }

  /**
   * The gate. `readings` are further ways in which the application may read the path, such as in lower case: the request is let in
   * only when it would be in each of them.
   */
  admit(call: InboundCall, readings: readonly string[] = NO_READINGS): Permit | Refusal {
    const { counters } = this
    const { refusal } = this.judge(this.enforced, call, readings)
    if (refusal === undefined) counters.allowed++
    else counters.denied++
    if (this.rehearsed !== undefined) {
      if (this.judge(this.rehearsed, call, readings).action === 'allow') counters.dryAllowed++
      else counters.dryDenied++
    }
    return refusal ?? FREE_PERMIT
  }

  /** The decision and its reason; counts nothing. The same object for every request that the same rule decides. */
  decide(call: InboundCall, readings: readonly string[] = NO_READINGS): AuthorizationDecision {
    return this.judge(this.enforced, call, readings)
  }

  /** The decision as plain data, with what the policies in dry run would make of it. */
  explain(call: InboundCall, readings: readonly string[] = NO_READINGS): AuthorizationAnswer {
    const answer = plain(this.judge(this.enforced, call, readings))
    return this.rehearsed === undefined ? answer : { ...answer, dryRun: plain(this.judge(this.rehearsed, call, readings)) }
  }

  get stats(): AuthorizationStats {
    const { allowed, denied, dryAllowed, dryDenied, errors } = this.counters
    return {
      policies: this.policies.enforced,
      dryRunPolicies: this.policies.dryRun,
      allowed,
      denied,
      dryRun: { allowed: dryAllowed, denied: dryDenied },
      errors,
      missing: this.missing.map(({ reason }) => reason),
    }
  }

  private judge(rules: RuleSet, call: InboundCall, readings: readonly string[]): Verdict {
    const [missing] = this.missing
    if (missing !== undefined) return missing
    const verdict = rules.decide(call, call.pathname, this.failed)
    if (verdict.refusal !== undefined) return verdict
    for (let index = 0; index < readings.length; index++) {
      const reading = rules.decide(call, readings[index] as string, this.failed)
      if (reading.refusal !== undefined) return reading
    }
    return verdict
  }

  private readonly failed = (error: unknown): void => {
    this.counters.errors++
    try {
      this.report(error)
    } catch {
      // Whoever listens must not turn a refusal into something else.
    }
  }
}

function withheld(why: string, from: string, pending: boolean): Verdict {
  const reason = `inbound policy of ${from} is missing, so every request is refused: ${why}`
  return new Verdict({ action: 'deny', rule: '', reason, from }, pending ? 'MESH_NOT_READY' : 'MESH_FORBIDDEN')
}

function plain({ action, rule, reason, from }: AuthorizationDecision): AuthorizationDecision {
  return { action, rule, reason, from }
}

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
import { ALWAYS } from './condition.ts'
import { isLooseAlready, looseDocument } from './loose.ts'
import { type ParsedPolicy, readPolicies, readPolicy, Verdict } from './policy.ts'
import { type PlacedPolicy, RuleSet } from './rule-set.ts'

/** What an authorizer may be told besides its policies. */
export interface AuthorizerOptions {
  /** Where policies live that name no namespace. Default `default`. */
  readonly namespace?: string
  /** Hears what made an evaluation fail; the request is refused whatever it does. */
  readonly failed?: (error: unknown) => void
}

/**
 * Decides which requests this process takes. Policies are compiled into an index when they change; a decision looks only at those
 * that name the request's principal, host, path or method, and makes no object. Every doubt is a no: a policy that is missing, a
 * condition that throws.
 */
export class Authorizer implements InboundGate {
  readonly name = 'authorization'
  /** Nothing but the first answer of a source is missing. */
  pending = false
  private readonly report: (error: unknown) => void
  private readonly counters = { allowed: 0, denied: 0, dryAllowed: 0, dryDenied: 0, errors: 0 }
  private enforced = new Rules([])
  /** The same with the policies in dry run; undefined when there are none. */
  private rehearsed: Rules | undefined = undefined
  /** What was made of each policy: one that is pushed again is not read again. */
  private written = new Map<AuthorizationSnapshot, WrittenPolicy>()
  private policies = { enforced: 0, dryRun: 0 }
  private missing: readonly Verdict[] = []

  /** @throws MeshError `MESH_CONFIG` with every problem of the policies and its path */
  constructor(policies: readonly AuthorizationPolicyOptions[] = [], { namespace = 'default', failed = () => {} }: AuthorizerOptions = {}) {
    this.report = failed
    if (policies.length === 0) return
    this.enforce(
      readPolicies(policies, namespace).map((policy, index) => {
        const { name, namespace: own } = policy
        const from = formatProvenance({ source: 'options', kind: 'authorization', namespace: own, name })
        return new WrittenPolicy(policy, from, policies[index] as AuthorizationPolicyOptions)
      }),
    )
  }

  /** Takes over other policies, all at once. Counters stay, and so does what was compiled of a policy that is there again. */
  reconfigure({ policies, missing }: AuthorizationState): void {
    const written = new Map<AuthorizationSnapshot, WrittenPolicy>()
    const lost = missing.map(({ reason, from, pending }) => withheld(reason, from, pending))
    for (const snapshot of policies) {
      const known = this.written.get(snapshot) ?? readSnapshot(snapshot)
      // Nobody hands on what was not checked; if somebody does, it must not be as if it were not there.
      if (known === undefined) lost.push(withheld('it cannot be used', formatProvenance(snapshot.from), false))
      else written.set(snapshot, known)
    }
    this.written = written
    this.missing = lost
    this.pending = missing.length > 0 && lost.length === missing.length && missing.every(({ pending }) => pending)
    this.enforce([...written.values()])
  }

  /** The gate. A path that the application reads loosely must be let in as it is written and as it is read. */
  admit(call: InboundCall): Permit | Refusal {
    const { counters } = this
    const { refusal } = this.judge(this.enforced, call)
    if (refusal === undefined) counters.allowed++
    else counters.denied++
    if (this.rehearsed !== undefined) {
      if (this.judge(this.rehearsed, call).action === 'allow') counters.dryAllowed++
      else counters.dryDenied++
    }
    return refusal ?? FREE_PERMIT
  }

  /** The decision and its reason; counts nothing. The same object for every request that the same rule decides. */
  decide(call: InboundCall): AuthorizationDecision {
    return this.judge(this.enforced, call)
  }

  /** The decision as plain data, with what the policies in dry run would make of it. */
  explain(call: InboundCall): AuthorizationAnswer {
    const answer = plain(this.judge(this.enforced, call))
    return this.rehearsed === undefined ? answer : { ...answer, dryRun: plain(this.judge(this.rehearsed, call)) }
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

  private enforce(placed: readonly WrittenPolicy[]): void {
    const enforced = placed.filter(({ policy }) => !policy.dryRun)
    this.policies = { enforced: enforced.length, dryRun: placed.length - enforced.length }
    this.enforced = new Rules(enforced, this.enforced)
    this.rehearsed = enforced.length === placed.length ? undefined : new Rules(placed, this.rehearsed)
  }

  private judge(rules: Rules, call: InboundCall): Verdict {
    const [missing] = this.missing
    if (missing !== undefined) return missing
    const verdict = rules.written.decide(call, call.pathname, this.failed)
    const { loosePathname } = call
    if (verdict.refusal !== undefined || loosePathname === undefined) return verdict
    if (loosePathname === call.pathname && rules.isLoose) return verdict
    const read = rules.loose().decide(call, loosePathname, this.failed)
    return read.refusal === undefined ? verdict : read
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

/** A policy and the document that it was read from. */
class WrittenPolicy implements PlacedPolicy {
  readonly policy: ParsedPolicy
  readonly from: string
  private readonly document: AuthorizationPolicyOptions
  private looseAlready: boolean | undefined = undefined
  private read: PlacedPolicy | undefined = undefined

  constructor(policy: ParsedPolicy, from: string, document: AuthorizationPolicyOptions) {
    this.policy = policy
    this.from = from
    this.document = document
  }

  /** Its paths are folded as they are written. */
  get isLoose(): boolean {
    this.looseAlready ??= isLooseAlready(this.document)
    return this.looseAlready
  }

  /** The policy as an application means it that routes loosely. */
  loose(): PlacedPolicy {
    if (this.read !== undefined) return this.read
    const { policy, from } = this
    const loose = readPolicy(looseDocument(this.document), policy.namespace, true)
    // Folding makes no document worse; if it did, it would have to be a no.
    this.read = {
      from,
      policy: 'problems' in loose ? { ...policy, action: 'deny', rules: [{ place: 'rules', condition: ALWAYS }] } : loose,
    }
    return this.read
  }
}

function readSnapshot({ policy: document, namespace, from }: AuthorizationSnapshot): WrittenPolicy | undefined {
  const policy = readPolicy(document, namespace)
  return 'problems' in policy ? undefined : new WrittenPolicy(policy, formatProvenance(from), document)
}

/** Policies as they are written and, once an application that routes loosely asks, for its reading of paths. */
class Rules {
  readonly written: RuleSet
  private readonly policies: readonly WrittenPolicy[]
  private alreadyLoose: boolean | undefined = undefined
  private folded: RuleSet | undefined = undefined
  /** What was folded of those before. */
  private formerFolded: RuleSet | undefined

  constructor(policies: readonly WrittenPolicy[], former?: Rules) {
    this.policies = policies
    this.written = new RuleSet(policies, former?.written)
    this.formerFolded = former?.folded ?? former?.formerFolded
  }

  /** Its paths are folded as they are written: of a path that is folded too, both readings are the same. */
  get isLoose(): boolean {
    this.alreadyLoose ??= this.policies.every(({ isLoose }) => isLoose)
    return this.alreadyLoose
  }

  loose(): RuleSet {
    if (this.folded !== undefined) return this.folded
    this.folded = new RuleSet(
      this.policies.map((policy) => policy.loose()),
      this.formerFolded,
    )
    this.formerFolded = undefined
    return this.folded
  }
}

function withheld(why: string, from: string, pending: boolean): Verdict {
  const reason = `inbound policy of ${from} is missing, so every request is refused: ${why}`
  return new Verdict({ action: 'deny', rule: '', reason, from }, pending ? 'MESH_NOT_READY' : 'MESH_FORBIDDEN')
}

function plain({ action, rule, reason, from }: AuthorizationDecision): AuthorizationDecision {
  return { action, rule, reason, from }
}

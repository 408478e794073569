import type { Call } from '../core/call.ts'
import { canonicalPath, isBelow } from '../core/canonical-path.ts'
import type { Description } from '../core/described.ts'
import { FREE_PERMIT, type Gate, type Permit, type Refusal } from '../core/gate.ts'
import { TokenBucket } from '../core/token-bucket.ts'
import { formatProvenance, type OutboundRule } from '../model/resources.ts'
import type { OutboundPolicySnapshot } from '../model/snapshot.ts'
import { bucketSettings, formatRate, RateRefusal } from './rate-limit.ts'

/** A service, as the source or the target of calls. */
export interface PolicyParty {
  readonly service: string | undefined
  readonly namespace: string
}

/** One rule as it applies to one target: what is left to ask of a call, and what is decided. */
export interface CompiledRule {
  readonly name: string
  readonly rule: OutboundRule
  /** The resource that holds it. */
  readonly from: string
  readonly methods: ReadonlySet<string> | undefined
  readonly paths: readonly string[] | undefined
  readonly bucket: TokenBucket | undefined
  readonly refusal: Refusal
}

/**
 * The traffic policies of a mesh. What they ask of source and target is known when they are compiled, so each service gets a
 * gate with the rules that can concern it, and a service that none concerns gets none. The buckets belong to the policies and
 * outlive what is compiled: a push refills none of them.
 */
export class OutboundPolicies {
  private readonly source: PolicyParty
  private readonly time: { readonly now: number }
  private readonly buckets = new Map<string, TokenBucket>()
  private policies: readonly OutboundPolicySnapshot[] = []

  constructor(source: PolicyParty, time: { readonly now: number }) {
    this.source = source
    this.time = time
  }

  /** Takes over another list; false when it is the same one. */
  reconfigure(policies: readonly OutboundPolicySnapshot[]): boolean {
    if (policies === this.policies) return false
    this.policies = policies
    const living = new Set<string>()
    for (const { name, rule, from } of policies) {
      if (rule.limit === undefined) continue
      const key = `${from.namespace}/${name}`
      const settings = bucketSettings(rule.limit)
      living.add(key)
      const bucket = this.buckets.get(key)
      if (bucket === undefined) this.buckets.set(key, new TokenBucket(settings, this.time.now))
      else bucket.reconfigure(settings, this.time.now)
    }
    for (const key of this.buckets.keys()) if (!living.has(key)) this.buckets.delete(key)
    return true
  }

  /** The gate before one service; undefined when no rule concerns calls to it. */
  gateFor(target: PolicyParty): PolicyGate | undefined {
    const rules = this.policies
      .filter(({ rule }) => concerns(rule.source, this.source) && concerns(rule.target, target) && rule.action !== 'continue')
      .map((policy) => this.compile(policy))
    return rules.length === 0 ? undefined : new PolicyGate(rules, this.time)
  }

  private compile({ name, rule, from: provenance }: OutboundPolicySnapshot): CompiledRule {
    const { methods, paths } = rule.target
    const from = formatProvenance(provenance)
    const refusal =
      rule.limit === undefined
        ? Object.freeze({
            refused: true,
            code: 'MESH_FORBIDDEN',
            status: 403,
            reason: `the policy ${name} denies this call`,
            from,
          } as const)
        : new RateRefusal(`the limit of the policy ${name} is used up: ${formatRate(rule.limit)}`, from)
    const bucket = this.buckets.get(`${provenance.namespace}/${name}`)
    return { name, rule, from, methods: methods && new Set(methods), paths, bucket, refusal }
  }
}

/** The rules before one service, as a gate. Redirects are followed before a call begins; here they let it pass. */
export class PolicyGate implements Gate {
  readonly name = 'policies'
  /** One of the rules sends calls elsewhere, so they must be asked before it is known whose call it is. */
  readonly redirects: boolean
  private readonly rules: readonly CompiledRule[]
  private readonly time: { readonly now: number }

  constructor(rules: readonly CompiledRule[], time: { readonly now: number }) {
    this.rules = rules
    this.time = time
    this.redirects = rules.some(({ rule }) => rule.action === 'redirect')
  }

  /** The rule that decides about a request: the first that matches. Takes nothing from any bucket. */
  decide(method: string, path: string): CompiledRule | undefined {
    let canonical: string | undefined
    for (const rule of this.rules) {
      // undici sends a method as it is written, and servers differ in how they read `get`.
      if (rule.methods?.has(method.toUpperCase()) === false) continue
      if (rule.paths === undefined) return rule
      canonical ??= canonicalPath(path)
      for (const prefix of rule.paths) if (isBelow(canonical, prefix)) return rule
    }
    return undefined
  }

  admit({ method, path }: Call): Permit | Refusal {
    const decided = this.decide(method, path)
    if (decided === undefined) return FREE_PERMIT
    const { bucket, refusal, rule } = decided
    if (rule.action === 'deny') return refusal
    if (bucket === undefined || bucket.take(this.time.now)) return FREE_PERMIT
    if (refusal instanceof RateRefusal) refusal.retryAfterMs = Math.ceil(bucket.waitMs(this.time.now))
    return refusal
  }

  describe({ method, path }: Call): Description {
    const decided = this.decide(method, path)
    if (decided === undefined)
      return { state: 'no policy decides: allowed', because: 'none of those for this service matches', admits: true, from: '' }
    const { name, rule, from, bucket } = decided
    const left = bucket?.left(this.time.now)
    const rest = left === undefined ? '' : `, ${left} calls left of ${formatRate(rule.limit as NonNullable<typeof rule.limit>)}`
    const to = rule.redirectTo === undefined ? '' : ` to ${rule.redirectTo}`
    const state = `${rule.action}${to} by the policy ${name}${rest}`
    return { state, because: 'the first policy that matches decides', admits: rule.action !== 'deny' && left !== 0, from }
  }
}

/** Whether a condition on a service holds; `*` holds for every service. */
function concerns(condition: { readonly service?: string; readonly namespace?: string }, { service, namespace }: PolicyParty): boolean {
  const named = condition.service === undefined || condition.service === '*' || condition.service === service
  return named && (condition.namespace === undefined || condition.namespace === namespace)
}

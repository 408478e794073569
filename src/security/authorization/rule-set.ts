import type { InboundCall } from '../../model/inbound-call.ts'
import { DecisionCache } from './decision-cache.ts'
import { type ParsedPolicy, Verdict } from './policy.ts'
import { RuleShelf, type RulesOf } from './rule-shelf.ts'
import { type CompiledRule, NO_CALL, type RuleNode, Search } from './search.ts'

/** A policy and the resource that holds it, as `source/authorization/namespace/name`. */
export interface PlacedPolicy {
  readonly policy: ParsedPolicy
  readonly from: string
}

/** A decision that asked no more rules than this is made again for less than keeping it costs. */
const CHEAP = 8

const UNRESTRICTED = new Verdict({ action: 'allow', rule: '', reason: 'no policy restricts this request', from: '' })

/** Decides over a fixed list of policies, as Istio does: a deny policy first; then, where there are allow policies, one of them. */
export class RuleSet {
  private readonly deny: RuleNode | undefined
  private readonly allow: RuleNode | undefined
  private readonly otherwise: Verdict
  private readonly search = new Search()
  private readonly denying: RuleShelf<PlacedPolicy>
  private readonly allowing: RuleShelf<PlacedPolicy>
  /** Made when there is something to keep. */
  private cache: DecisionCache | undefined = undefined

  /** @param former policies that are the same objects as there keep what was compiled; it decides nothing any more afterwards */
  constructor(policies: readonly PlacedPolicy[], former?: RuleSet) {
    const allowing = policies.filter(({ policy }) => policy.action === 'allow')
    this.denying = new RuleShelf(
      policies.filter(({ policy }) => policy.action === 'deny'),
      rulesOf,
      former?.denying,
    )
    this.allowing = new RuleShelf(allowing, rulesOf, former?.allowing)
    this.deny = this.denying.node
    this.allow = this.allowing.node
    this.otherwise = allowing.length === 0 ? UNRESTRICTED : nothingAllows(allowing)
  }

  /** The decision about one reading of a request. What a condition throws refuses it, and is told to `failed`. */
  decide(call: InboundCall, path: string, failed: (error: unknown) => void): Verdict {
    if (this.deny === undefined && this.allow === undefined) return this.otherwise
    const { search } = this
    search.asked = undefined
    try {
      const kept = this.cache?.get(call, path)
      if (kept !== undefined) return kept
      search.call = call
      search.path = path
      search.volatile = false
      search.steps = 0
      let found = this.deny === undefined ? undefined : search.run(this.deny, false)
      if (found === undefined && this.allow !== undefined) found = search.run(this.allow, true)
      const verdict = found === undefined ? this.otherwise : found.verdict
      if (search.steps > CHEAP && !search.volatile) {
        this.cache ??= new DecisionCache()
        this.cache.keep(call, path, verdict)
      }
      return verdict
    } catch (error) {
      failed(error)
      return brokenBy(search.asked)
    } finally {
      // The request and its socket must not live on until the next one comes.
      search.call = NO_CALL
    }
  }
}

const rulesOf: RulesOf<PlacedPolicy> = ({ policy: { name, action, rules }, from }) => {
  const reason = action === 'deny' ? `the policy ${name} denies this request` : `the policy ${name} allows this request`
  return rules.map(({ place, condition }) => ({
    condition,
    verdict: new Verdict({ action, rule: name, reason, from: `${from}#${place}` }),
  }))
}

function nothingAllows(allowing: readonly PlacedPolicy[]): Verdict {
  const [first, ...others] = allowing
  const reason = 'there are policies that allow requests, and none of them allows this one'
  const from = others.length === 0 ? (first?.from ?? '') : `${first?.from} and ${others.length} more`
  return new Verdict({ action: 'deny', rule: '', reason, from })
}

/** Which rule could not be asked: it may be the one that denies. */
function brokenBy(rule: CompiledRule | undefined): Verdict {
  const reason = 'a policy could not be evaluated, so this request is refused'
  return new Verdict({ action: 'deny', rule: rule?.verdict.rule ?? '', reason, from: rule?.verdict.from ?? '' })
}

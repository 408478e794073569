import type { Condition } from './condition.ts'
import type { Verdict } from './policy.ts'
import { indexRules } from './rule-index.ts'
import { CompiledRule, type Holding, type RuleNode, type Search } from './search.ts'

/** What a policy says, rule by rule, each with what is decided by it. */
export type RulesOf<Policy> = (policy: Policy) => readonly { readonly condition: Condition; readonly verdict: Verdict }[]

/** One policy on the shelf. */
interface Held {
  readonly holding: Holding
  readonly rules: readonly CompiledRule[]
}

/** An index over fewer rules is made anew in less than a millisecond. */
const MANY = 512
/** The part of an index that may have changed before it is made anew: so much is compiled with every change, and asked beside it. */
const CHANGED = 1 / 16

/** The index, and beside it a small one over what came since. */
class Both implements RuleNode {
  private readonly most: RuleNode
  private readonly since: RuleNode

  constructor(most: RuleNode, since: RuleNode) {
    this.most = most
    this.since = since
  }

  visit(search: Search): void {
    this.most.visit(search)
    this.since.visit(search)
  }
}

/** What a {@link RuleShelf} is made of. */
interface Shelved<Policy> {
  readonly held: ReadonlyMap<Policy, Held>
  readonly most: RuleNode | undefined
  /** How many rules that is over, those that left included, and how many those are. */
  readonly size: number
  readonly left: number
  /** What came since, in order. */
  readonly since: readonly CompiledRule[]
}

/**
 * The rules of all policies that decide alike, behind an index. When a few of thousands of policies change, the index stays: what left is
 * marked in it and passed over, and what came has one of its own, until the changes are so many that all of it is worth making anew.
 */
export class RuleShelf<Policy> {
  /** What is asked; undefined without any rule. */
  readonly node: RuleNode | undefined
  private readonly shelved: Shelved<Policy>

  /**
   * @param policies in their order; one that is the same object as in `former` is the same policy
   * @param former of no use any more afterwards: what is marked in its index is marked for good
   */
  constructor(policies: readonly Policy[], rulesOf: RulesOf<Policy>, former?: RuleShelf<Policy>) {
    this.shelved = (former && followed(former.shelved, policies, rulesOf)) ?? shelvedAnew(policies, rulesOf)
    const { most, since } = this.shelved
    this.node = most === undefined || since.length === 0 ? most : new Both(most, indexRules(since))
  }
}

function shelvedAnew<Policy>(policies: readonly Policy[], rulesOf: RulesOf<Policy>): Shelved<Policy> {
  const held = new Map<Policy, Held>()
  const rules: CompiledRule[] = []
  for (const policy of policies) {
    const each = compiled(rulesOf(policy), rules.length - 1, 1)
    held.set(policy, each)
    for (const rule of each.rules) rules.push(rule)
  }
  return { held, most: rules.length === 0 ? undefined : indexRules(rules), size: rules.length, left: 0, since: [] }
}

/** New policies that stand beside each other, and the places of the rules around them. */
interface Run<Policy> {
  readonly policies: Policy[]
  readonly after: number
  before: number | undefined
}

/** The former shelf with other policies, or undefined where it is better made anew; only then nothing was marked. */
function followed<Policy>(
  { held: former, most, size, left, since }: Shelved<Policy>,
  policies: readonly Policy[],
  rulesOf: RulesOf<Policy>,
): Shelved<Policy> | undefined {
  if (most === undefined || size < MANY) return undefined
  const room = size * CHANGED
  const held = new Map<Policy, Held>()
  const runs: Run<Policy>[] = []
  let open: Run<Policy> | undefined
  let last = Number.NEGATIVE_INFINITY
  let fresh = 0
  for (const policy of policies) {
    const known = former.get(policy)
    held.set(policy, known ?? NOTHING)
    if (known === undefined) {
      if (++fresh > room) return undefined
      if (open === undefined) {
        open = { policies: [], after: last, before: undefined }
        runs.push(open)
      }
      open.policies.push(policy)
    } else if (known.rules.length > 0) {
      const first = (known.rules[0] as CompiledRule).order
      // Those that stay have changed places.
      if (first < last) return undefined
      last = (known.rules.at(-1) as CompiledRule).order
      if (open !== undefined) open.before = first
      open = undefined
    }
  }
  const came: CompiledRule[] = []
  for (const run of runs) if (!place(run, rulesOf, held, came, room)) return undefined
  const leaving = new Set<Holding>()
  let leavingRules = 0
  for (const [policy, { holding, rules }] of former) {
    if (held.has(policy)) continue
    leaving.add(holding)
    leavingRules += rules.length
  }
  const stay = since.filter(({ holding }) => !leaving.has(holding))
  const leftNow = left + leavingRules - (since.length - stay.length)
  if (stay.length + came.length + leftNow > room) return undefined
  for (const holding of leaving) holding.gone = true
  return { held, most, size, left: leftNow, since: [...stay, ...came].sort((a, b) => a.order - b.order) }
}

const NOTHING: Held = Object.freeze({ holding: { gone: false }, rules: [] })

/** Compiles a run into places between those around it; false where there are too many, or no more room between two. */
function place<Policy>(
  { policies, after, before }: Run<Policy>,
  rulesOf: RulesOf<Policy>,
  held: Map<Policy, Held>,
  came: CompiledRule[],
  room: number,
): boolean {
  const written = policies.map((policy) => [policy, rulesOf(policy)] as const)
  const count = written.reduce((sum, [, rules]) => sum + rules.length, 0)
  if (came.length + count > room) return false
  let at = Number.isFinite(after) ? after : (before ?? 0) - count - 1
  const step = before === undefined ? 1 : (before - at) / (count + 1)
  for (const [policy, rules] of written) {
    const each = compiled(rules, at, step)
    held.set(policy, each)
    for (const rule of each.rules) {
      if (rule.order <= at || (before !== undefined && rule.order >= before)) return false
      at = rule.order
      came.push(rule)
    }
  }
  return true
}

/** One policy, its rules in places from `after` on. */
function compiled(rules: ReturnType<RulesOf<unknown>>, after: number, step: number): Held {
  const holding: Holding = { gone: false }
  return {
    holding,
    rules: rules.map(({ condition, verdict }, at) => new CompiledRule(after + step * (at + 1), condition, verdict, holding)),
  }
}

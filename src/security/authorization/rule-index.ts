import { upperMethod } from '../../core/upper-method.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import { type Attribute, type Key, left } from './condition.ts'
import { PathTable } from './path-table.ts'
import { CompiledRule, type RuleNode, type Search } from './search.ts'

/** So few rules are asked one after the other: a look-up costs as much. */
const FEW = 4
const ATTRIBUTES: readonly Attribute[] = ['principal', 'host', 'path', 'namespace', 'method']

/** Rules that are asked in their order. */
class RuleList implements RuleNode {
  private readonly rules: readonly CompiledRule[]

  constructor(rules: readonly CompiledRule[]) {
    this.rules = rules
  }

  visit(search: Search): void {
    const { rules } = this
    for (let index = 0; index < rules.length; index++) {
      const rule = rules[index] as CompiledRule
      rule.visit(search)
      if (search.best !== undefined && search.best.order <= rule.order) return
    }
  }
}

/** Rules by a literal that the request must have in one attribute, and those that name none. */
class ByText implements RuleNode {
  private readonly values: (call: InboundCall) => string | undefined
  private readonly more: ((call: InboundCall) => string) | undefined
  private readonly nodes: ReadonlyMap<string, RuleNode>
  private readonly rest: RuleNode | undefined

  constructor(attribute: Exclude<Attribute, 'path'>, nodes: ReadonlyMap<string, RuleNode>, rest: RuleNode | undefined) {
    this.values = VALUES[attribute]
    // A host may be named with its port.
    this.more = attribute === 'host' && [...nodes.keys()].some((key) => key.includes(':')) ? lowerHost : undefined
    this.nodes = nodes
    this.rest = rest
  }

  visit(search: Search): void {
    const value = this.values(search.call)
    if (value !== undefined) this.nodes.get(value)?.visit(search)
    if (this.more !== undefined) {
      const further = this.more(search.call)
      if (further !== value) this.nodes.get(further)?.visit(search)
    }
    if (this.rest !== undefined) this.rest.visit(search)
  }
}

/** Rules by a literal path or the beginning of one, and those that name none. */
class ByPath implements RuleNode {
  private readonly table: PathTable
  private readonly rest: RuleNode | undefined

  constructor(table: PathTable, rest: RuleNode | undefined) {
    this.table = table
    this.rest = rest
  }

  visit(search: Search): void {
    this.table.visit(search)
    if (this.rest !== undefined) this.rest.visit(search)
  }
}

const VALUES: Readonly<Record<Exclude<Attribute, 'path'>, (call: InboundCall) => string | undefined>> = {
  principal: ({ principal }) => principal?.id,
  host: ({ hostname }) => hostname,
  namespace: ({ principal }) => principal?.namespace,
  method: ({ method }) => upperMethod(method),
}

function lowerHost({ host }: InboundCall): string {
  return host.toLowerCase()
}

/**
 * An index over rules, in their order. Each level takes the attribute that leaves the fewest rules to ask; a rule that names no
 * literal in it is asked always. What is found is what a scan of all rules would find.
 */
export function indexRules(rules: readonly CompiledRule[], attributes: readonly Attribute[] = ATTRIBUTES): RuleNode {
  if (rules.length === 1) return rules[0] as CompiledRule
  if (rules.length <= FEW) return new RuleList(rules)
  let best: Division | undefined
  for (const attribute of attributes) {
    const division = divide(rules, attribute)
    if (division.rest.length < rules.length && (best === undefined || division.worst < best.worst)) best = division
  }
  if (best === undefined) return new RuleList(rules)
  const { attribute } = best
  const others = attributes.filter((each) => each !== attribute)
  const rest = best.rest.length === 0 ? undefined : indexRules(best.rest, others)
  // Who comes by a literal need not be asked for it again.
  const below = (list: readonly CompiledRule[], text: string, whole: boolean): RuleNode =>
    indexRules(
      list.map((rule) => new CompiledRule(rule.order, left(rule.condition, attribute, { text, whole }), rule.verdict, rule.holding)),
      others,
    )
  if (attribute !== 'path')
    return new ByText(attribute, new Map(Array.from(best.whole, ([text, list]) => [text, below(list, text, true)])), rest)
  const entries = [best.whole, best.beginnings].flatMap((lists, index) =>
    Array.from(lists, ([text, list]) => ({ text, whole: index === 0, node: below(list, text, index === 0) })),
  )
  return new ByPath(new PathTable(entries), rest)
}

/** Rules taken apart by the literals that they name in one attribute. */
interface Division {
  readonly attribute: Attribute
  readonly whole: Map<string, CompiledRule[]>
  readonly beginnings: Map<string, CompiledRule[]>
  readonly rest: CompiledRule[]
  /** How many rules a request may have to ask. */
  readonly worst: number
}

function divide(rules: readonly CompiledRule[], attribute: Attribute): Division {
  const whole = new Map<string, CompiledRule[]>()
  const beginnings = new Map<string, CompiledRule[]>()
  const rest: CompiledRule[] = []
  let longest = 0
  const put = (rule: CompiledRule, { text, whole: isWhole }: Key): void => {
    const lists = isWhole ? whole : beginnings
    const list = lists.get(text)
    if (list === undefined) lists.set(text, [rule])
    // Two alternatives of one rule may name the same literal.
    else if (list.at(-1) !== rule) list.push(rule)
    longest = Math.max(longest, lists.get(text)?.length ?? 0)
  }
  for (const rule of rules) {
    const keys = rule.condition.keys(attribute)
    if (keys === undefined) rest.push(rule)
    else for (const key of keys) put(rule, key)
  }
  return { attribute, whole, beginnings, rest, worst: longest + rest.length }
}

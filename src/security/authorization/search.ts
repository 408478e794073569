import type { InboundCall } from '../../model/inbound-call.ts'
import type { Condition, Question } from './condition.ts'
import type { Verdict } from './policy.ts'

/** What the rules of a policy have in common, wherever in an index they stand. */
export interface Holding {
  /** The policy is not in force any more: an index that still has its rules passes over them. */
  gone: boolean
}

/** One rule of a policy in force; an index over nothing else. */
export class CompiledRule implements RuleNode {
  /** Its place among all rules: where several match, the first is named. */
  readonly order: number
  readonly condition: Condition
  readonly verdict: Verdict
  readonly holding: Holding

  constructor(order: number, condition: Condition, verdict: Verdict, holding: Holding) {
    this.order = order
    this.condition = condition
    this.verdict = verdict
    this.holding = holding
  }

  visit(search: Search): void {
    if (this.holding.gone || (search.best !== undefined && search.best.order < this.order)) return
    search.asked = this
    search.steps++
    if (this.condition.volatile) search.volatile = true
    if (this.condition.holds(search, search.certain)) search.best = this
  }
}

/** A part of an index: rules that are looked at when a request reaches it. */
export interface RuleNode {
  /** Looks for the first rule that matches. */
  visit(search: Search): void
}

/** No request: while nothing is decided. */
export const NO_CALL = undefined as unknown as InboundCall

/** A look through an index for one request. There is one per rule set, used again each time: nothing is made per request. */
export class Search implements Question {
  call: InboundCall = NO_CALL
  path = ''
  certain = false
  /** The first matching rule so far. */
  best: CompiledRule | undefined = undefined
  /** A rule was asked about what may differ between requests that are otherwise the same. */
  volatile = false
  /** How many rules were asked. */
  steps = 0
  /** The rule that is being asked, for whoever catches what it throws. */
  asked: CompiledRule | undefined = undefined

  /** The first rule below `node` that matches, or undefined. */
  run(node: RuleNode, certain: boolean): CompiledRule | undefined {
    this.certain = certain
    this.best = undefined
    node.visit(this)
    return this.best
  }
}

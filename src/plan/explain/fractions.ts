import { RequestView } from '../../routing/request-view.ts'
import type { FoundRule } from '../../routing/rules.ts'
import type { PlannedRule, RoutePlan } from '../route-plan.ts'
import { type Asked, headerIn } from './asked.ts'

/** A rule that such a request may get, or none, and how many of such calls get it, 0–1. */
export interface Chance {
  readonly found: FoundRule<PlannedRule> | undefined
  readonly share: number
  /** The request as it is seen under that rule. */
  readonly view: RequestView
}

/**
 * Which rules of `route` such a request gets, the likeliest first; at least one. Fractions of a match are drawn for calls, not here: between
 * two of them nothing changes, so one look at each piece of the way from 0 to 100 finds them all.
 */
export function rulesFor(route: RoutePlan, { method, path, headers, settings }: Asked): Chance[] {
  const fractions = route.snapshot.rules.flatMap(({ matches }) => matches.flatMap(({ fraction }) => fraction ?? []))
  const bounds = [...new Set([0, ...fractions, 100])].sort((a, b) => a - b)
  const chances = new Map<PlannedRule | undefined, Chance>()
  for (const [index, from] of bounds.slice(0, -1).entries()) {
    const to = bounds[index + 1] as number
    const view = new RequestView(readHeader, () => (from + to) / 200).of(method, path, headers, settings.within)
    const found = route.rules.find(view)
    const share = (to - from) / 100 + (chances.get(found?.rule)?.share ?? 0)
    chances.set(found?.rule, { found, share, view })
  }
  return [...chances.values()].sort((a, b) => b.share - a.share)
}

function readHeader(headers: unknown, name: string): string | undefined {
  return headerIn(headers as Record<string, string>, name)
}

import type { OutboundPolicyResource, Provenance } from '../model/resources.ts'
import type { OutboundPolicySnapshot } from '../model/snapshot.ts'

/** One version of a rule that counts, and who gave it. */
export interface OutboundPolicyVersion {
  readonly resource: OutboundPolicyResource
  readonly from: Provenance
  /** Strength of its source: the greater is asked first. */
  readonly rank: number
}

/** The rules in the order in which they are asked: those of the stronger source first, each source's in its own order. */
export function orderPolicies(versions: readonly OutboundPolicyVersion[]): readonly OutboundPolicySnapshot[] {
  const sorted = [...versions].sort((a, b) => b.rank - a.rank || a.resource.order - b.resource.order)
  return Object.freeze(sorted.map(({ resource, from }) => Object.freeze({ name: resource.name, rule: resource.rule, from })))
}

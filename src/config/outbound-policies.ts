import type { OutboundPolicyResource } from '../model/resources.ts'
import type { OutboundPolicySnapshot } from '../model/snapshot.ts'
import type { RankedVersion } from './ranked-list.ts'

/** What the snapshot shows of a rule over source and target. */
export function shownPolicy({ resource, from }: RankedVersion<OutboundPolicyResource>): OutboundPolicySnapshot {
  return Object.freeze({ name: resource.name, rule: resource.rule, from })
}

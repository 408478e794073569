import { hasMetadata, metadataValues } from '../balancing/metadata-index.ts'
import type { Grouping } from '../balancing/subset-members.ts'
import type { Policy } from '../model/resources.ts'

/** What the endpoints of a service are divided by when a process uses a part of them; for comparison, the same where it means the same. */
export function subsetGroups({ subsets, lanes }: Policy): unknown {
  return [subsets === false ? [] : Object.entries(subsets).map(([name, { metadata }]) => [name, metadata]), lanes !== false && lanes.label]
}

/**
 * A group for each priority, and in it for those that belong to the same named subsets and have the same colour: each must be there in a
 * part too, and only its own kind can stand in for one of them.
 */
export function subsetGrouping({ subsets, lanes }: Policy): Grouping {
  if (subsets === false && lanes === false) return ({ priority }) => priority
  const wanted = subsets === false ? [] : Object.entries(subsets).map(([name, { metadata }]) => ({ name, metadata }))
  const label = lanes === false ? undefined : lanes.label
  return (spec) => {
    const names = wanted.filter(({ metadata }) => hasMetadata(spec, metadata)).map(({ name }) => name)
    return JSON.stringify([spec.priority, names, label === undefined ? undefined : metadataValues(spec, label)])
  }
}

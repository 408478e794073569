import type { Endpoint, Locality } from '../../core/endpoint.ts'
import type { LocalitySettings, Nearness } from '../../model/locality.ts'
import { Level, Place } from './level.ts'
import { localityOf, NEARNESS, nearness, placeText, sameZone, weightOf } from './places.ts'

/** What endpoints are divided by. */
export interface Division {
  readonly locality: LocalitySettings | false
  /** Where we are. */
  readonly own: Locality
}

/**
 * The endpoints by priority, the lowest first, and each level by place where places count. Levels and places that are as they were keep
 * what was built for them.
 */
export function levelsOf(all: readonly Endpoint[], { locality, own }: Division, former: readonly Level[]): readonly Level[] {
  const failover = locality !== false && locality.mode === 'failover' && (own.region !== undefined || own.zone !== undefined)
  const near = failover ? locality.failover : undefined
  const first = all[0]?.spec.priority
  if (first !== undefined && !failover && all.every(({ spec }) => spec.priority === first)) {
    const before = former.find(({ priority, nearness: how }) => priority === first && how === undefined)
    return [new Level(all, { priority: first, nearness: undefined, places: placesOf(all, 0, locality, own, before?.places) }, before)]
  }
  const found = new Map<number, { priority: number; nearness: Nearness | undefined; members: Endpoint[] }>()
  for (const endpoint of all) {
    const { priority } = endpoint.spec
    const how = failover ? nearness(localityOf(endpoint.spec), own, near) : undefined
    const rank = priority * NEARNESS.length + (how === undefined ? 0 : NEARNESS.indexOf(how))
    const level = found.get(rank)
    if (level === undefined) found.set(rank, { priority, nearness: how, members: [endpoint] })
    else level.members.push(endpoint)
  }
  const sorted = [...found].sort(([a], [b]) => a - b).map(([, level]) => level)
  return sorted.map((level, index) => {
    const before = former.find(({ priority, nearness: how }) => priority === level.priority && how === level.nearness)
    return new Level(level.members, { ...level, places: placesOf(level.members, index, locality, own, before?.places) }, before)
  })
}

function placesOf(
  members: readonly Endpoint[],
  index: number,
  locality: LocalitySettings | false,
  own: Locality,
  former: readonly Place[] | undefined,
): readonly Place[] | undefined {
  if (locality === false || locality.mode === 'failover') return undefined
  const weights = locality.mode === 'weighted' ? (locality.weights ?? []) : undefined
  // Zones of priorities behind the first are not told apart, as in Envoy: whoever is there is there because nobody else is left.
  if (weights === undefined && (index > 0 || own.zone === undefined)) return undefined
  const found = new Map<string, { text: string; weight: number; own: boolean; members: Endpoint[] }>()
  for (const endpoint of members) {
    const where = localityOf(endpoint.spec)
    const ours = weights === undefined && sameZone(where, own)
    const weighed = weights && weightOf(where, weights)
    const text = ours ? placeText({ ...own, subZone: undefined }) : placeOf(where, weights !== undefined, weighed?.place)
    const place = found.get(text)
    if (place === undefined) found.set(text, { text, weight: weighed?.weight ?? 0, own: ours, members: [endpoint] })
    else place.members.push(endpoint)
  }
  return [...found.values()].map(
    (place) =>
      new Place(
        place.members,
        place,
        former?.find(({ text }) => text === place.text),
      ),
  )
}

/** The name of the group that an endpoint belongs to; empty for those that say nothing, or have no weight. */
function placeOf(where: Locality, weighted: boolean, weighed: string | undefined): string {
  return weighted ? (weighed ?? '') : where.zone === undefined ? '' : placeText({ ...where, subZone: undefined })
}

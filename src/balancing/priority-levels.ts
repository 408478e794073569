import type { Endpoint } from '../core/endpoint.ts'

/** Endpoints of one priority. The list keeps its identity until the configuration changes. */
export type PriorityLevel = readonly Endpoint[]

/** The endpoints by priority, 0 before 1; undefined when all have the same. */
export function priorityLevels(endpoints: readonly Endpoint[]): readonly PriorityLevel[] | undefined {
  const first = endpoints[0]?.spec.priority
  if (endpoints.every(({ spec }) => spec.priority === first)) return undefined
  const levels = new Map<number, Endpoint[]>()
  for (const endpoint of endpoints) {
    const { priority } = endpoint.spec
    const level = levels.get(priority)
    if (level === undefined) levels.set(priority, [endpoint])
    else level.push(endpoint)
  }
  return [...levels].sort(([a], [b]) => a - b).map(([, level]) => Object.freeze(level))
}

/**
 * The first priority level that still has enough usable endpoints; undefined when none has. Traffic moves as a whole, where Envoy
 * spills over in proportion; a level is given up at the share at which a service without levels would panic.
 */
export function firstLevel(levels: readonly PriorityLevel[], panicPercent: number): PriorityLevel | undefined {
  return levels.find((level) => {
    let usable = 0
    for (const endpoint of level) if (!endpoint.out) usable++
    return usable > 0 && usable * 100 >= panicPercent * level.length
  })
}

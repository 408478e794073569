import type { Endpoint } from '../core/endpoint.ts'

/** Whether not all endpoints have the same priority. */
export function hasLevels(endpoints: readonly Endpoint[]): boolean {
  const first = endpoints[0]?.spec.priority
  return endpoints.some(({ spec }) => spec.priority !== first)
}

/**
 * The usable endpoints of the first priority level that still has enough of them, 0 before 1; undefined when no level has. Traffic moves
 * as a whole, where Envoy spills over in proportion; a level is given up at the share at which a service without levels would panic.
 */
export function firstLevel(endpoints: readonly Endpoint[], panicPercent: number): readonly Endpoint[] | undefined {
  const levels = new Map<number, { all: number; usable: Endpoint[] }>()
  for (const endpoint of endpoints) {
    const { priority } = endpoint.spec
    const level = levels.get(priority) ?? { all: 0, usable: [] }
    level.all++
    if (!endpoint.out) level.usable.push(endpoint)
    levels.set(priority, level)
  }
  const ordered = [...levels].sort(([a], [b]) => a - b)
  return ordered.find(([, { all, usable }]) => usable.length > 0 && usable.length * 100 >= panicPercent * all)?.[1].usable
}

import type { Endpoint, EndpointSpec } from '../core/endpoint.ts'

/** Values that the metadata of an endpoint must have, all of them, each to the letter. */
export type WantedMetadata = Readonly<Record<string, string>>

/**
 * The endpoints of a set by their metadata. Each key that somebody asks about is read once after the endpoints changed, in one walk, so
 * that a thousand values of it cost as much as one. A value that is a JSON list of texts counts as each of them.
 */
export class MetadataIndex {
  private readonly set: { readonly all: readonly Endpoint[] }
  private all: readonly Endpoint[] | undefined = undefined
  private readonly byKey = new Map<string, ReadonlyMap<string, readonly Endpoint[]>>()

  /** @param set its list keeps its identity as long as its content stays the same */
  constructor(set: { readonly all: readonly Endpoint[] }) {
    this.set = set
  }

  /** The endpoints by their values under `key`; those that have none are in no list. Frozen, and the same until endpoints change. */
  under(key: string): ReadonlyMap<string, readonly Endpoint[]> {
    const { all } = this.set
    // Keys may come with calls: an unlimited memory of them would be a leak.
    if (all !== this.all || this.byKey.size >= MAX_KEYS) {
      this.all = all
      this.byKey.clear()
    }
    let groups = this.byKey.get(key)
    if (groups === undefined) {
      groups = group(all, key)
      this.byKey.set(key, groups)
    }
    return groups
  }

  /** The endpoints that have everything that is wanted, in their order; frozen. */
  matching(wanted: WantedMetadata): readonly Endpoint[] {
    const [first, ...others] = Object.entries(wanted)
    if (first === undefined) return this.set.all
    const found = this.under(first[0]).get(first[1]) ?? NOBODY
    if (others.length === 0 || found.length === 0) return found
    return Object.freeze(found.filter(({ spec }) => others.every(([key, value]) => has(spec, key, value))))
  }
}

/** What an endpoint says under `key`: nothing, one value, or several. */
export function metadataValues({ metadata }: EndpointSpec, key: string): string | readonly string[] | undefined {
  // A source of somebody else may have put anything here.
  const written: unknown = Object.hasOwn(metadata ?? {}, key) ? metadata[key] : undefined
  if (typeof written !== 'string') return undefined
  return written.startsWith('[') ? (listIn(written) ?? written) : written
}

/** Whether an endpoint has everything that is wanted. */
export function hasMetadata(spec: EndpointSpec, wanted: WantedMetadata): boolean {
  for (const [key, value] of Object.entries(wanted)) if (!has(spec, key, value)) return false
  return true
}

function has(spec: EndpointSpec, key: string, value: string): boolean {
  const values = metadataValues(spec, key)
  return values === value || (typeof values === 'object' && values.includes(value))
}

function group(endpoints: readonly Endpoint[], key: string): ReadonlyMap<string, readonly Endpoint[]> {
  const groups = new Map<string, Endpoint[]>()
  const add = (value: string, endpoint: Endpoint): void => {
    const group = groups.get(value)
    if (group === undefined) groups.set(value, [endpoint])
    else group.push(endpoint)
  }
  for (const endpoint of endpoints) {
    const values = metadataValues(endpoint.spec, key)
    if (typeof values === 'string') add(values, endpoint)
    else if (values !== undefined) for (const value of new Set(values)) add(value, endpoint)
  }
  for (const group of groups.values()) Object.freeze(group)
  return groups
}

/** The texts of a JSON list; undefined where it is none, or holds anything else. */
function listIn(written: string): readonly string[] | undefined {
  try {
    const list: unknown = JSON.parse(written)
    return Array.isArray(list) && list.every((each) => typeof each === 'string') ? (list as string[]) : undefined
  } catch {
    return undefined
  }
}

/** Keys that are kept at a time. */
const MAX_KEYS = 32
const NOBODY: readonly Endpoint[] = Object.freeze([])

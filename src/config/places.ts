import { formatProvenance, type Provenance, type Resource } from '../model/resources.ts'

/** Finds what a source gave under a key of the store. */
type Find = (source: string, key: string) => Resource | undefined

/**
 * Where resources were written: from what errors and `explain` print of one (`source/kind/namespace/name#section`) to `mesh.yaml:12:5`.
 * The resources carry it themselves, and it is looked up when somebody asks: a line more at the top of a file moves everything below it, and
 * must not be a change of any service.
 */
export class Places {
  private readonly find: Find
  /** The sources that say such things. */
  private readonly sources: string[] = []

  constructor(find: Find) {
    this.find = find
  }

  /** A resource came. */
  note(source: string, { place }: Resource): void {
    if (place !== undefined && !this.sources.includes(source)) this.sources.push(source)
  }

  /** The place of what `from` names, as exactly as its source says it; undefined where nobody knows. */
  of(from: string): string | undefined {
    for (const source of this.sources) {
      if (from.charCodeAt(source.length) !== SLASH || !from.startsWith(source)) continue
      const found = this.within(source, from.slice(source.length + 1))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A name may have a `#` in it as well as a section. */
  private within(source: string, rest: string): string | undefined {
    for (let end = rest.length; end > 0; end = rest.lastIndexOf('#', end - 1)) {
      const resource = this.find(source, rest.slice(0, end))
      if (resource !== undefined) return resource.places?.[rest.slice(end + 1)] ?? resource.place
    }
    return undefined
  }
}

const SLASH = 47

/** What `said` says, with where the resource behind it was written. */
export function placed<T extends { readonly from: string }>(said: T, placeOf: (from: string) => string | undefined): T {
  const place = placeOf(said.from)
  return place === undefined ? said : { ...said, place }
}

/** The same of whatever a snapshot is printed from: who wrote something also gets where. Everything else is as it was. */
export function placedProvenance(value: unknown, placeOf: (from: string) => string | undefined): unknown {
  if (typeof value !== 'object' || value === null || !('source' in value && 'kind' in value && 'namespace' in value)) return value
  const place = placeOf(formatProvenance(value as Provenance))
  return place === undefined ? value : { ...value, place }
}

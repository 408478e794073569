import type { Provenance } from '../model/resources.ts'
import { sameContent } from './same-content.ts'

/** One version of a resource that counts, who gave it, and the strength of that source. */
export interface RankedVersion<R> {
  readonly resource: R
  readonly from: Provenance
  readonly rank: number
}

/** What stands in the list for one resource. */
interface Entry<S> {
  readonly rank: number
  readonly order: number
  readonly shown: S
}

/**
 * Resources of one kind whose order is part of what they say: of the stronger source first, each source's in its own order. There may be
 * tens of thousands, so only what was touched is looked at; what says the same keeps its object, and the list is the same one until
 * something in it is different.
 */
export class RankedList<R extends { readonly order: number }, S extends { readonly from: Provenance }> {
  private readonly show: (version: RankedVersion<R>) => S
  private readonly entries = new Map<string, Entry<S>>()
  private readonly touched = new Set<string>()
  private shown: readonly S[] = Object.freeze([])

  /** @param show what of a version stands in the list; it is compared with what stood there before */
  constructor(show: (version: RankedVersion<R>) => S) {
    this.show = show
  }

  /** Another version of the resource may count, or none. */
  touch(key: string): void {
    this.touched.add(key)
  }

  /** Every resource that counts. */
  list(winner: (key: string) => RankedVersion<R> | undefined): readonly S[] {
    if (this.touched.size === 0) return this.shown
    let changed = false
    for (const key of this.touched) {
      const version = winner(key)
      const former = this.entries.get(key)
      if (version === undefined) changed = this.entries.delete(key) || changed
      else {
        const { rank, resource } = version
        const next = this.show(version)
        const shown = former !== undefined && sameContent(next, former.shown) ? former.shown : next
        if (former?.shown === shown && former.rank === rank && former.order === resource.order) continue
        this.entries.set(key, { rank, order: resource.order, shown })
        changed = true
      }
    }
    this.touched.clear()
    if (!changed) return this.shown
    const next = [...this.entries.values()].sort((a, b) => b.rank - a.rank || a.order - b.order).map(({ shown }) => shown)
    if (next.length !== this.shown.length || next.some((each, index) => each !== this.shown[index])) this.shown = Object.freeze(next)
    return this.shown
  }
}

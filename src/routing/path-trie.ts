import { Bucket, type Entry } from './bucket.ts'
import type { RoutedRequest } from './request-view.ts'
import { TextTrie } from './text-trie.ts'

/** How much of a path an entry names: all of it, whole segments of its beginning, or any beginning. */
export type PathExtent = 'whole' | 'segments' | 'beginning'

/** One segment of a path, and what is known of the paths that go on from it. */
interface Segment<T> {
  next: Map<string, Segment<T>> | undefined
  /** Entries for the path that ends with this segment; for that and all below it; for all below it. */
  ends: Bucket<T> | undefined
  covers: Bucket<T> | undefined
  below: Bucket<T> | undefined
  /** By the beginning of the next segment. */
  partly: TextTrie<T> | undefined
  /** The lowest order here and below: whoever has something better goes no further. */
  lowest: number
}

/**
 * Entries by the beginning of the path that they want. A request walks down its segments once, and of all entries on its way the one with
 * the lowest order wins, which is the first that a scan of the list would have found; the price follows the length of the path, not of the
 * list. Segments are looked up whole: character by character, ten thousand rules are ten times as many places in memory.
 */
export class PathTrie<T> {
  private readonly root: Segment<T> = segment()
  private readonly anywhere = new Bucket<T>()
  private readonly sealed: { seal(): void }[] = [this.anywhere]

  add(path: string, extent: PathExtent, entry: Entry<T>): void {
    // Nothing but a path begins with a slash, and `*` and `host:port` are none.
    if (!path.startsWith('/')) {
      this.anywhere.add(entry)
      return
    }
    const names = path.slice(1).split('/')
    const last = extent === 'beginning' ? (names.pop() as string) : ''
    let at = this.root
    at.lowest = Math.min(at.lowest, entry.order)
    for (const name of names) {
      at.next ??= new Map()
      const next = at.next.get(name) ?? segment<T>()
      at.next.set(name, next)
      next.lowest = Math.min(next.lowest, entry.order)
      at = next
    }
    if (extent === 'whole') at.ends = this.with(at.ends, entry)
    else if (extent === 'segments') at.covers = this.with(at.covers, entry)
    else if (last === '') at.below = this.with(at.below, entry)
    else {
      if (at.partly === undefined) {
        at.partly = new TextTrie<T>()
        this.sealed.push(at.partly)
      }
      at.partly.add(last, entry)
    }
  }

  /** Nothing is added any more. */
  seal(): void {
    for (const each of this.sealed) each.seal()
    this.sealed.length = 0
  }

  /** The first entry before `best` that matches a request for `path`, else `best`. */
  first(path: string, request: RoutedRequest, best: Entry<T> | undefined): Entry<T> | undefined {
    let found = this.anywhere.first(request, best)
    if (path.charCodeAt(0) !== SLASH) return found
    let at = this.root
    for (let from = 1; found === undefined || at.lowest < found.order; ) {
      if (at.below !== undefined) found = at.below.first(request, found)
      if (at.partly !== undefined) found = at.partly.first(path, from, request, found)
      if (at.next === undefined) return found
      const slash = path.indexOf('/', from)
      const next = at.next.get(slash < 0 ? path.slice(from) : path.slice(from, slash))
      if (next === undefined) return found
      if (next.covers !== undefined) found = next.covers.first(request, found)
      if (slash < 0) return next.ends === undefined ? found : next.ends.first(request, found)
      from = slash + 1
      at = next
    }
    return found
  }

  private with(bucket: Bucket<T> | undefined, entry: Entry<T>): Bucket<T> {
    const filled = bucket ?? new Bucket<T>()
    if (bucket === undefined) this.sealed.push(filled)
    filled.add(entry)
    return filled
  }
}

function segment<T>(): Segment<T> {
  return { next: undefined, ends: undefined, covers: undefined, below: undefined, partly: undefined, lowest: Number.POSITIVE_INFINITY }
}

const SLASH = 47

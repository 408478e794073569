import { Bucket, type Entry } from './bucket.ts'
import type { RoutedRequest } from './request-view.ts'

/** What is known of the texts that go on from here in the same way. */
interface Node<T> {
  /** Characters on the way here from the node before. */
  label: string
  /** By the first character of their labels. */
  children: Map<number, Node<T>> | undefined
  /** Entries for every text that comes by. */
  entries: Bucket<T> | undefined
  /** The lowest order here and below: nobody who has something better goes on. */
  lowest: number
}

/** Entries by what a text must begin with: character by character, for beginnings that end within a segment of a path. */
export class TextTrie<T> {
  private readonly root: Node<T> = node('')
  private readonly buckets: Bucket<T>[] = []

  add(path: string, entry: Entry<T>): void {
    let at = this.root
    at.lowest = Math.min(at.lowest, entry.order)
    for (let from = 0; from < path.length; ) {
      at.children ??= new Map()
      let next = at.children.get(path.charCodeAt(from))
      if (next === undefined) {
        next = node<T>(path.slice(from))
        at.children.set(path.charCodeAt(from), next)
      } else {
        const shared = sharedLength(next.label, path, from)
        if (shared < next.label.length) split(next, shared)
      }
      from += next.label.length
      next.lowest = Math.min(next.lowest, entry.order)
      at = next
    }
    if (at.entries === undefined) {
      at.entries = new Bucket<T>()
      this.buckets.push(at.entries)
    }
    at.entries.add(entry)
  }

  /** Nothing is added any more. */
  seal(): void {
    for (const bucket of this.buckets) bucket.seal()
    this.buckets.length = 0
  }

  /** The first entry before `best` that matches a request whose path is `path`, of which the text begins at `start`; else `best`. */
  first(path: string, start: number, request: RoutedRequest, best: Entry<T> | undefined): Entry<T> | undefined {
    let found = best
    let at: Node<T> | undefined = this.root
    for (let from = start; at !== undefined; ) {
      if (found !== undefined && at.lowest >= found.order) return found
      if (at.entries !== undefined) found = at.entries.first(request, found)
      if (from >= path.length) return found
      const next: Node<T> | undefined = at.children?.get(path.charCodeAt(from))
      if (next === undefined || !path.startsWith(next.label, from)) return found
      from += next.label.length
      at = next
    }
    return found
  }
}

function node<T>(label: string): Node<T> {
  return { label, children: undefined, entries: undefined, lowest: Number.POSITIVE_INFINITY }
}

/** Puts a node between `below` and the one before it, after `length` characters; `below` becomes it, so that who leads here still does. */
function split<T>(below: Node<T>, length: number): void {
  const lower: Node<T> = { ...below, label: below.label.slice(length) }
  below.label = below.label.slice(0, length)
  below.children = new Map([[lower.label.charCodeAt(0), lower]])
  below.entries = undefined
}

function sharedLength(label: string, path: string, from: number): number {
  let length = 0
  while (length < label.length && label[length] === path[from + length]) length++
  return length
}

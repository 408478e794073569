import type { Condition } from './conditions.ts'
import { queryParameter } from './query.ts'
import type { RoutedRequest } from './request-view.ts'

/** One match of one rule, at its place among all matches of a route. */
export interface Entry<T> {
  /** The lower goes first. */
  readonly order: number
  readonly value: T
  /** What is left to ask of a path that led here. */
  readonly path: ((pathname: string) => boolean) | undefined
  readonly conditions: readonly Condition[]
  /** Values that some header or parameter must have exactly: what many entries under one path can be told apart by. */
  readonly keys: ReadonlyMap<string, string>
}

/**
 * The entries under one path, in their order. Where there are many of them that want different values of one header or parameter,
 * the value leads to its own entries, so that nobody asks them all.
 */
export class Bucket<T> {
  private entries: Entry<T>[] = []
  private key: string | undefined = undefined
  private readonly byValue = new Map<string, Entry<T>[]>()

  add(entry: Entry<T>): void {
    this.entries.push(entry)
  }

  /** Sorts what was added, after which nothing more is. */
  seal(): void {
    this.entries.sort((a, b) => a.order - b.order)
    if (this.entries.length < FEW) return
    const counts = new Map<string, number>()
    for (const { keys } of this.entries) for (const key of keys.keys()) counts.set(key, (counts.get(key) ?? 0) + 1)
    const [key, count] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ['', 0]
    if (count < FEW) return
    this.key = key
    const others: Entry<T>[] = []
    for (const entry of this.entries) {
      const value = entry.keys.get(key)
      if (value === undefined) others.push(entry)
      else if (this.byValue.has(value)) this.byValue.get(value)?.push(entry)
      else this.byValue.set(value, [entry])
    }
    this.entries = others
  }

  /** The first entry before `best` that a request matches, else `best`. */
  first(request: RoutedRequest, best: Entry<T> | undefined): Entry<T> | undefined {
    const found = firstOf(this.entries, request, best)
    if (this.key === undefined) return found
    const value = readKey(request, this.key)
    const under = value === undefined ? undefined : this.byValue.get(value)
    return under === undefined ? found : firstOf(under, request, found)
  }
}

/** The key of a header or a parameter; the sign is in no name of either. */
export function keyOf(from: 'header' | 'query', name: string): string {
  return `${from === 'header' ? 'h' : 'q'}${name}`
}

function readKey(request: RoutedRequest, key: string): string | undefined {
  return key.startsWith('h') ? request.header(key.slice(1)) : queryParameter(request.query, key.slice(1))
}

function firstOf<T>(entries: readonly Entry<T>[], request: RoutedRequest, best: Entry<T> | undefined): Entry<T> | undefined {
  for (const entry of entries) {
    if (best !== undefined && entry.order >= best.order) return best
    if (holds(entry, request)) return entry
  }
  return best
}

function holds({ path, conditions }: Entry<unknown>, request: RoutedRequest): boolean {
  if (path?.(request.pathname) === false) return false
  for (const condition of conditions) if (!condition(request)) return false
  return true
}

/** So few entries that asking them one by one is no dearer than reading a value. */
const FEW = 8

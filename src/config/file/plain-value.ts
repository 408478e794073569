import type { Alias, Document, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { type Problem, pathText } from '../schema/path.ts'

type Yaml = typeof import('yaml')

/** Something wrong, at an offset of the text. */
export interface PlacedProblem extends Problem {
  readonly offset: number
}

/** A document as plain data, and where each part of it was written. */
export interface PlainDocument {
  readonly value: unknown
  readonly problems: readonly PlacedProblem[]
  /** Its aliases unfold beyond measure: it is not to be walked. */
  readonly excessive: boolean
  /** Paths (as text) whose value is not there because it could not be read: nobody need tell that it is missing. */
  readonly unread: ReadonlySet<string>
  /** Offset of the key, or the item of a list, that `path` leads to; where it ends early, of the last part that is there. */
  offsetOf(path: readonly PropertyKey[]): number
}

const MAX_DEPTH = 64
/** What aliases may add in all. A few lines of them unfold into billions, and whoever walks that afterwards never returns. */
const MAX_UNFOLDED = 100_000

interface Anchor {
  /** False while its content is still being read. */
  done: boolean
  value: unknown
  /** Values in it, those behind its own aliases included. */
  size: number
}

/**
 * Plain objects and lists of a document. Not the parser's own conversion, because that looks up an alias by a walk over the whole
 * document, compares each key of a map with all others (7 s for 30,000), and knows no places afterwards.
 */
export function plainDocument(yaml: Yaml, document: Document): PlainDocument {
  const reader = new Reader(yaml)
  const root = document.contents as Node | null
  const start = root?.range?.[0] ?? 0
  const value = reader.read(root, [], start)
  return {
    value,
    problems: reader.problems,
    excessive: reader.excessive,
    unread: reader.unread,
    offsetOf(path) {
      let [offset, at] = [start, value]
      for (const key of path) {
        const found = reader.places.get(at as object)?.get(key)
        if (found === undefined) break
        offset = found
        at = (at as Record<PropertyKey, unknown>)[key]
      }
      return offset
    },
  }
}

class Reader {
  readonly problems: PlacedProblem[] = []
  readonly unread = new Set<string>()
  /** By the object or list that was made: the offset of each key or item. */
  readonly places = new Map<object, Map<PropertyKey, number>>()
  private readonly yaml: Yaml
  private readonly anchors = new Map<string, Anchor>()
  private size = 0
  private unfolded = 0

  constructor(yaml: Yaml) {
    this.yaml = yaml
  }

  get excessive(): boolean {
    return this.unfolded > MAX_UNFOLDED
  }

  /** @param offset where to point when the node itself was not written */
  read(node: unknown, path: readonly PropertyKey[], offset: number): unknown {
    if (this.yaml.isAlias(node)) return this.alias(node, path)
    if (path.length > MAX_DEPTH) return this.refuse(path, offset, 'is nested too deeply')
    this.size++
    const { anchor } = (node ?? {}) as { anchor?: string }
    if (anchor === undefined) return this.content(node, path)
    const entry: Anchor = { done: false, value: undefined, size: 0 }
    this.anchors.set(anchor, entry)
    const before = this.size
    entry.value = this.content(node, path)
    entry.size = this.size - before
    entry.done = true
    return entry.value
  }

  private content(node: unknown, path: readonly PropertyKey[]): unknown {
    if (this.yaml.isMap(node)) return this.object(node as YAMLMap<unknown, unknown>, path)
    if (this.yaml.isSeq(node)) return this.list(node, path)
    return this.yaml.isScalar(node) ? (node as Scalar).value : null
  }

  private object(map: YAMLMap<unknown, unknown>, path: readonly PropertyKey[]): unknown {
    const object = Object.create(null) as Record<string, unknown>
    const places = new Map<PropertyKey, number>()
    this.places.set(object, places)
    for (const pair of map.items) {
      const { key: written, value } = pair as Pair<unknown, unknown>
      // The composer has refused every key that is no text.
      const key = this.yaml.isScalar(written) ? String(written.value) : ''
      const offset = (written as Node | null)?.range?.[0] ?? (map.range?.[0] as number)
      const here = [...path, key]
      if (key === '__proto__') this.refuse(here, offset, 'this key is not allowed')
      else if (key === '<<' && (written as Scalar).type === 'PLAIN') this.refuse(path, offset, 'merge keys (<<) are not supported')
      else if (places.has(key)) this.refuse(here, offset, 'this key is there twice')
      else {
        places.set(key, offset)
        object[key] = this.read(value, here, offset)
      }
    }
    return object
  }

  private list(seq: YAMLSeq, path: readonly PropertyKey[]): unknown[] {
    const list: unknown[] = []
    const places = new Map<PropertyKey, number>()
    this.places.set(list, places)
    for (const [index, item] of seq.items.entries()) {
      const offset = (item as Node | null)?.range?.[0] ?? (seq.range?.[0] as number)
      places.set(index, offset)
      list.push(this.read(item, [...path, index], offset))
    }
    return list
  }

  private alias(node: Alias, path: readonly PropertyKey[]): unknown {
    const offset = node.range?.[0] ?? 0
    const anchor = this.anchors.get(node.source)
    if (anchor === undefined) return this.refuse(path, offset, `there is no anchor &${node.source} before this alias`)
    if (!anchor.done) return this.refuse(path, offset, 'refers to itself')
    const told = this.excessive
    this.unfolded += anchor.size
    this.size += anchor.size
    if (!this.excessive) return anchor.value
    return told ? undefined : this.refuse(path, offset, `aliases unfold into more than ${MAX_UNFOLDED} values`)
  }

  private refuse(path: readonly PropertyKey[], offset: number, message: string): undefined {
    this.problems.push({ path, offset, message })
    this.unread.add(pathText(path))
  }
}

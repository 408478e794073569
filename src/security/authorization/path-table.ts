import type { RuleNode, Search } from './search.ts'

/** FNV-1a over the characters of a path; 32 bits. */
const SEED = 0x811c9dc5 | 0
const PRIME = 0x01000193
/** No literal of a policy is longer. */
const LONGEST = 2_048

/** What is visited for a literal path, or for everything that begins with it. */
export interface PathEntry {
  readonly text: string
  readonly whole: boolean
  readonly node: RuleNode
}

/**
 * Literal paths and beginnings of paths. The hash of a path is carried on from character to character, and where some literal ends
 * the table is asked for it: one read of the path finds all that it has, whatever their number, without a look into each, and
 * without cutting the path into pieces. What has the same hash is compared.
 */
export class PathTable implements RuleNode {
  /** By length: whether a literal has it. */
  private readonly lengths = new Uint8Array(LONGEST + 1)
  private readonly longest: number
  /** Open addressing: the place of an entry plus one, or 0. */
  private readonly slots: Int32Array
  private readonly hashes: Int32Array
  private readonly mask: number
  private readonly entries: readonly PathEntry[]

  constructor(entries: readonly PathEntry[]) {
    this.entries = entries
    this.longest = entries.reduce((longest, { text }) => Math.max(longest, text.length), 0)
    const size = 2 ** Math.ceil(Math.log2(entries.length * 2 + 1))
    this.mask = size - 1
    this.slots = new Int32Array(size)
    this.hashes = new Int32Array(entries.length)
    for (const [index, { text }] of entries.entries()) {
      let hash = SEED
      for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME)
      this.hashes[index] = hash
      this.lengths[text.length] = 1
      let slot = slotOf(hash, this.mask)
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask
      this.slots[slot] = index + 1
    }
  }

  visit(search: Search): void {
    const { path } = search
    const { lengths, longest } = this
    const end = Math.min(path.length, longest)
    let hash = SEED
    for (let at = 0; at < end; at++) {
      hash = Math.imul(hash ^ path.charCodeAt(at), PRIME)
      if (lengths[at + 1] === 1) this.ask(search, path, hash, at + 1)
    }
  }

  /** Visits what stands in the table for the first `length` characters of `path`. */
  private ask(search: Search, path: string, hash: number, length: number): void {
    const { slots, mask } = this
    let slot = slotOf(hash, mask)
    let place = slots[slot] as number
    while (place !== 0) {
      if (this.hashes[place - 1] === hash) {
        const { text, whole, node } = this.entries[place - 1] as PathEntry
        if (text.length === length && (!whole || path.length === length) && path.startsWith(text)) node.visit(search)
      }
      slot = (slot + 1) & mask
      place = slots[slot] as number
    }
  }
}

/** The high bits of a hash are mixed best. */
function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask
}

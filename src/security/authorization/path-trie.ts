import type { RuleNode, Search } from './search.ts'

interface TrieNode {
  /** What stands between its parent and it. */
  label: string
  /** What is visited when the path reaches it. */
  node: RuleNode | undefined
  /** By the first character of their labels. */
  children: Map<number, TrieNode> | undefined
}

/** Beginnings of paths in a radix trie: those that a path has are found in the time that reading the path takes. */
export class PathTrie implements RuleNode {
  private readonly root: TrieNode = { label: '', node: undefined, children: undefined }

  constructor(beginnings: ReadonlyMap<string, RuleNode>) {
    for (const [text, node] of beginnings) this.add(text, node)
  }

  visit(search: Search): void {
    const { path } = search
    let at = 0
    let current: TrieNode | undefined = this.root
    while (current !== undefined) {
      if (!path.startsWith(current.label, at)) return
      at += current.label.length
      if (current.node !== undefined) current.node.visit(search)
      current = at < path.length ? current.children?.get(path.charCodeAt(at)) : undefined
    }
  }

  private add(text: string, node: RuleNode): void {
    let current = this.root
    let at = 0
    while (at < text.length) {
      current.children ??= new Map()
      const code = text.charCodeAt(at)
      const child = current.children.get(code)
      if (child === undefined) {
        current.children.set(code, { label: text.slice(at), node, children: undefined })
        return
      }
      const common = commonLength(child.label, text, at)
      if (common < child.label.length) {
        const middle: TrieNode = { label: child.label.slice(0, common), node: undefined, children: new Map() }
        child.label = child.label.slice(common)
        middle.children?.set(child.label.charCodeAt(0), child)
        current.children.set(code, middle)
        current = middle
      } else {
        current = child
      }
      at += common
    }
    current.node = node
  }
}

/** How many characters of `label` stand in `text` from `at` on. */
function commonLength(label: string, text: string, at: number): number {
  let length = 0
  while (length < label.length && at + length < text.length && label.charCodeAt(length) === text.charCodeAt(at + length)) length++
  return length
}

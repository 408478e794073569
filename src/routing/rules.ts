import type { MatchSettings, PathSettings } from '../model/route-settings.ts'
import { type Entry, keyOf } from './bucket.ts'
import { compileConditions } from './conditions.ts'
import { pathTemplate } from './path-template.ts'
import { type PathExtent, PathTrie } from './path-trie.ts'
import type { RoutedRequest } from './request-view.ts'
import { patternTest } from './text-match.ts'

/** A rule, and how much of the path was matched by name: what a rewritten prefix stands in for. */
export interface FoundRule<Rule> {
  readonly rule: Rule
  readonly prefixLength: number
}

/** What rules are found by. */
export interface MatchedRule {
  readonly matches: readonly MatchSettings[]
  readonly caseSensitive: boolean
}

/** Of a route, the first rule that a request matches. */
export class Rules<Rule extends MatchedRule> {
  private readonly sensitive = new PathTrie<FoundRule<Rule>>()
  /** In lower case, like the paths that are looked for in it; only when some rule asks for it. */
  private insensitive: PathTrie<FoundRule<Rule>> | undefined = undefined

  /** @throws Error for a pattern or template that nobody checked */
  constructor(rules: readonly Rule[]) {
    let order = 0
    for (const rule of rules) {
      for (const match of rule.matches.length === 0 ? EVERYTHING : rule.matches) this.add(rule, match, order++)
    }
    this.sensitive.seal()
    this.insensitive?.seal()
  }

  find(request: RoutedRequest): FoundRule<Rule> | undefined {
    const { pathname } = request
    const found = this.sensitive.first(pathname, request, undefined)
    if (this.insensitive === undefined) return found?.value
    return this.insensitive.first(pathname.toLowerCase(), request, found)?.value
  }

  private add(rule: Rule, match: MatchSettings, order: number): void {
    const { path } = match
    const conditions = compileConditions(match)
    const anyCase = !rule.caseSensitive && path !== undefined && path.kind !== 'regex'
    const { literal, extent, test } = compilePath(path, anyCase)
    const prefixLength = path === undefined || path.kind === 'regex' || path.kind === 'template' ? 0 : path.value.length
    const entry: Entry<FoundRule<Rule>> = { order, value: { rule, prefixLength }, path: test, conditions, keys: keysOf(match) }
    if (anyCase) {
      this.insensitive ??= new PathTrie()
      this.insensitive.add(literal, extent, entry)
    } else {
      this.sensitive.add(literal, extent, entry)
    }
  }
}

/** What a path begins with that matches, how much of it that is, and what is left to ask. */
function compilePath(
  path: PathSettings | undefined,
  anyCase: boolean,
): { literal: string; extent: PathExtent; test: ((pathname: string) => boolean) | undefined } {
  if (path === undefined) return { literal: '', extent: 'beginning', test: undefined }
  const value = anyCase ? path.value.toLowerCase() : path.value
  switch (path.kind) {
    case 'exact':
      return { literal: value, extent: 'whole', test: undefined }
    case 'prefix':
      return { literal: value, extent: 'beginning', test: undefined }
    case 'pathSeparatedPrefix':
      return { literal: value, extent: 'segments', test: undefined }
    case 'regex':
      return { literal: literalOf(value), extent: 'beginning', test: patternTest(value) }
    case 'template': {
      const template = pathTemplate(value)
      if ('problem' in template) throw new Error(`${value} ${template.problem}`)
      const { literal } = template
      return { literal, extent: 'beginning', test: anyCase ? (pathname) => template.test(pathname.toLowerCase()) : template.test }
    }
  }
}

/** What every text begins with that matches the pattern; less than all of it is no mistake. */
function literalOf(pattern: string): string {
  if (pattern.includes('|')) return ''
  const open = pattern.replace(/^\^/, '')
  const [literal] = /^[\w/~!&',;=:@% -]*/.exec(open) as unknown as [string]
  // The last character may be there several times, or not at all.
  return /^[*?{]/.test(open.slice(literal.length)) ? literal.slice(0, -1) : literal
}

function keysOf({ headers, query }: MatchSettings): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  for (const { name, text, invert } of headers)
    if (text?.kind === 'exact' && !text.ignoreCase && !invert && text.value !== '') keys.set(keyOf('header', name), text.value)
  for (const { name, text } of query) if (text?.kind === 'exact' && !text.ignoreCase) keys.set(keyOf('query', name), text.value)
  return keys
}

const EVERYTHING: readonly MatchSettings[] = Object.freeze([Object.freeze({ headers: [], query: [] })])

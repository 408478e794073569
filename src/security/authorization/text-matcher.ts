import { safePattern } from '../../core/safe-pattern.ts'
import type { Key } from './condition.ts'
import type { PathTemplate } from './path-template.ts'
import type { Fields, Reader } from './reader.ts'
import { Contains, Prefix, Suffix, type TextTest } from './text-test.ts'

/** Compares text with a list of values, of which one must match. */
export class TextMatcher {
  /** Anything there is. */
  readonly any: boolean
  readonly tests: readonly TextTest[]
  /** The one literal, where there is only that: most rules are so, and a set would cost them a look into the memory or two. */
  private readonly only: string | undefined
  private readonly literals: ReadonlySet<string> | undefined
  private readonly fold: boolean

  constructor({ any = false, exact = [], tests = NO_TESTS, fold = false }: TextParts) {
    this.any = any
    this.tests = tests.length === 0 ? NO_TESTS : tests
    this.only = exact.length === 1 ? exact[0] : undefined
    this.literals = exact.length > 1 ? new Set(exact) : undefined
    this.fold = fold
  }

  get exact(): readonly string[] {
    return this.only === undefined ? [...(this.literals ?? [])] : [this.only]
  }

  matches(text: string): boolean {
    if (this.any) return true
    const compared = this.fold ? text.toLowerCase() : text
    if (this.only === compared || this.literals?.has(compared) === true) return true
    for (let index = 0; index < this.tests.length; index++) if ((this.tests[index] as TextTest).matches(compared)) return true
    return false
  }

  /** What text must be, or begin with, to match; undefined where that cannot be said. */
  keys({ prefixes }: { prefixes: boolean }): Key[] | undefined {
    if (this.any || this.fold) return undefined
    const keys: Key[] = this.exact.map((text) => ({ text, whole: true }))
    for (const { kind, text } of this.tests) {
      if (!prefixes || (kind !== 'prefix' && kind !== 'template') || text === '' || text === '/') return undefined
      keys.push({ text, whole: false })
    }
    return keys
  }
}

const NO_TESTS: readonly TextTest[] = Object.freeze([])

/** What a {@link TextMatcher} is made of. `fold`: compares without regard to case; what it is made of is in lower case then. */
export interface TextParts {
  readonly any?: boolean
  readonly exact?: readonly string[]
  readonly tests?: readonly TextTest[]
  readonly fold?: boolean
}

/** One value in the words of Istio. */
export interface Pattern {
  readonly kind: 'any' | 'exact' | 'prefix' | 'suffix'
  readonly text: string
}

/** Reads `abc`, `abc*`, `*abc` or `*`. */
export function readPattern(value: unknown, at: Reader, what: string): Pattern | undefined {
  const text = at.text(value, what)
  if (text === undefined) return undefined
  if (text === '*') return { kind: 'any', text: '' }
  const kind = text.endsWith('*') ? 'prefix' : text.startsWith('*') ? 'suffix' : 'exact'
  const literal = kind === 'prefix' ? text.slice(0, -1) : kind === 'suffix' ? text.slice(1) : text
  if (literal.includes('*')) return at.tell(`a star stands alone, at the beginning or at the end, got ${JSON.stringify(text)}`)
  return { kind, text: literal }
}

/** A matcher for patterns that were read. */
export function matcherOf(patterns: readonly Pattern[], templates: readonly PathTemplate[] = []): TextMatcher {
  const tests: TextTest[] = [...templates]
  for (const { kind, text } of patterns) {
    if (kind === 'prefix') tests.push(new Prefix(text))
    if (kind === 'suffix') tests.push(new Suffix(text))
  }
  return new TextMatcher({
    any: patterns.some(({ kind }) => kind === 'any'),
    exact: patterns.filter(({ kind }) => kind === 'exact').map(({ text }) => text),
    tests,
  })
}

/** The keys of a text in the tree. */
export const TEXT_KEYS = ['exact', 'prefix', 'suffix', 'contains', 'regex', 'ignoreCase'] as const
const WAYS = ['exact', 'prefix', 'suffix', 'contains', 'regex'] as const

/** Reads `{ exact | prefix | suffix | contains | regex, ignoreCase }`; `fold`: case never counts. */
export function readText(
  fields: Fields<(typeof TEXT_KEYS)[number]>,
  at: Reader,
  { fold: always = false, usable = () => undefined }: { fold?: boolean; usable?: (text: string, way: string) => string | undefined } = {},
): TextMatcher | undefined {
  const fold = at.at('ignoreCase').flag(fields.ignoreCase) || always
  const written = WAYS.filter((way) => fields[way] !== undefined)
  const [way] = written
  if (way === undefined || written.length > 1) return at.tell(`expected one of ${WAYS.join(', ')}`)
  const value = fields[way]
  // An empty header exists, and can be asked for.
  const text = way === 'exact' && value === '' ? '' : at.at(way).text(value, 'text')
  if (text === undefined) return undefined
  const problem = usable(text, way)
  if (problem !== undefined) return at.at(way).tell(problem)
  if (way === 'regex') {
    const pattern = safePattern(text, { ignoreCase: fold })
    if ('problem' in pattern) return at.at(way).tell(pattern.problem)
    return new TextMatcher({ tests: [{ kind: 'pattern', text, matches: (input) => pattern.matches(input) }] })
  }
  const compared = fold ? text.toLowerCase() : text
  if (way === 'exact') return new TextMatcher({ exact: [compared], fold })
  const Test = way === 'prefix' ? Prefix : way === 'suffix' ? Suffix : Contains
  return new TextMatcher({ tests: [new Test(compared)], fold })
}

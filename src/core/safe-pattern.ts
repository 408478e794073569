import { RE2JS } from 're2js'

/** A regular expression that needs time in proportion to the text, whatever somebody wrote (RE2 syntax: no look-around, no back-references). */
export interface SafePattern {
  /** Whether all of `text` matches. */
  test(text: string): boolean
  /** `text` with every part that matches replaced by `substitution`, which {@link substitutionProblem} found in order. */
  replace(text: string, substitution: string): string
  /** How many groups it has. */
  readonly groups: number
}

/** Longer patterns are no configuration. */
const MAX_PATTERN = 1_024

/** Compiles `pattern`, or says what is wrong with it; never throws. */
export function safePattern(pattern: string): SafePattern | { readonly problem: string } {
  if (pattern.length > MAX_PATTERN) return { problem: `is longer than ${MAX_PATTERN} characters` }
  try {
    const compiled = RE2JS.compile(pattern)
    return {
      test: (text) => compiled.matches(text),
      replace: (text, substitution) => replaceAll(compiled, text, substitution),
      groups: compiled.groupCount(),
    }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return { problem: said.replace(/^error parsing regexp: /, '') }
  }
}

/** What is wrong with a text that stands in for matches: `\1` to `\9` are groups, `\0` the whole match, `\\` a backslash. */
export function substitutionProblem(substitution: string, groups: number): string | undefined {
  for (const [written, what = ''] of substitution.matchAll(/\\(.?)/gs)) {
    if (what === '\\') continue
    if (!/\d/.test(what)) return `${written} is no group; a backslash is written \\\\`
    if (Number(what) > groups) return `${written} is no group of the pattern, which has ${groups}`
  }
  return undefined
}

function replaceAll(compiled: RE2JS, text: string, substitution: string): string {
  const matcher = compiled.matcher(text)
  let replaced = ''
  let end = 0
  while (matcher.find()) {
    replaced += text.slice(end, matcher.start())
    replaced += substitution.replace(/\\(.)/gs, (_, what: string) => (what === '\\' ? '\\' : (matcher.group(Number(what)) ?? '')))
    end = matcher.end()
  }
  return replaced + text.slice(end)
}

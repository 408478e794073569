import { RE2JS } from 're2js'

/** Longer ones are no pattern that anybody reads. */
const MAX_LENGTH = 2_048

/**
 * A regular expression from configuration, in the syntax of RE2: matching takes time that grows with the text and with nothing
 * else, where the platform's own needs seconds for `(a+)+$`. Look-around and back references do not exist in it.
 */
export class SafePattern {
  /** As it was written. */
  readonly text: string
  private readonly compiled: RE2JS

  /** @internal use {@link safePattern} */
  constructor(text: string, compiled: RE2JS) {
    this.text = text
    this.compiled = compiled
  }

  /** How many groups it has. */
  get groups(): number {
    return this.compiled.groupCount()
  }

  /** Whether the whole of `input` matches, as Envoy's `safe_regex` asks. */
  matches(input: string): boolean {
    return this.compiled.testExact(input)
  }

  /** Whether a part of `input` matches. */
  finds(input: string): boolean {
    return this.compiled.test(input)
  }

  /** `input` with every part that matches replaced by `substitution`, which {@link substitutionProblem} found in order. */
  replace(input: string, substitution: string): string {
    const matcher = this.compiled.matcher(input)
    let replaced = ''
    let end = 0
    while (matcher.find()) {
      replaced += input.slice(end, matcher.start())
      replaced += substitution.replace(/\\(.)/gs, (_, what: string) => (what === '\\' ? '\\' : (matcher.group(Number(what)) ?? '')))
      end = matcher.end()
    }
    return replaced + input.slice(end)
  }
}

/** Compiles `text`, or says in words why it cannot be used; never throws. */
export function safePattern(
  text: string,
  { ignoreCase = false }: { ignoreCase?: boolean } = {},
): SafePattern | { readonly problem: string } {
  if (text.length > MAX_LENGTH) return { problem: `a pattern of ${text.length} characters; at most ${MAX_LENGTH} are taken` }
  try {
    return new SafePattern(text, RE2JS.compile(text, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0))
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    return { problem: `not a pattern in the syntax of RE2: ${said.replace(/^error parsing regexp: /, '')}` }
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

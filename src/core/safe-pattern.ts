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

  /** Whether the whole of `input` matches, as Envoy's `safe_regex` asks. */
  matches(input: string): boolean {
    return this.compiled.testExact(input)
  }

  /** Whether a part of `input` matches. */
  finds(input: string): boolean {
    return this.compiled.test(input)
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
    return { problem: `not a pattern in the syntax of RE2: ${error instanceof Error ? error.message : String(error)}` }
  }
}

import { safePattern } from '../core/safe-pattern.ts'
import type { TextSettings } from '../model/route-settings.ts'

/** Says whether a text is as it must be. */
export type TextTest = (text: string) => boolean

/**
 * Compiles a condition on a text.
 * @throws Error for a pattern that nobody checked
 */
export function compileText({ kind, value, ignoreCase }: TextSettings): TextTest {
  if (kind === 'regex') return patternTest(value)
  const wanted = ignoreCase ? value.toLowerCase() : value
  const read = ignoreCase ? (text: string) => text.toLowerCase() : (text: string) => text
  switch (kind) {
    case 'exact':
      return (text) => read(text) === wanted
    case 'prefix':
      return (text) => read(text).startsWith(wanted)
    case 'suffix':
      return (text) => read(text).endsWith(wanted)
    case 'contains':
      return (text) => read(text).includes(wanted)
  }
}

/**
 * Compiles a pattern that all of a text must match.
 * @throws Error for one that nobody checked
 */
export function patternTest(pattern: string): TextTest {
  const compiled = safePattern(pattern)
  if ('problem' in compiled) throw new Error(`${JSON.stringify(pattern)}: ${compiled.problem}`)
  return (text) => compiled.matches(text)
}

import type { RuleSettings } from '../model/route-settings.ts'
import { CompiledRule } from './compiled-rule.ts'
import { Rules } from './rules.ts'
import { isSelection } from './selection-check.ts'

/** Why rules that somebody else's source made cannot be followed; undefined when they can. */
export function routeProblem(rules: readonly RuleSettings[]): string | undefined {
  try {
    const compiled = rules.map((rule) => new CompiledRule(rule, ''))
    for (const { settings, backends } of compiled) {
      const ends = [settings.backends, settings.redirect, settings.respond].filter((each) => each !== undefined).length
      if (ends !== 1) return `${settings.name} has not exactly one of backends, redirect, respond`
      if (backends.some(({ service, share }) => typeof service !== 'string' || !(share >= 0))) return `${settings.name} has broken backends`
      // What is read when a call comes by must be there.
      const lists: unknown[] = [settings.mirror, settings.hash]
      if (!lists.every(Array.isArray)) return `${settings.name} lacks mirror or hash`
      if (![...backends.map(({ selection }) => selection), ...settings.mirror].every(isSelection))
        return `${settings.name} has a broken subset, metadata or otherwise`
    }
    new Rules(compiled)
    return undefined
  } catch (error) {
    return `cannot be compiled: ${error instanceof Error ? error.message : String(error)}`
  }
}

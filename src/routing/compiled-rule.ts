import type { Random } from '../core/random.ts'
import type { HeaderEditsSettings, MatchSettings, RuleSettings } from '../model/route-settings.ts'
import type { SelectionSettings } from '../model/subsets.ts'
import { KeyPosition } from './key-position.ts'
import { Location } from './location.ts'
import { PathRewrite } from './path-rewrite.ts'
import type { MatchedRule } from './rules.ts'

/** One of the services that a rule leads to. */
export interface CompiledBackend {
  readonly service: string
  /** Which endpoints of it. */
  readonly selection: SelectionSettings
  readonly weight: number
  /** Share of the rule's calls, 0–1. */
  readonly share: number
  /** Where its share ends when all of them lie side by side, from 0 to 1. */
  readonly until: number
  /** The rule's changes and then its own; undefined where there are none. */
  readonly request: readonly HeaderEdits[] | undefined
  readonly response: readonly HeaderEdits[] | undefined
}

type HeaderEdits = NonNullable<HeaderEditsSettings['request']>

/** One rule as calls meet it. Whatever it needs is made here; a call allocates nothing to follow it. */
export class CompiledRule implements MatchedRule {
  readonly settings: RuleSettings
  readonly name: string
  /** In words, for errors: `the rule canary of the route shop`. */
  readonly title: string
  readonly matches: readonly MatchSettings[]
  readonly caseSensitive: boolean
  readonly backends: readonly CompiledBackend[]
  /** Where a key comes from; undefined when from nowhere. */
  readonly hash: RuleSettings['hash'] | undefined
  /** The host that its services see. */
  readonly host: string | undefined
  readonly rewrite: PathRewrite | undefined
  readonly location: Location | undefined
  private readonly position: KeyPosition

  /** @throws Error for what nobody checked */
  constructor(settings: RuleSettings, route: string) {
    const { name, matches, caseSensitive, backends = [], rewrite, redirect, headers } = settings
    const total = backends.reduce((sum, { weight }) => sum + weight, 0)
    let sofar = 0
    this.settings = settings
    this.name = name
    this.title = `the rule ${name} of the route ${route}`
    this.matches = matches
    this.caseSensitive = caseSensitive
    this.backends = backends.map(({ service, weight, headers: own, ...selection }) => {
      sofar += weight
      return {
        service,
        selection,
        weight,
        share: weight / total,
        // Whole numbers: the last of them that has a weight ends at 1, and no draw lies beyond.
        until: sofar / total,
        request: edits(headers?.request, own?.request),
        response: edits(headers?.response, own?.response),
      }
    })
    this.hash = settings.hash.length === 0 ? undefined : settings.hash
    this.host = rewrite?.host
    this.position = new KeyPosition(`${route}/${name}`)
    const movesPath = rewrite !== undefined && [rewrite.prefix, rewrite.path, rewrite.regex].some((each) => each !== undefined)
    this.rewrite = movesPath ? new PathRewrite(rewrite) : undefined
    this.location = redirect === undefined ? undefined : new Location(redirect)
  }

  /** The backend of a call: by weight; with a key always the same one, as long as the weights are the same. */
  pick(key: string | undefined, random: Random): CompiledBackend | undefined {
    const { backends } = this
    if (backends.length < 2) return backends[0]
    const at = key === undefined ? random() : this.position.of(key)
    for (const backend of backends) if (at < backend.until) return backend
    return backends.at(-1)
  }
}

function edits(...all: readonly (HeaderEdits | undefined)[]): readonly HeaderEdits[] | undefined {
  const written = all.filter((each) => each !== undefined)
  return written.length === 0 ? undefined : written
}

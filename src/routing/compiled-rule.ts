import type { HeaderEditsSettings, MatchSettings, RuleSettings } from '../model/route-settings.ts'
import { Location } from './location.ts'
import { PathRewrite } from './path-rewrite.ts'
import type { MatchedRule } from './rules.ts'
import { WeightedSplit } from './weighted-split.ts'

/** One of the services that a rule leads to. */
export interface CompiledBackend {
  readonly service: string
  readonly weight: number
  /** Share of the rule's calls, 0–1. */
  readonly share: number
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
  /** The one that gets every call, where there is no choice. */
  readonly only: CompiledBackend | undefined
  readonly split: WeightedSplit
  /** Where a key comes from; undefined when from nowhere. */
  readonly hash: RuleSettings['hash'] | undefined
  /** The host that its services see. */
  readonly host: string | undefined
  readonly rewrite: PathRewrite | undefined
  readonly location: Location | undefined

  /** @throws Error for what nobody checked */
  constructor(settings: RuleSettings, route: string) {
    const { name, matches, caseSensitive, backends = [], rewrite, redirect, headers } = settings
    const weights = backends.map(({ weight }) => weight)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    this.settings = settings
    this.name = name
    this.title = `the rule ${name} of the route ${route}`
    this.matches = matches
    this.caseSensitive = caseSensitive
    this.backends = backends.map(({ service, weight, headers: own }) => ({
      service,
      weight,
      share: weight / total,
      request: edits(headers?.request, own?.request),
      response: edits(headers?.response, own?.response),
    }))
    this.only = this.backends.length === 1 ? this.backends[0] : undefined
    this.hash = settings.hash.length === 0 ? undefined : settings.hash
    this.host = rewrite?.host
    this.split = new WeightedSplit(weights, `${route}/${name}`)
    const movesPath = rewrite !== undefined && [rewrite.prefix, rewrite.path, rewrite.regex].some((each) => each !== undefined)
    this.rewrite = movesPath ? new PathRewrite(rewrite) : undefined
    this.location = redirect === undefined ? undefined : new Location(redirect)
  }
}

function edits(...all: readonly (HeaderEdits | undefined)[]): readonly HeaderEdits[] | undefined {
  const written = all.filter((each) => each !== undefined)
  return written.length === 0 ? undefined : written
}

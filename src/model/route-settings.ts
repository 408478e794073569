import type { AnswerSettings, FallbackSettings, FaultSettings, RetrySettings } from './call-policy-settings.ts'
import type { HedgeSettings } from './hedge.ts'
import type { SelectionSettings } from './subsets.ts'

/** Exactly one way is written. Patterns are checked, and text here: the rules compile them. */
export interface TextSettings {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex'
  readonly value: string
  readonly ignoreCase: boolean
}

export interface PathSettings {
  readonly kind: 'exact' | 'prefix' | 'pathSeparatedPrefix' | 'regex' | 'template'
  readonly value: string
}

export interface HeaderMatchSettings {
  /** Lower case. */
  readonly name: string
  /** Exactly one of these three. */
  readonly text?: TextSettings
  readonly range?: { readonly start: number; readonly end: number }
  readonly present?: boolean
  readonly invert: boolean
  readonly missingAsEmpty: boolean
}

export interface QueryMatchSettings {
  readonly name: string
  /** Exactly one of these two. */
  readonly text?: TextSettings
  readonly present?: boolean
}

export interface MatchSettings {
  readonly path?: PathSettings
  readonly headers: readonly HeaderMatchSettings[]
  readonly query: readonly QueryMatchSettings[]
  /** Upper case; undefined: any. */
  readonly methods?: readonly string[]
  /** Percent. */
  readonly fraction?: number
}

/** Lower-case names. */
export interface HeaderEditSettings {
  readonly set: Readonly<Record<string, string>>
  readonly add: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

export interface HeaderEditsSettings {
  readonly request?: HeaderEditSettings
  readonly response?: HeaderEditSettings
}

export interface BackendSettings extends SelectionSettings {
  readonly service: string
  readonly weight: number
  readonly headers?: HeaderEditsSettings
}

export interface PathRewriteSettings {
  /** At most one of these three. */
  readonly prefix?: string
  readonly path?: string
  readonly regex?: { readonly pattern: string; readonly substitution: string }
}

export interface RedirectSettings extends PathRewriteSettings {
  readonly scheme?: 'http' | 'https'
  readonly host?: string
  readonly port?: number
  readonly stripQuery: boolean
  readonly status: 301 | 302 | 303 | 307 | 308
}

export interface MirrorSettings extends SelectionSettings {
  readonly service: string
  readonly percent: number
}

export interface HashSettings {
  readonly from: 'header' | 'cookie' | 'query'
  readonly name: string
}

/** One rule, checked. Exactly one of `backends`, `redirect` and `respond`. */
export interface RuleSettings {
  readonly name: string
  /** None: every call. */
  readonly matches: readonly MatchSettings[]
  readonly caseSensitive: boolean
  readonly backends?: readonly BackendSettings[]
  readonly redirect?: RedirectSettings
  readonly respond?: AnswerSettings
  readonly rewrite?: PathRewriteSettings & { readonly host?: string }
  readonly headers?: HeaderEditsSettings
  readonly mirror: readonly MirrorSettings[]
  readonly timeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly retry?: Partial<RetrySettings> | false
  readonly hedge?: Partial<HedgeSettings> | false
  readonly fault?: FaultSettings | false
  readonly fallback?: FallbackSettings | false
  readonly hash: readonly HashSettings[]
}

/** Which endpoints calls of a colour go to. */
export interface LaneSettings {
  /** Lower case. */
  readonly header: string
  readonly label: string
  readonly baseline: string | undefined
  readonly strict: boolean
}

import type { Duration } from '../core/duration.ts'
import type { HedgeOptions } from './hedge.ts'
import type { FallbackOptions, FaultOptions, OwnAnswer } from './protection.ts'
import type { RetryOptions } from './retry-options.ts'
import type { SelectionOptions } from './subsets.ts'

/** How a text must be; one of them. `regex` is RE2 syntax, and the whole text must match. */
export interface TextMatch {
  exact?: string
  prefix?: string
  suffix?: string
  contains?: string
  regex?: string
  /** Letters are compared without their case; not for `regex`, which says `(?i)`. Default false. */
  ignoreCase?: boolean
}

/** How the path of a call must be, without its query; one of them. */
export interface PathMatch {
  exact?: string
  /** Any path that begins so: `/api` is `/apiary` too. */
  prefix?: string
  /** The same by whole segments: `/api` is `/api` and `/api/x`, not `/apiary`. Without a `/` at its end. */
  pathSeparatedPrefix?: string
  /** RE2 syntax; the whole path must match. */
  regex?: string
  /** `/users/{id}/*`, `/files/**`: `*` and `{name}` are one segment, `**` and `{name=**}` the rest (Envoy's URI templates). */
  template?: string
}

/** How a request header must be; one way, or that it is there. */
export interface HeaderMatchOptions extends TextMatch {
  name: string
  /** A whole number, `start` included and `end` not. */
  range?: { start: number; end: number }
  /** That it is there, or with `false` that it is not. */
  present?: boolean
  /** Turns the answer round. A header that is absent matches nothing all the same. Default false. */
  invert?: boolean
  /** A header that is absent is an empty one. Default false. */
  missingAsEmpty?: boolean
}

/** How a parameter of the query must be, decoded; the first where it is there twice. */
export interface QueryMatchOptions extends TextMatch {
  name: string
  present?: boolean
}

/** Conditions on a call; all of them must hold. */
export interface MatchOptions {
  path?: PathMatch
  headers?: HeaderMatchOptions[]
  query?: QueryMatchOptions[]
  method?: string
  methods?: string[]
  /** Percent of the calls for which all else holds. */
  fraction?: number
}

/** Changes of headers: first `remove`, then `set`, then `add`. */
export interface HeaderEditOptions {
  /** In place of what is there. */
  set?: Record<string, string>
  /** Beside what is there. */
  add?: Record<string, string>
  remove?: string[]
}

/** Changes of the headers of a request, and of its answer. */
export interface HeaderEdits {
  request?: HeaderEditOptions
  response?: HeaderEditOptions
}

/** One of the services that a rule leads to. */
export interface BackendOptions<Name extends string = string> extends SelectionOptions {
  service: Name
  /** Share of the calls against the other backends, 0–1,000,000. Default 1. */
  weight?: number
  /** After the rule's own. */
  headers?: HeaderEdits
}

/** Part of a path and what stands in for it; `\1` is the first group of `pattern`. */
export interface RegexRewrite {
  pattern: string
  substitution: string
}

/** What the service sees in place of what the caller wrote. */
export interface RewriteOptions {
  /** In place of the `prefix`, `pathSeparatedPrefix` or `exact` path that matched. */
  prefix?: string
  /** In place of the whole path; the query stays. */
  path?: string
  regex?: RegexRewrite
  /** The `Host`, and with TLS the name that is asked for and checked. */
  host?: string
}

/** An answer that sends the caller elsewhere; what is not written stays as the caller wrote it. */
export interface RedirectOptions {
  scheme?: 'http' | 'https'
  host?: string
  port?: number
  path?: string
  /** In place of the prefix that matched. */
  prefix?: string
  regex?: RegexRewrite
  stripQuery?: boolean
  /** Default 301. */
  status?: 301 | 302 | 303 | 307 | 308
}

/** A service that gets a copy of the calls; its answers are read by nobody. */
export interface MirrorOptions<Name extends string = string> extends SelectionOptions {
  service: Name
  /** Share of the calls, 0–100. Default 100. */
  percent?: number
}

/** Where the key for balancers that hash, and for the draw among backends, comes from: the first that is there. */
export interface HashOptions {
  header?: string
  cookie?: string
  query?: string
}

/** One rule of a route: which calls, and what becomes of them: `backends`, `redirect` or `respond`. */
export interface RuleOptions<Name extends string = string> {
  /** Appears in errors and `explain`. Default: its place, `rules[0]`. */
  name?: string
  /** One of them must hold. Default: every call. */
  match?: MatchOptions[]
  /** Of the paths in `match`, except `regex`. Default true. */
  caseSensitive?: boolean
  backends?: BackendOptions<Name>[]
  redirect?: RedirectOptions
  /** An answer of the mesh itself. */
  respond?: OwnAnswer
  rewrite?: RewriteOptions
  headers?: HeaderEdits
  mirror?: MirrorOptions<Name>[]
  /** In place of the service's. */
  timeout?: Duration
  idleTimeout?: Duration
  /** Field by field over the service's. */
  retry?: Omit<RetryOptions, 'budget'> | false
  hedge?: Omit<HedgeOptions, 'extraLoadPercent'> | false
  fault?: FaultOptions | false
  fallback?: FallbackOptions | false
  hash?: HashOptions[]
}

/** What becomes of the calls to some hosts. */
export interface RouteOptions<Name extends string = string> {
  /** Appears in errors, `stats` and `explain`; each name once. Default: the first of `hosts`. */
  name?: string
  /** Default: the mesh's. */
  namespace?: string
  /** `shop`, `shop:8080`, `*.example.com`, `shop.*` or `*`; need not be the names of services. */
  hosts: string[]
  /** Asked in order; the first that matches decides. */
  rules: RuleOptions<Name>[]
}

/** Calls of one colour go to the endpoints of that colour, as long as there are some. */
export interface LaneOptions {
  /** Request header that holds a call's colour. Default `x-lane`. */
  header?: string
  /** Key of the endpoints' metadata that holds theirs. Default `lane`. */
  label?: string
  /** Value of the label that means no colour. Default: endpoints without the label. */
  baseline?: string
  /** A colour without usable endpoints ends with `MESH_NO_ENDPOINT`, and not at the baseline. Default false. */
  strict?: boolean
}

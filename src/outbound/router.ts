import { meshErrorWithoutStack } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { flagsFrom, type ResponseFlag } from '../core/response-flags.ts'
import type { AnswerSettings } from '../model/resources.ts'
import type { HeaderEditSettings } from '../model/route-settings.ts'
import type { PlannedRule, RoutePlan } from '../plan/route-plan.ts'
import type { CompiledBackend } from '../routing/compiled-rule.ts'
import { hashKeyOf } from '../routing/hash-key.ts'
import { RequestView } from '../routing/request-view.ts'
import type { FoundRule } from '../routing/rules.ts'
import type { Caller } from './caller.ts'
import { DirectAnswer } from './direct-answer.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import type { DispatchOptions } from './handler.ts'
import { editRequestHeaders } from './header-edits.ts'
import { joinedRequestHeader } from './headers.ts'
import { refuse } from './refuse.ts'
import { replayBody } from './replay-body.ts'
import type { RoutedOrigin } from './routed-origin.ts'

/** Where a rule sends a call, and what is sent. */
export interface Way {
  readonly target: Target
  readonly options: DispatchOptions
  readonly settings: CallSettings
}

/** What became of a call that has no way: it was refused, or its service is not known yet; or its rule answers it. */
export type NoWay = 'ended' | 'unknown' | FoundRule<PlannedRule>

/** Asks the rules of routes. What a call needs of a rule was made when the rule was; here it is looked up. */
export class Router {
  private readonly engine: Engine
  private readonly random: Random
  private readonly view: RequestView

  constructor(engine: Engine, random: Random) {
    this.engine = engine
    this.random = random
    this.view = new RequestView(joinedRequestHeader, random)
  }

  /**
   * The way of a call under the rules of its host, or none; then `caller` has heard of it, unless its rule answers it, or its service is
   * `unknown` and somebody may still name it.
   * @param settled whether every source has said what it has
   */
  follow(routed: RoutedOrigin, options: DispatchOptions, caller: Caller, settings: CallSettings, settled: boolean): Way | NoWay {
    const { route, name } = routed.match
    if (route === undefined) return this.refuse(caller, 'MESH_NO_ENDPOINT', `the route ${name} was removed`, undefined)
    const path = wholePath(options)
    const request = this.view.of(options.method, path, options.headers, settings.within)
    const found = route.rules.find(request)
    if (found === undefined) {
      if (settled) route.counters.unmatched++
      return settled
        ? this.refuse(caller, 'MESH_UNKNOWN_SERVICE', unmatched(route, options.method, request.pathname), route.from)
        : 'unknown'
    }
    const { rule } = found
    if (rule.backends.length === 0) return found
    const hashKey = settings.hashKey ?? (rule.hash === undefined ? undefined : hashKeyOf(rule.hash, request))
    const backend = rule.pick(hashKey, this.random) as CompiledBackend
    const target = routed.target(rule, backend)
    if (target === undefined) {
      if (!settled) return 'unknown'
      rule.counters.calls++
      return this.refuse(caller, 'MESH_UNKNOWN_SERVICE', `${rule.title} leads to ${backend.service}, which is no service`, rule.from, 'NC')
    }
    rule.counters.calls++
    return {
      target,
      options: this.edited(options, found, backend.request, path),
      settings: hashKey === settings.hashKey ? settings : { ...settings, hashKey },
    }
  }

  /** The caller's own options where the rule changes nothing, else one copy. */
  private edited(
    options: DispatchOptions,
    { rule, prefixLength }: FoundRule<PlannedRule>,
    edits: readonly HeaderEditSettings[] | undefined,
    path: string,
  ): DispatchOptions {
    const { rewrite, host } = rule
    if (rewrite === undefined && edits === undefined && host === undefined) return options
    const copy: DispatchOptions = { ...options }
    if (rewrite !== undefined) {
      const { pathname } = this.view
      copy.path = rewrite.apply(pathname, prefixLength) + path.slice(pathname.length)
      delete copy['query']
    }
    // A `Host` that the caller wrote gives way to the one of the rule.
    if (edits !== undefined || host !== undefined)
      copy.headers = editRequestHeaders(options.headers, edits ?? [], host === undefined ? undefined : 'host')
    return copy
  }

  /** Answers a call by the rule that {@link follow} found for it just now. */
  answer({ origin }: RoutedOrigin, { rule, prefixLength }: FoundRule<PlannedRule>, options: DispatchOptions, caller: Caller): void {
    const { redirect, respond, headers } = rule.settings
    const { engine, view } = this
    const answer: AnswerSettings =
      redirect === undefined || rule.location === undefined
        ? (respond as AnswerSettings)
        : { status: redirect.status, headers: { location: rule.location.of(origin, view, prefixLength) }, body: '' }
    rule.counters.calls++
    rule.counters.answered++
    const { method } = options
    const edits = headers?.response === undefined ? undefined : [headers.response]
    const body = replayBody(options.body, engine.replayMemory)
    new DirectAnswer(answer, { caller, method, body, edits, report: engine.report }).begin()
  }

  private refuse(
    caller: Caller,
    code: 'MESH_UNKNOWN_SERVICE' | 'MESH_NO_ENDPOINT',
    reason: string,
    from: string | undefined,
    flag?: ResponseFlag,
  ): NoWay {
    const flags = flag === undefined ? undefined : flagsFrom(flag)
    const { placeOf, report } = this.engine
    refuse(caller, meshErrorWithoutStack(code, { reason, from, place: placeOf(from), flags }), report)
    return 'ended'
  }
}

/** In words, that a route has no rule for a request. */
function unmatched(route: RoutePlan, method: string, pathname: string): string {
  return `no rule of the route ${route.name} matches ${method} ${pathname}`
}

/** Path and query; undici's callers may give the query apart. */
function wholePath({ path, query }: DispatchOptions): string {
  if (query === null || typeof query !== 'object') return path
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) for (const each of [value].flat()) search.append(name, String(each))
  return search.size === 0 ? path : `${path}?${search.toString()}`
}

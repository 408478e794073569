import * as v from 'valibot'
import { splitHost } from '../../core/host.ts'
import type { RuleSettings } from '../../model/route-settings.ts'
import { checked, compact, duration, exactlyOne, type Fields, listOf, orOff, print, type Report, record, text } from './blocks.ts'
import { ruleHedge } from './hedge.ts'
import { some } from './outbound-policies.ts'
import { retry } from './policy.ts'
import { answer, fallback, fault } from './protection.ts'
import { backends, hash, headerEdits, mirrors, redirect, rewrite } from './route-action.ts'
import { match, yesOrNo } from './route-match.ts'
import { namespaceName } from './service.ts'

/** One route of the short form, checked. */
export interface ParsedRoute {
  readonly name: string
  readonly namespace: string | undefined
  readonly hosts: readonly string[]
  readonly rules: readonly RuleSettings[]
}

const HOST = /^(?:\*|\*?[a-z0-9_.-]{1,253}|[a-z0-9_.-]{1,253}\*|\[[0-9a-f:.]{2,45}\])(?::([1-9]\d{0,4}))?$/i

const host = checked('a host such as shop, shop:8080, *.example.com, shop.* or *', (input) => {
  if (typeof input !== 'string' || input.length > 260) return undefined
  const found = HOST.exec(input)
  return found !== null && Number(found[1] ?? 1) <= 65_535 ? input : undefined
})

/** Fields of the section `retry` that a rule may write. */
const ruleRetry = v.pipe(
  v.unknown(),
  v.rawCheck(({ dataset: { value }, addIssue }) => {
    if (Object.hasOwn((value ?? {}) as object, 'budget'))
      addIssue({ message: 'the budget belongs to the service: what bounds its load is one for all rules' })
  }),
  retry,
)

const entries = {
  name: v.optional(text(253)),
  match: v.optional(some('matches', match)),
  caseSensitive: v.optional(yesOrNo, true),
  backends: v.optional(backends),
  redirect: v.optional(redirect),
  respond: v.optional(answer),
  rewrite: v.optional(rewrite),
  headers: v.optional(headerEdits),
  mirror: v.optional(mirrors),
  timeout: v.optional(duration()),
  idleTimeout: v.optional(duration()),
  retry: v.optional(orOff(ruleRetry as v.GenericSchema<unknown, v.InferOutput<typeof retry>>)),
  hedge: v.optional(orOff(ruleHedge)),
  fault: v.optional(orOff(fault)),
  fallback: v.optional(orOff(fallback)),
  hash: v.optional(hash),
}

type ParsedRule = Fields<typeof entries>

/** What only concerns calls that go to a service. */
const OF_BACKENDS = ['rewrite', 'mirror', 'timeout', 'idleTimeout', 'retry', 'hedge', 'fault', 'fallback', 'hash'] as const

function acrossRule(written: Partial<ParsedRule>, report: Report, given: Readonly<Record<string, unknown>>): void {
  exactlyOne(['backends', 'redirect', 'respond'], given, report)
  const own = (['redirect', 'respond'] as const).find((key) => given[key] !== undefined)
  if (own !== undefined && given['backends'] === undefined)
    for (const key of OF_BACKENDS) if (given[key] !== undefined) report([key], `goes with backends, not with ${own}`)
  for (const key of ['rewrite', 'redirect'] as const) {
    // A match that is broken is told already.
    if (written[key]?.prefix === undefined || (given['match'] !== undefined && written.match === undefined)) continue
    const matches = written.match ?? []
    if (matches.length === 0 || matches.some(({ path }) => !['prefix', 'pathSeparatedPrefix', 'exact'].includes(path?.kind ?? '')))
      report([key, 'prefix'], 'stands in for a prefix, so every match must have a path with prefix, pathSeparatedPrefix or exact')
  }
  const { timeout, retry: again } = written
  const perTry = (again || {}) as { perTryTimeoutMs?: number }
  if (timeout !== undefined && perTry.perTryTimeoutMs !== undefined && perTry.perTryTimeoutMs > timeout)
    report(['retry', 'perTryTimeout'], 'expected at most timeout: the whole call ends before such a try could')
}

function settingsOf(rule: ParsedRule, index: number): RuleSettings {
  const { name, match: matches, mirror, timeout, idleTimeout, hash: keys, ...rest } = rule
  return Object.freeze({
    ...compact(rest),
    name: name ?? `rules[${index}]`,
    matches: matches ?? [],
    mirror: mirror ?? [],
    hash: keys ?? [],
    ...compact({ timeoutMs: timeout, idleTimeoutMs: idleTimeout }),
  }) as RuleSettings
}

const rules: v.GenericSchema<unknown, ParsedRule[]> = v.pipe(
  listOf('rules', record(entries, [], acrossRule), (written, report) => {
    const names = new Map<string, number>()
    for (const [index, { name }] of written) {
      if (name === undefined) continue
      const first = names.get(name)
      if (first === undefined) names.set(name, index)
      else report([index, 'name'], `${name} is already the name of number ${first}`)
    }
  }),
  v.check((list) => list.length > 0, 'expected at least one rule'),
)

/** One route; what routes must be to each other is {@link acrossRoutes}' business. */
export const route: v.GenericSchema<unknown, ParsedRoute> = v.pipe(
  record({ name: v.optional(text(253)), namespace: v.optional(namespaceName), hosts: some('hosts', host), rules }),
  v.transform(({ name, namespace, hosts, rules: written }) => ({
    name: name ?? (hosts[0] as string),
    namespace,
    hosts: Object.freeze(hosts),
    rules: Object.freeze(written.map(settingsOf)),
  })),
)

/** No two routes of one document have the same name, or the same host. */
export function acrossRoutes(routes: Iterable<readonly [number, ParsedRoute]>, report: Report): void {
  const names = new Map<string, number>()
  const hosts = new Map<string, string>()
  for (const [index, { name, namespace = '', hosts: written }] of routes) {
    const key = `${namespace}/${name}`
    const first = names.get(key)
    if (first !== undefined) report([index, 'name'], `${name} is already the name of number ${first}`)
    else names.set(key, index)
    for (const [place, each] of written.entries()) {
      const { host: canonical, port } = splitHost(each)
      const taken = `${canonical}:${port ?? ''}`
      const holder = hosts.get(taken)
      if (holder === undefined) hosts.set(taken, name)
      else report([index, 'hosts', place], `${each} is already taken by the route ${print(holder)}`)
    }
  }
}

/** `routes: [ … ]` on the top level. */
export const routes: v.GenericSchema<unknown, ParsedRoute[]> = listOf('routes', route, acrossRoutes)

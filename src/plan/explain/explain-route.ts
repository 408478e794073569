import { spokenHeader, spokenHeaders } from '../../core/redact.ts'
import type { Explanation } from '../../model/explanation.ts'
import type { AnswerSettings } from '../../model/resources.ts'
import type { CompiledBackend } from '../../routing/compiled-rule.ts'
import { hashKeyOf } from '../../routing/hash-key.ts'
import type { RoutedRequest } from '../../routing/request-view.ts'
import type { FoundRule } from '../../routing/rules.ts'
import { withRule } from '../call-policy.ts'
import type { Plan } from '../plan.ts'
import { followRedirects } from '../redirect.ts'
import type { PlannedRule } from '../route-plan.ts'
import type { RouteMatch } from '../route-table.ts'
import type { Asked } from './asked.ts'
import { explainLed } from './explain-service.ts'
import { type Chance, rulesFor } from './fractions.ts'
import { outline } from './outline.ts'

/** Says what would happen now to a request for a host that has a route. Where fractions decide, of the rule that gets most of such calls. */
export function explainRouted(plan: Plan, { route, name, match }: RouteMatch, asked: Asked): Explanation {
  const { host } = asked
  const refused = (said: string, error: string, from: Record<string, string>, more: object = {}): Explanation =>
    outline({ host, service: undefined, match: said, decision: 'refuse', ...more }, { from, error })
  if (route === undefined) return refused(`the route ${name} was removed: the call ends with MESH_NO_ENDPOINT`, 'MESH_NO_ENDPOINT', {})
  const chances = rulesFor(route, asked)
  const [{ found, share, view }] = chances as [Chance, ...Chance[]]
  const drawn =
    chances.length === 1 ? {} : { share, others: chances.slice(1).map((each) => ({ rule: each.found?.rule.name, share: each.share })) }
  if (found === undefined) {
    const said = `no rule of the route ${route.name} matches: the call ends with MESH_UNKNOWN_SERVICE`
    return refused(said, 'MESH_UNKNOWN_SERVICE', { route: route.from }, { route: route.name, ...drawn })
  }
  const { rule } = found
  const head = { host, match, route: route.name, rule: rule.name, ...drawn }
  const from = { route: route.from, rule: rule.from }
  if (rule.backends.length > 0) return explainBackends(plan, found, view, asked, { head, from })
  return outline({ ...head, service: undefined, decision: 'answer' }, { from, answer: answerOf(found, view, asked) })
}

interface Told {
  readonly head: Omit<Explanation['route'], 'service' | 'decision'>
  readonly from: Record<string, string>
}

function explainBackends(plan: Plan, found: FoundRule<PlannedRule>, view: RoutedRequest, asked: Asked, { head, from }: Told): Explanation {
  const { rule } = found
  const path = rewrittenPath(found, view, asked)
  const hashKey = asked.hashKey ?? (rule.hash === undefined ? undefined : hashKeyOf(rule.hash, view))
  // A key leads to one backend whatever is drawn.
  const keyed = hashKey === undefined ? undefined : rule.pick(hashKey, () => 0)
  const urlHost = rule.settings.rewrite?.host
  const [first, ...others] = rule.backends
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => Number(b === keyed) - Number(a === keyed) || b.weight - a.weight)
    .map((backend) => explainBackend(plan, rule, backend, { ...asked, path, host: urlHost ?? asked.host, urlHost, hashKey })) as [
    Explanation,
    ...Explanation[],
  ]
  const alternatives = others.map(
    ({ route, candidates, selection, gates, safeguards, timeouts, retry, hedge, tls, protocol, from: sources }) => {
      const some = { ...(selection === undefined ? {} : { selection }), ...(hedge === undefined ? {} : { hedge }) }
      return { service: route.service ?? '', candidates, ...some, gates, safeguards, timeouts, retry, tls, protocol, from: sources }
    },
  )
  return {
    ...first,
    route: { ...head, service: first.route.service, decision: first.route.decision },
    backends: rule.backends.map(({ service, share, selection: { subset, metadata } }) => ({
      service,
      share,
      ...(subset === undefined ? {} : { subset }),
      ...(metadata === undefined ? {} : { metadata }),
    })),
    rewrites: [...rewritesOf(found, asked, { path, hashKey, keyed }), ...first.rewrites],
    from: { ...from, ...first.from },
    ...(alternatives.length === 0 ? {} : { alternatives }),
  }
}

function explainBackend(plan: Plan, rule: PlannedRule, backend: CompiledBackend, asked: Asked): Explanation {
  const { host, method, path } = asked
  const service = plan.service(backend.service)
  if (service === undefined) {
    const said = `${rule.title} leads to ${backend.service}, which is no service: such a call ends with MESH_UNKNOWN_SERVICE`
    const told = { from: { rule: rule.from }, rewrites: [said], error: 'MESH_UNKNOWN_SERVICE' }
    return outline({ host, service: backend.service, match: said, decision: 'refuse' }, told)
  }
  const led = followRedirects(service, method, path, (name) => plan.service(name))
  const policy = withRule(service.callPolicy, rule.policy, service, plan.random)
  const sent = { ...asked, headers: editedHeaders(asked.headers, backend) }
  return explainLed(led, service, sent, {
    match: service.name,
    gone: false,
    policy,
    choice: service.choices.of(backend.selection, rule.from),
  })
}

function answerOf(
  { rule, prefixLength }: FoundRule<PlannedRule>,
  view: RoutedRequest,
  { secure, host }: Asked,
): NonNullable<Explanation['answer']> {
  const { redirect, respond, headers } = rule.settings
  const edits = headers?.response
  const changed = spokenHeaders({ ...edits?.add, ...edits?.set })
  if (redirect !== undefined && rule.location !== undefined) {
    const location = rule.location.of({ secure, authority: host }, view, prefixLength)
    return { status: redirect.status, headers: { location, ...changed }, bodyBytes: 0 }
  }
  const { status, headers: own, body } = respond as AnswerSettings
  return { status, headers: { ...spokenHeaders(own), ...changed }, bodyBytes: Buffer.byteLength(body) }
}

function rewrittenPath({ rule, prefixLength }: FoundRule<PlannedRule>, { pathname }: RoutedRequest, { path }: Asked): string {
  return rule.rewrite === undefined ? path : rule.rewrite.apply(pathname, prefixLength) + path.slice(pathname.length)
}

/** What follows from the request. */
interface Derived {
  readonly path: string
  readonly hashKey: string | undefined
  /** The backend that the key leads to. */
  readonly keyed: CompiledBackend | undefined
}

/** What a rule makes of a request, one thing after the other; each names the rule. */
function rewritesOf({ rule }: FoundRule<PlannedRule>, request: Asked, { path, hashKey, keyed }: Derived): string[] {
  const { settings, from } = rule
  const said: string[] = []
  if (path !== request.path) said.push(`the path becomes ${path}`)
  if (settings.rewrite?.host !== undefined) said.push(`the host becomes ${settings.rewrite.host}`)
  for (const [what, edits] of [
    ['request', settings.headers?.request],
    ['response', settings.headers?.response],
  ] as const) {
    if (edits === undefined) continue
    for (const name of edits.remove) said.push(`the ${what} header ${name} is removed`)
    for (const [name, value] of Object.entries(edits.set)) said.push(`the ${what} header ${name} is set to ${spokenHeader(name, value)}`)
    for (const [name, value] of Object.entries(edits.add)) said.push(`the ${what} header ${name} gets ${spokenHeader(name, value)} added`)
  }
  for (const { service, percent } of settings.mirror) said.push(`${percent} % of the calls are copied to ${service}`)
  if (keyed !== undefined)
    said.push(`the draw among the backends goes by the key ${JSON.stringify(hashKey)}, which leads to ${keyed.service}`)
  return said.map((each) => `${each} (${from})`)
}

function editedHeaders(headers: Asked['headers'], { request }: CompiledBackend): Asked['headers'] {
  const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  for (const { remove, set, add } of request ?? []) {
    for (const name of remove) delete lower[name]
    Object.assign(lower, set)
    for (const [name, value] of Object.entries(add)) lower[name] = lower[name] === undefined ? value : `${lower[name]},${value}`
  }
  return lower
}

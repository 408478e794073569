import type { Explanation } from '../model/explanation.ts'
import type { AnswerSettings } from '../model/resources.ts'
import type { CompiledBackend } from '../routing/compiled-rule.ts'
import { hashKeyOf } from '../routing/hash-key.ts'
import { RequestView, type RoutedRequest } from '../routing/request-view.ts'
import type { FoundRule } from '../routing/rules.ts'
import { withRule } from './call-policy.ts'
import { type ExplainedRequest, explainService } from './explain.ts'
import type { Plan } from './plan.ts'
import { followRedirects } from './redirect.ts'
import type { PlannedRule } from './route-plan.ts'
import type { RouteMatch } from './route-table.ts'
import type { ServicePlan } from './service-plan.ts'

type Asked = Omit<ExplainedRequest, 'gone'>

/** Says what would happen now to a request for a host that has a route. Fractions are taken as they come: twice asked may be two answers. */
export function explainRouted(plan: Plan, { route, name, match }: RouteMatch, request: Asked, now: number): Explanation {
  if (route === undefined) return nowhere(request, match, `the route ${name} was removed: the call ends with MESH_NO_ENDPOINT`, {})
  const { method, path, headers } = request
  const view = new RequestView(headerOf, plan.random).of(method, path, headers)
  const found = route.rules.find(view)
  if (found === undefined) {
    const said = `no rule of the route ${route.name} matches: the call ends with MESH_UNKNOWN_SERVICE`
    return { ...nowhere(request, match, said, { route: route.from }), route: { ...routeOf(request, match, said), route: route.name } }
  }
  const { rule } = found
  const head = { host: request.host, match, route: route.name, rule: rule.name }
  const from = { route: route.from, rule: rule.from }
  if (rule.backends.length === 0) {
    const answer = answerOf(found, view, request)
    const said = { ...nowhere(request, match, '', from), answer, tls: 'nothing is sent' }
    return { ...said, route: { ...head, service: undefined, decision: 'answer' } }
  }
  return explainBackends(plan, found, view, request, { head, from, now })
}

interface Told {
  readonly head: { host: string; match: string; route: string; rule: string }
  readonly from: Record<string, string>
  readonly now: number
}

function explainBackends(
  plan: Plan,
  found: FoundRule<PlannedRule>,
  view: RoutedRequest,
  request: Asked,
  { head, from, now }: Told,
): Explanation {
  const { rule } = found
  const path = rewrittenPath(found, view, request)
  const parts = [...rule.backends]
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map((backend) => explainBackend(plan, rule, backend, { ...request, path, host: rule.settings.rewrite?.host ?? request.host }, now))
  const [first, ...others] = parts as [Explanation, ...Explanation[]]
  return {
    ...first,
    route: { ...head, service: first.route.service, decision: first.route.decision },
    backends: rule.backends.map(({ service, share }) => ({ service, share })),
    rewrites: [...rewritesOf(found, view, request, path), ...first.rewrites],
    from: { ...from, ...first.from },
    ...(others.length === 0
      ? {}
      : {
          alternatives: others.map(({ route, candidates, gates, timeouts, retry, tls, protocol, from: sources }) => ({
            service: route.service ?? '',
            candidates,
            gates,
            timeouts,
            retry,
            tls,
            protocol,
            from: sources,
          })),
        }),
  }
}

function explainBackend(plan: Plan, rule: PlannedRule, backend: CompiledBackend, request: Asked, now: number): Explanation {
  const service = plan.service(backend.service)
  if (service === undefined) {
    const said = `${rule.title} leads to ${backend.service}, which is no service: such a call ends with MESH_UNKNOWN_SERVICE`
    const told = nowhere(request, backend.service, said, { rule: rule.from })
    return { ...told, route: { ...told.route, service: backend.service }, rewrites: [said] }
  }
  const led = followRedirects(service, request.method, request.path, (name) => plan.service(name))
  const last: ServicePlan = 'problem' in led ? service : led.plan
  const redirects =
    'problem' in led
      ? [`${led.problem}: the call is refused (${led.by.from})`]
      : led.by.map(({ name, rule: by, from }) => `redirected to ${by.redirectTo} by the policy ${name} (${from})`)
  last.outlier.restoreDue(now)
  const policy = last === service ? withRule(service.callPolicy, rule.policy, service.budget, plan.random) : last.callPolicy
  const told = explainService(
    last,
    last.name,
    { ...request, headers: editedHeaders(request.headers, backend), gone: false },
    redirects,
    policy,
  )
  const { host } = rule.settings.rewrite ?? {}
  return host === undefined ? told : { ...told, tls: told.tls.replace("the URL's host", host) }
}

function nowhere(request: Asked, match: string, said: string, from: Record<string, string>): Explanation {
  return {
    route: routeOf(request, match, said),
    backends: [],
    candidates: [],
    gates: [],
    timeouts: undefined,
    retry: undefined,
    rewrites: [],
    tls: 'nothing is sent',
    protocol: 'nothing is sent',
    from,
  }
}

function routeOf({ host }: Asked, match: string, said: string): Explanation['route'] {
  return { host, service: undefined, match: said === '' ? match : said, decision: 'refuse' }
}

function answerOf(
  { rule, prefixLength }: FoundRule<PlannedRule>,
  view: RoutedRequest,
  { secure, host }: Asked,
): NonNullable<Explanation['answer']> {
  const { redirect, respond, headers } = rule.settings
  const edits = headers?.response
  const changed = { ...edits?.add, ...edits?.set }
  if (redirect !== undefined && rule.location !== undefined) {
    const location = rule.location.of({ secure, authority: host }, view, prefixLength)
    return { status: redirect.status, headers: { location, ...changed }, bodyBytes: 0 }
  }
  const { status, headers: own, body } = respond as AnswerSettings
  return { status, headers: { ...own, ...changed }, bodyBytes: Buffer.byteLength(body) }
}

function rewrittenPath({ rule, prefixLength }: FoundRule<PlannedRule>, { pathname }: RoutedRequest, { path }: Asked): string {
  return rule.rewrite === undefined ? path : rule.rewrite.apply(pathname, prefixLength) + path.slice(pathname.length)
}

/** What a rule makes of a request, one thing after the other; each names the rule. */
function rewritesOf({ rule }: FoundRule<PlannedRule>, view: RoutedRequest, request: Asked, path: string): string[] {
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
    for (const [name, value] of Object.entries(edits.set)) said.push(`the ${what} header ${name} is set to ${value}`)
    for (const [name, value] of Object.entries(edits.add)) said.push(`the ${what} header ${name} gets ${value} added`)
  }
  for (const { service, percent } of settings.mirror) said.push(`${percent} % of the calls are copied to ${service}`)
  const key = settings.hash.length === 0 ? undefined : hashKeyOf(settings.hash, view)
  if (key !== undefined) said.push(`the draw among the backends goes by the key ${JSON.stringify(key)}`)
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

function headerOf(headers: unknown, name: string): string | undefined {
  const found = Object.entries(headers as Record<string, string>).find(([each]) => each.toLowerCase() === name)
  return found?.[1]
}

import type { Call } from '../core/call.ts'
import type { Explanation } from '../model/explanation.ts'
import { formatProvenance, type Provenance } from '../model/resources.ts'
import { isIdempotentMethod } from '../resilience/retry.ts'
import { sanText } from '../security/spiffe/san-matcher.ts'
import type { CallPolicy } from './call-policy.ts'
import { endpointState } from './endpoint-state.ts'
import type { HostMatch } from './host-table.ts'
import type { Plan } from './plan.ts'
import { followRedirects } from './redirect.ts'
import { secured } from './secured.ts'
import type { ServicePlan } from './service-plan.ts'

/** What is to be explained. */
export interface ExplainedRequest {
  readonly host: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly secure: boolean
  readonly gone: boolean
}

/** Says what would happen now to a request for a host that `found` answers, redirects of traffic policies included. */
export function explainFound(plan: Plan, found: HostMatch, request: Omit<ExplainedRequest, 'gone'>, now: number): Explanation {
  const led = found.gone
    ? { plan: found.plan, by: [] }
    : followRedirects(found.plan, request.method, request.path, (name) => plan.service(name))
  const last = 'problem' in led ? found.plan : led.plan
  last.outlier.restoreDue(now)
  const redirects =
    'problem' in led
      ? [`${led.problem}: the call is refused (${led.by.from})`]
      : led.by.map(({ name, rule, from }) => `redirected to ${rule.redirectTo} by the policy ${name} (${from})`)
  return explainService(last, found.match, { ...request, gone: found.gone }, redirects)
}

/** Says what would happen now to a request for `host`, served by `plan` under the name `match`. */
export function explainService(
  plan: ServicePlan,
  match: string,
  request: ExplainedRequest,
  redirects: readonly string[] = [],
  policy: CallPolicy = plan.callPolicy,
): Explanation {
  plan.catchUp()
  const { snapshot, lanes } = plan
  const from = Object.fromEntries(
    Object.entries(snapshot.from).map(([part, provenance]) => [part, policy.from(part) ?? formatProvenance(provenance as Provenance)]),
  )
  const { retrySettings: retry, timeouts } = policy
  const colour = lanes === undefined ? undefined : headerOf(request, lanes.header)
  const idempotent =
    isIdempotentMethod(request.method) || Object.keys(request.headers).some((name) => name.toLowerCase() === 'idempotency-key')
  return {
    route: { host: request.host, service: plan.name, match, decision: 'service' },
    backends: [{ service: plan.name, share: 1 }],
    // A name that only was one of the service once leads to nobody.
    candidates: request.gone ? [] : candidates(plan, request, colour),
    ...subsetOf(plan),
    gates: plan.protections.explain((section) => from[section] ?? '', request, policy.fault),
    timeouts,
    retry: {
      ...retry,
      applies: retry.attempts > 0,
      because:
        retry.attempts === 0
          ? 'retries are switched off'
          : idempotent
            ? `${request.method} is idempotent: broken tries and unavailable answers are repeated`
            : `${request.method} without Idempotency-Key: only what was never sent is repeated`,
    },
    rewrites: [...redirects, ...(lanes === undefined ? [] : [`${lanes.describe(colour)} (${from['lanes']})`])],
    tls: tlsOf(plan, request.secure),
    protocol: protocolOf(plan, request.secure),
    from,
  }
}

/** The request as balancers see calls. */
function explainedCall(service: string, { host, method, path, headers }: ExplainedRequest): Call {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    service,
    method,
    host,
    path,
    idempotent: true,
    priority: 'normal',
    hashKey: undefined,
    startedAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    tries: 0,
    moves: 0,
    header: (name) => byName.get(name),
    hasTried: () => false,
  }
}

/** The answer for a host that no service has. */
export function explainStranger(host: string, unknownHosts: 'pass' | 'refuse'): Explanation {
  return {
    route: { host, service: undefined, match: 'no service answers to this host and port', decision: unknownHosts },
    backends: [],
    candidates: [],
    gates: [],
    timeouts: undefined,
    retry: undefined,
    rewrites: [],
    tls: 'as the platform does',
    protocol: 'as the platform does',
    from: {},
  }
}

function headerOf({ headers }: ExplainedRequest, name: string): string | undefined {
  return Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1]
}

function subsetOf({ balancing, set }: ServicePlan): Pick<Explanation, 'subset'> {
  if (balancing.offered <= set.all.length) return {}
  const because = `subset: this process uses ${balancing.size} of each priority, other processes others`
  return { subset: { size: balancing.size, of: balancing.offered, because } }
}

function candidates(plan: ServicePlan, request: ExplainedRequest, colour: string | undefined): Explanation['candidates'] {
  const { set, lanes } = plan
  const usable = new Set(set.usable)
  const own = plan.leadsTo(explainedCall(plan.name, request), colour, 0)
  return set.all.map((endpoint) => {
    const { state, reason } = endpointState(endpoint)
    if (lanes?.takes(endpoint, colour) === false) return { address: endpoint.address, state, taken: false, because: 'of another lane' }
    const taken = usable.has(endpoint)
    const why = because(plan, state, taken, reason)
    return { address: endpoint.address, state, taken, because: endpoint === own ? `this request goes here: ${why}` : why }
  })
}

function because({ set, balancing }: ServicePlan, state: State, taken: boolean, reason: string | undefined): string {
  if (set.panic) return `panic: fewer endpoints are usable than panicPercent asks for, so ${balancing.name} chooses among all`
  if (state === 'healthy')
    return taken ? `chosen among the usable by ${balancing.name}` : 'a priority before its own has enough usable endpoints'
  return `${WHY[state]}${reason === undefined ? '' : ` (${reason})`}; ${taken ? 'the others alone are too few' : LAST_RESORT}`
}

type State = Explanation['candidates'][number]['state']

const WHY: Readonly<Record<Exclude<State, 'healthy'>, string>> = {
  ejected: 'ejected by outlier detection',
  recovering: 'its ejection is over, and one call at a time may probe it',
  unhealthy: 'it fails its health checks',
  degraded: 'degraded',
}

const LAST_RESORT = 'a further try may still take it when all others were tried'

function protocolOf({ policy, snapshot }: ServicePlan, secure: boolean): string {
  const tls = secure || secured(policy) !== undefined
  if (snapshot.protocol === 'http2') return tls ? 'HTTP/2, which the server must agree on' : 'HTTP/2 by prior knowledge'
  return snapshot.protocol === 'auto' && tls ? 'HTTP/2 or HTTP/1.1, as the server agrees' : 'HTTP/1.1'
}

function tlsOf({ policy }: ServicePlan, secure: boolean): string {
  const tls = secured(policy)
  if (tls !== undefined) {
    const { mode, ca, serverName = "of the URL's host" } = tls
    const sans = tls.sans?.map(sanText).join(', ')
    if (mode === 'mutual') return `mutual TLS, SPIFFE id ${sans ?? 'of our own trust domain'}`
    return `TLS, name ${sans ?? serverName}, ${ca === undefined ? 'system roots' : 'configured roots'}`
  }
  return secure ? "TLS, name of the URL's host, system roots" : 'clear text'
}

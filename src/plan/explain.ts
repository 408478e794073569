import type { Explanation } from '../model/explanation.ts'
import { formatProvenance, type Provenance } from '../model/resources.ts'
import { isIdempotentMethod } from '../resilience/retry.ts'
import type { ServicePlan } from './service-plan.ts'

/** Says what would happen now to a request for `host`, served by `plan` under the name `match`. */
export function explainService(
  plan: ServicePlan,
  match: string,
  request: { host: string; method: string; headers: Readonly<Record<string, string>>; secure: boolean; gone: boolean },
): Explanation {
  plan.catchUp()
  const { policy, snapshot } = plan
  const from = Object.fromEntries(
    Object.entries(snapshot.from).map(([part, provenance]) => [part, formatProvenance(provenance as Provenance)]),
  )
  const idempotent =
    isIdempotentMethod(request.method) || Object.keys(request.headers).some((name) => name.toLowerCase() === 'idempotency-key')
  return {
    route: { host: request.host, service: plan.name, match, decision: 'service' },
    backends: [{ service: plan.name, share: 1 }],
    // A name that only was one of the service once leads to nobody.
    candidates: request.gone ? [] : candidates(plan),
    gates: plan.gates.map((gate) => ({
      name: gate.name,
      state: gate === plan.breaker ? plan.breaker.state : 'asked',
      from: plan.gateFrom(gate),
    })),
    timeouts: policy.timeouts,
    retry: {
      ...policy.retry,
      applies: policy.retry.attempts > 0,
      because:
        policy.retry.attempts === 0
          ? 'retries are switched off'
          : idempotent
            ? `${request.method} is idempotent: broken tries and unavailable answers are repeated`
            : `${request.method} without Idempotency-Key: only what was never sent is repeated`,
    },
    rewrites: [],
    tls: tlsOf(plan, request.secure),
    from,
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
    from: {},
  }
}

function candidates(plan: ServicePlan): Explanation['candidates'] {
  const { set } = plan
  return set.all.map((endpoint) => {
    const taken = set.panic || !endpoint.ejected
    return {
      address: endpoint.address,
      state: endpoint.ejected ? ('ejected' as const) : ('healthy' as const),
      taken,
      because: because(plan, endpoint.ejected),
    }
  })
}

function because({ set, balancer }: ServicePlan, ejected: boolean): string {
  if (set.panic) return `panic: fewer endpoints are usable than panicPercent asks for, so ${balancer.name} chooses among all`
  return ejected
    ? 'ejected by outlier detection; a further try may still take it when all others were tried'
    : `chosen among the usable by ${balancer.name}`
}

function tlsOf({ policy }: ServicePlan, secure: boolean): string {
  if (policy.tls?.mode === 'simple')
    return `TLS, name ${policy.tls.serverName ?? "of the URL's host"}, ${policy.tls.ca === undefined ? 'system roots' : 'configured roots'}`
  return secure ? "TLS, name of the URL's host, system roots" : 'clear text'
}

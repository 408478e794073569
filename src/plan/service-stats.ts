import type { Endpoint } from '../core/endpoint.ts'
import type { EndpointStats, ServiceStats } from '../model/stats.ts'
import { endpointState } from './endpoint-state.ts'
import type { ServicePlan } from './service-plan.ts'

/** What is known of the sockets of an endpoint. */
type EndpointSockets = Pick<EndpointStats, 'connections' | 'idleConnections' | 'protocol'>

/** The plain numbers of one service. */
export function serviceStats(plan: ServicePlan, now: number, sockets: (endpoint: Endpoint) => EndpointSockets): ServiceStats {
  plan.catchUp()
  const { counters, breaker, set, protections } = plan
  const { connections, requests, resends, refused } = protections
  const { calls, inflight, successes, failures, tries, retries, movedOn, transparent } = counters
  const { budgetExhausted, notReplayable, fallbacks, delayed, aborted } = counters
  const { hedges, hedgesWon, hedgesRefused } = counters
  return {
    calls,
    inflight,
    successes,
    failures,
    tries,
    retries,
    movedOn,
    transparent,
    budgetExhausted,
    retriesSpared: counters.retriesSpared,
    hedges,
    hedgesWon,
    hedgesRefused,
    notReplayable,
    errors: Object.fromEntries(counters.errors),
    flags: counters.flags.stats(),
    fallbacks,
    faults: { delayed, aborted },
    limits: {
      requests: requests?.inflight ?? 0,
      connections: connections.sockets,
      pending: connections.pending,
      retries: resends.inflight,
      refused,
    },
    ...protections.overload.stats(),
    breaker: { state: breaker?.state ?? 'off', opened: breaker?.opened ?? 0 },
    latency: counters.latency.quantiles(now),
    panic: set.panic,
    priorities: set.levels(plan.balancer.keyed),
    ...subsetsOf(plan),
    endpoints: Array.from(plan.endpoints(), (endpoint) => endpointStats(endpoint, now, sockets(endpoint))),
  }
}

function subsetsOf({ policy, choices }: ServicePlan): Pick<ServiceStats, 'subsets'> {
  return policy.subsets === false ? {} : { subsets: choices.stats() }
}

function endpointStats(endpoint: Endpoint, now: number, sockets: EndpointSockets): EndpointStats {
  const { address, inflight, tries, successes, failures, ejections, ejected, ejectedUntil, removedAt } = endpoint
  const { state, reason } = endpointState(endpoint)
  return {
    address,
    state: removedAt !== undefined ? 'removed' : state,
    ...(reason === undefined ? {} : { reason }),
    inflight,
    tries,
    successes,
    failures,
    ejections,
    ejectedForMs: ejected ? Math.max(0, ejectedUntil - now) : 0,
    ...sockets,
  }
}

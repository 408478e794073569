import type { Call } from '../../src/core/call.ts'
import { Endpoint, type EndpointSpec } from '../../src/core/endpoint.ts'
import { IGNORED, type Outcome } from '../../src/core/outcome.ts'

/** An endpoint spec for tests; `index` makes it distinct. */
export function specOf(index: number, change: Partial<EndpointSpec> = {}): EndpointSpec {
  const address = `10.0.0.${index}:80`
  return { id: address, address, host: `10.0.0.${index}`, port: 80, weight: 1, priority: 0, locality: {}, metadata: {}, ...change }
}

export function endpointsOf(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, index) => new Endpoint('orders', specOf(index + 1)))
}

/** A call for tests; `tried` are the endpoints it has been to. */
export function callOf(change: Partial<Call> = {}, tried: readonly Endpoint[] = []): Call {
  return {
    service: 'orders',
    method: 'GET',
    host: 'orders',
    path: '/',
    idempotent: true,
    priority: 'normal',
    hashKey: undefined,
    startedAt: 0,
    deadline: 15_000,
    tries: Math.max(1, tried.length),
    moves: 0,
    header: () => undefined,
    hasTried: (endpoint) => tried.includes(endpoint),
    ...change,
  }
}

export function outcomeOf(change: Partial<Outcome>): Outcome {
  return { ...IGNORED, unsent: false, kind: undefined, ...change }
}

export const OK: Outcome = outcomeOf({ verdict: 'success', status: 200 })
export const UNAVAILABLE: Outcome = outcomeOf({ verdict: 'failure', status: 503, unavailable: true })
export const BROKEN: Outcome = outcomeOf({ verdict: 'failure', status: 500 })
export const RESET: Outcome = outcomeOf({ verdict: 'failure', kind: 'reset', unavailable: true })
export const REFUSED: Outcome = outcomeOf({ verdict: 'failure', kind: 'connect', unsent: true, unavailable: true, latencyMs: 1 })

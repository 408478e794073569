// The parts that are used alone.
import type { Call, Gate, Outcome, Permit, Refusal } from 'inmesh'
import {
  type Balancer,
  createBalancer,
  type Endpoint,
  EndpointSet,
  loadXxHash64,
  Maglev,
  parseLoadReport,
  RoundRobin,
  subsetOf,
} from 'inmesh/balancing'
import { CircuitBreaker, circuitBreaker, fromOpossum, type OpossumBreaker, OutlierDetector, RetryBudget } from 'inmesh/resilience'
import { holds, type Same } from './expect.ts'

const breaker = new CircuitBreaker(
  'orders',
  { failurePercent: 50, windowMs: 10_000, minRequests: 20, openForMs: 5_000 },
  performanceClock(),
  {
    opened: ({ failurePercent }) => failurePercent,
    closed: ({ afterMs }) => afterMs,
  },
)

function performanceClock(): { readonly now: number } {
  return {
    get now() {
      return performance.now()
    },
  }
}

/** Whatever holds a call back is a gate. */
export const gates: Gate[] = [breaker, fromOpossum({} as OpossumBreaker)]

export function ask(call: Call, outcome: Outcome): void {
  const answer: Permit | Refusal = breaker.admit(call)
  if (answer.refused) holds<Same<typeof answer, Refusal>>()
  else answer.settle(outcome)
  // @ts-expect-error a refusal cannot be settled
  answer.settle(outcome)
}

export async function guarded(): Promise<void> {
  const call = circuitBreaker(async (id: number, name: string) => ({ id, name }), { openFor: '5s' })
  const result = await call(1, 'x')
  holds<Same<typeof result, { id: number; name: string }>>()
  call.shutdown()
  // @ts-expect-error the arguments are those of the function
  await call('x', 1)
  // @ts-expect-error no such option
  circuitBreaker(async () => 1, { threshold: 50 })
}

const set = new EndpointSet(50, Math.random)
export const balancers: Balancer[] = [new RoundRobin(Math.random), createBalancer('least-request', Math.random)]
export const keyed = async (): Promise<Balancer> =>
  createBalancer('maglev', Math.random, { hash: await loadXxHash64(), hashOn: [{ header: 'x-user', terminal: true }], boundedLoad: 1.25 })
export const load: number | undefined = parseLoadReport('TEXT eps=1', undefined)?.get('eps')
export const part: readonly Endpoint['spec'][] = subsetOf(
  set.all.map(({ spec }) => spec),
  10,
  1,
)
// @ts-expect-error a hash, and what to hash by
new Maglev({})
export const detector = new OutlierDetector(false, set, { ejected: (endpoint: Endpoint) => endpoint.address, restored() {} })
export const budget: boolean = new RetryBudget({ budgetPercent: 20, budgetMinPerSecond: 10 }, 0).withdraw(0)

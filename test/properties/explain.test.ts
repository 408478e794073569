import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { MeshOptions, ServiceOptions } from '../../src/index.ts'
import { serviceStats } from '../../src/plan/service-stats.ts'
import { planOf } from '../support/plan.ts'
import { callOf, OK, UNAVAILABLE } from '../support/sample.ts'

const ENDPOINTS = [1, 2, 3, 4, 5].map((index) => ({
  address: `10.0.0.${index}:80`,
  weight: index,
  priority: index > 4 ? 1 : 0,
  metadata: index % 2 === 0 ? { lane: 'blue' } : {},
}))

const BALANCING: Record<string, NonNullable<ServiceOptions['balancing']>> = {
  'round-robin': { policy: 'round-robin', slowStart: {} },
  random: { policy: 'random' },
  'least-request': { policy: 'least-request' },
  'peak-ewma': { policy: 'peak-ewma', slowStart: {} },
  'weighted-round-robin': { policy: 'weighted-round-robin' },
  reported: { policy: 'weighted-round-robin', loadReports: true },
  'ring-hash': { policy: 'ring-hash', hashOn: [{ cookie: { name: 'a', ttl: '1m' } }, { header: 'x-user' }] },
  maglev: { policy: 'maglev', boundedLoad: 1.25, hashOn: [{ header: 'x-user' }], session: { header: 'x-session' } },
}

function optionsOf(balancing: string, lanes: boolean): MeshOptions {
  return {
    // The policy is none of the service's own, so that a source may push another one.
    defaults: {
      balancing: BALANCING[balancing] as NonNullable<ServiceOptions['balancing']>,
      outlierDetection: { consecutiveFailures: 2, ejectFor: '1s', maxEjectedPercent: 60 },
      circuitBreaker: { minRequests: 5, openFor: '2s' },
      rateLimit: { requests: 20, per: '1s', key: 'x-user' },
      limits: { maxRequests: 10, maxConnections: 4, maxRetries: 2 },
      fault: { delay: { duration: '1ms', percent: 50 } },
      ...(lanes ? { lanes: {} } : {}),
    },
    services: { orders: { endpoints: ENDPOINTS }, lost: { endpoints: [] } },
    policies: [{ name: 'slow', target: { service: 'orders', paths: ['/slow'] }, action: 'limit', limit: { requests: 3 } }],
    routes: [
      {
        hosts: ['shop'],
        rules: [
          { name: 'some', match: [{ fraction: 30 }], backends: [{ service: 'orders' }, { service: 'lost' }] },
          { name: 'rest', backends: [{ service: 'orders', weight: 3 }], hash: [{ header: 'x-user' }] },
        ],
      },
    ],
  } as MeshOptions
}

const event = fc.record({
  user: fc.constantFrom('ada', 'bob', 'cy'),
  lane: fc.constantFrom('', 'blue', 'red'),
  idempotent: fc.boolean(),
  path: fc.constantFrom('/', '/slow'),
  works: fc.boolean(),
  waitMs: fc.constantFrom(0, 1, 20, 400, 1_500),
  sick: fc.option(fc.nat(4), { nil: undefined }),
  push: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
})
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never

/** What becomes of a list of events, once with somebody looking in between and once without. */
async function live(balancing: string, lanes: boolean, events: readonly Event[], looks: boolean): Promise<unknown> {
  let draws = 0
  const draw = seededRandom(7)
  const random = () => {
    draws++
    return draw()
  }
  const { plan, store, clock, time, explain, service, ready, events: told } = planOf(optionsOf(balancing, lanes), { random })
  await ready()
  const push = store.register('pushed', { inbound: false })
  const orders = service()
  const seen: unknown[] = []
  for (const { user, lane, idempotent, path, works, waitMs, sick, push: count } of events) {
    clock.advance(waitMs)
    const now = time.read()
    const headers = { 'x-user': user, 'x-lane': lane }
    if (looks) {
      const before = draws
      for (const host of ['orders', 'shop', 'lost']) explain({ host, path, headers, method: idempotent ? 'GET' : 'POST' })
      if (draws !== before) throw new Error(`whoever looked drew ${draws - before} numbers`)
    }
    if (count !== undefined) {
      const sections = { outlierDetection: { ejectForMs: count * 500 } }
      push({
        version: String(seen.length),
        upserts: [{ kind: 'traffic-policy', namespace: 'default', name: 'orders', policy: sections as never }],
        removals: [],
        complete: false,
      })
    }
    const endpoints = [...orders.endpoints()]
    if (sick !== undefined) {
      const endpoint = endpoints[sick] as Endpoint
      orders.set.setHealth(endpoint, !endpoint.unhealthy, works)
    }
    const call = callOf({ tries: 0, idempotent, path, startedAt: now, header: (name) => (headers as Record<string, string>)[name] })
    const verdicts = orders.gates.map((gate) => gate.admit(call))
    orders.outlier.restoreDue(now)
    const refused = verdicts.some((verdict) => verdict.refused === true)
    const picked = refused ? undefined : orders.choices.whole.pick(call, lanes ? lane : undefined, now)
    seen.push([verdicts.map((verdict) => (verdict.refused === true ? [verdict.code, verdict.retryAfterMs] : 'yes')), picked?.address])
    const outcome = works ? OK : UNAVAILABLE
    if (picked !== undefined) {
      orders.outlier.observe(picked, outcome, now, now)
      orders.balancer.observe?.(picked, { ...outcome, latencyMs: waitMs }, now)
      orders.budget.deposit(now)
      if (!works) seen.push(orders.budget.withdraw(now))
    }
    for (const verdict of verdicts) if (verdict.refused !== true) verdict.settle(outcome)
  }
  const none = () => ({ connections: 0, idleConnections: 0, protocol: 'none' as const })
  const stats = serviceStats(orders, time.now, none)
  plan.close()
  return { seen, draws, told, stats }
}

describe('explain', () => {
  it.each(Object.keys(BALANCING))('under %s nobody can tell that somebody looked', async (balancing) => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(event, { minLength: 1, maxLength: 25 }), async (lanes, events) => {
        expect(await live(balancing, lanes, events, true)).toEqual(await live(balancing, lanes, events, false))
      }),
      { numRuns: 8 },
    )
  })
})

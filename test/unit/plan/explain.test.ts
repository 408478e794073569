import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { createMesh, isMeshError, type MeshOptions, type ServiceOptions } from '../../../src/index.ts'
import type { Explanation } from '../../../src/model/explanation.ts'
import { planOf } from '../../support/plan.ts'
import { callOf, outcomeOf } from '../../support/sample.ts'

const THREE = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']

const start = (orders: ServiceOptions = {}, options: MeshOptions = {}) =>
  planOf({ services: { orders: { endpoints: THREE, ...orders } }, ...options } as MeshOptions)

const shares = ({ candidates }: Explanation) => candidates.map(({ share }) => share)
const because = ({ candidates }: Explanation) => candidates.map((each) => each.because)
const gate = ({ gates }: Explanation, name: string) => gates.find((each) => each.name === name)

function endpoints(made: ReturnType<typeof start>): Endpoint[] {
  return [...made.service().endpoints()]
}

describe('the share of an endpoint', () => {
  const weighted = [1, 2, 5].map((weight, index) => ({ address: `10.0.0.${index + 1}:80`, weight }))
  it.each<[policy: ServiceOptions['balancing'], inflight: number[], expected: (number | undefined)[]]>([
    [{ policy: 'random' }, [0, 0, 0], [0.3333, 0.3333, 0.3333]],
    [{ policy: 'round-robin' }, [0, 0, 0], [0.3333, 0.3333, 0.3333]],
    [{ policy: 'weighted-round-robin' }, [0, 0, 0], [0.125, 0.25, 0.625]],
    // The first wins every pair that it is in: 1/8 + 2/8 × 1/6 + 5/8 × 1/3. The third wins none.
    [{ policy: 'least-request' }, [0, 40, 200], [0.375, 0.625, 0]],
    // Nobody reports: all alike.
    [{ policy: 'weighted-round-robin', loadReports: true }, [0, 0, 0], [0.3333, 0.3333, 0.3333]],
  ])('%j with %j tries in flight: %j', (balancing, inflight, expected) => {
    const made = start({ endpoints: weighted, balancing: balancing as NonNullable<ServiceOptions['balancing']> })
    for (const [index, endpoint] of endpoints(made).entries()) endpoint.inflight = inflight[index] as number
    expect(shares(made.explain())).toEqual(expected)
  })

  it.each(['least-request', 'peak-ewma', 'weighted-round-robin', 'random', 'round-robin'] as const)('of %s is what calls get', (policy) => {
    const made = start({ endpoints: weighted, balancing: { policy } })
    const told = shares(made.explain())
    const counts = new Map<string, number>()
    for (let call = 0; call < 20_000; call++) {
      const { address } = made.service().choices.whole.pick(callOf({ tries: 0 }), undefined, 0) as Endpoint
      counts.set(address, (counts.get(address) ?? 0) + 1)
    }
    for (const [index, share] of told.entries())
      expect(Math.abs((counts.get(`10.0.0.${index + 1}:80`) ?? 0) / 20_000 - (share as number))).toBeLessThan(0.015)
  })

  it('with a key one endpoint has all of it, before the first call too, and it is the one that gets the call', async () => {
    const made = start({ balancing: { policy: 'maglev', hashOn: [{ header: 'x-user' }] } })
    await made.ready()
    const headers: Record<string, string> = { 'x-user': 'ada' }
    const told = made.explain({ headers })
    const at = shares(told).indexOf(1)
    expect([...shares(told)].sort()).toEqual([0, 0, 1])
    expect(because(told)[at]).toBe('this request goes here, by its key: chosen among the usable by maglev')
    expect(made.service().choices.whole.pick(callOf({ tries: 0, header: (name) => headers[name] }), undefined, 0)?.address).toBe(THREE[at])
    expect(shares(made.explain())).toEqual([undefined, undefined, undefined])
  })

  it('a probe gets the next call that may be repeated', () => {
    const made = start({ outlierDetection: { consecutiveFailures: 1, ejectFor: '1s' } })
    const [first] = endpoints(made) as [Endpoint]
    made.service().outlier.observe(first, outcomeOf({ verdict: 'failure', status: 503 }), 0)
    made.clock.advance(600)
    expect(because(made.explain())[0]).toBe(
      'ejected by outlier detection (1 failures in a row (consecutiveFailures: 1)), for another 1s; a further try may still take it when all others were tried',
    )
    made.clock.advance(400)
    const told = made.explain()
    expect([told.candidates[0]?.state, shares(told)]).toEqual(['recovering', [1, 0, 0]])
    expect(because(told)[0]).toMatch(/^this request goes here, as its probe: its ejection is over/)
    expect(shares(made.explain({ method: 'POST' }))).toEqual([0, 0.5, 0.5])
    // Whoever looked began no probe.
    expect([first.recovering, first.probedAt]).toEqual([false, Number.NaN])
  })
})

describe('why an endpoint', () => {
  it('warms up, was refused, is full, of another priority, of another lane, unhealthy, in panic', () => {
    const warming = start({ balancing: { policy: 'least-request', slowStart: { window: '10s' } } })
    ;(endpoints(warming)[0] as Endpoint).warmFrom = 0
    warming.clock.advance(4_000)
    expect(because(warming.explain())[0]).toBe('chosen among the usable by least-request, at 40 % of its weight while it warms up')

    const busy = start({ limits: { perEndpoint: { maxRequests: 2 } } })
    const [first, second] = endpoints(busy) as [Endpoint, Endpoint]
    first.connectFailedAt = 0
    second.inflight = 2
    expect(because(busy.explain()).slice(0, 2)).toEqual([
      'chosen among the usable by least-request; its last connect failed within this second, so further tries prefer others',
      'chosen among the usable by least-request; it is full, with 2 tries in flight, so others get the call',
    ])

    const laned = start({ endpoints: [{ address: THREE[0] as string, metadata: { lane: 'blue' } }, THREE[1] as string], lanes: {} })
    expect(laned.explain({ headers: { 'X-Lane': 'blue' } }).candidates.map(({ taken, share }) => [taken, share])).toEqual([
      [true, 1],
      [false, 0],
    ])
    expect(because(laned.explain())[0]).toBe('of another lane')

    const levels = start({ endpoints: [THREE[0] as string, { address: THREE[1] as string, priority: 1 }] })
    expect(because(levels.explain())[1]).toBe('its priority, or its place, gets no calls now')

    const sick = start({ healthCheck: {} })
    const all = endpoints(sick)
    sick.clock.advance(5_000)
    ;(all[0] as Endpoint).healthReason = 'it answered 503'
    ;(all[0] as Endpoint).healthSince = 2_000
    sick.service().set.setHealth(all[0] as Endpoint, true, false)
    expect(because(sick.explain())[0]).toMatch(/^it fails its health checks \(it answered 503\), for 3s now; a further try/)
    sick.service().set.setHealth(all[1] as Endpoint, true, false)
    const panic = sick.explain()
    expect(because(panic)[2]).toMatch(/^panic: fewer endpoints are usable/)
    expect(panic.safeguards.map(({ name, state }) => [name, state])).toEqual([
      ['outlier-detection', '0 of 3 ejected, at most 1'],
      ['health-check', '2 of 3 fail'],
      ['panic', 'in panic'],
    ])
  })
})

describe('gates', () => {
  it('of others: what they say, what they do not, and what they throw', () => {
    const admit = () => ({ settle: () => {} })
    const made = start(
      {},
      {
        gates: [
          { name: 'mute', admit },
          { name: 'tells', admit, describe: ({ method }) => ({ state: `open to ${method}`, because: 'it is day', admits: true }) },
          {
            name: 'throws',
            admit,
            describe: () => {
              throw new Error('not today')
            },
          },
        ],
      },
    )
    const told = made.explain()
    expect(['mute', 'tells', 'throws'].map((name) => gate(told, name))).toEqual([
      { name: 'mute', state: 'asked', because: 'what it decides it only says to calls', from: 'options/gates/mute' },
      { name: 'tells', state: 'open to GET', because: 'it is day', admits: true, from: 'options/gates/tells' },
      { name: 'throws', state: 'asked', because: 'it could not describe itself: not today', from: 'options/gates/throws' },
    ])
  })

  it('the budget in figures', () => {
    const made = start()
    const { budget } = made.service()
    for (let call = 0; call < 1_000; call++) budget.deposit(0)
    for (let call = 0; call < 50; call++) budget.withdraw(0)
    expect(gate(made.explain(), 'retry-budget')).toEqual({
      name: 'retry-budget',
      state: '25 % used: 50 of 200 re-sends',
      because: 'within 10s at most 20 % of 1000 first tries, and always 10 a second',
      from: 'built-in/defaults//inmesh#retry',
    })
    expect(gate(start({ retry: false }).explain(), 'retry-budget')).toBeUndefined()
  })
})

describe('timeouts and retries', () => {
  it('who set each: the rule, the service, the defaults of the options, the built-in ones', () => {
    const made = start(
      { idleTimeout: '5s', retry: { attempts: 1 } },
      {
        defaults: { connectTimeout: '300ms' },
        routes: [{ hosts: ['shop'], rules: [{ name: 'quick', backends: [{ service: 'orders' }], timeout: '1s' }] }],
      },
    )
    const { timeouts } = made.explain({ host: 'shop' })
    expect(timeouts).toEqual({
      timeoutMs: 1_000,
      headTimeoutMs: 1_000,
      connectTimeoutMs: 300,
      idleTimeoutMs: 5_000,
      perTryTimeoutMs: 500,
      from: {
        timeoutMs: 'options/route/default/shop#quick',
        headTimeoutMs: 'options/route/default/shop#quick',
        connectTimeoutMs: 'options/defaults/default/defaults#timeouts',
        idleTimeoutMs: 'options/traffic-policy/default/orders#timeouts',
        perTryTimeoutMs: 'options/route/default/shop#quick',
      },
    })
    expect(made.explain().timeouts).toMatchObject({
      headTimeoutMs: 15_000,
      from: { headTimeoutMs: 'built-in/defaults//inmesh#timeouts', idleTimeoutMs: 'options/traffic-policy/default/orders#timeouts' },
    })
  })

  it.each<[method: string, headers: Record<string, string>, again: string[]]>([
    ['GET', {}, ['connect-failure', 'refused-stream', 'reset', 'timeout', '503']],
    ['POST', {}, ['connect-failure', 'refused-stream']],
    ['POST', { 'Idempotency-Key': '1' }, ['connect-failure', 'refused-stream', 'reset', 'timeout', '503']],
  ])('%s with %j is sent again after %j', (method, headers, again) => {
    const { retry } = start().explain({ method, headers })
    expect(retry?.cases.filter((each) => each.again).map(({ after }) => after)).toEqual(again)
  })
})

describe('the way', () => {
  it('what is dialled, and what TLS has to prove', () => {
    expect(start().explain({ path: '/a?b' }).dial).toEqual({ protocol: 'http/1.1', method: 'GET', path: '/a?b', authority: 'orders' })
    expect(start().explain({ host: 'orders:8443', secure: true }).dial).toMatchObject({ authority: 'orders:8443', serverName: 'orders' })
    const sans = ['spiffe://a/b']
    expect(start({ tls: { mode: 'simple', serverName: 'x.example', sans } }).explain().dial).toMatchObject({
      serverName: 'x.example',
      sans: ['spiffe://a/b'],
    })
  })

  it('fractions: the rule that gets most of such calls, and the others', () => {
    const rules = [
      { name: 'some', match: [{ fraction: 30 }], backends: [{ service: 'orders' }] },
      { name: 'few', match: [{ fraction: 40, path: { exact: '/' } }], respond: { status: 204 } },
      { name: 'rest', match: [{ path: { prefix: '/' } }], backends: [{ service: 'orders' }] },
    ]
    const made = start({}, { routes: [{ hosts: ['shop'], rules }] })
    expect(made.explain({ host: 'shop' }).route).toMatchObject({
      rule: 'rest',
      share: 0.6,
      others: [{ rule: 'some', share: 0.3 }, { rule: 'few' }],
    })
    expect(made.explain({ host: 'shop', path: '/x' }).route.others).toEqual([{ rule: 'some', share: 0.3 }])
  })

  it('a key leads to one backend, of which all is told', () => {
    const made = planOf({
      services: { a: { endpoints: THREE }, b: { endpoints: THREE } },
      routes: [
        { hosts: ['shop'], rules: [{ name: 'r', backends: [{ service: 'a', weight: 9 }, { service: 'b' }], hash: [{ header: 'u' }] }] },
      ],
    })
    const led = new Set<string | undefined>()
    for (let user = 0; user < 100; user++) {
      const { route, rewrites, alternatives } = made.explain({ host: 'shop', headers: { u: String(user) } })
      expect(rewrites[0]).toContain(`which leads to ${route.service} (`)
      expect(alternatives?.map(({ service }) => service)).toEqual([route.service === 'a' ? 'b' : 'a'])
      led.add(route.service)
    }
    expect([...led].sort()).toEqual(['a', 'b'])
  })

  it.each<[what: string, options: MeshOptions, host: string, error: string | undefined]>([
    ['a stranger', {}, 'else', undefined],
    ['no endpoint', { services: { empty: { endpoints: [] } } }, 'empty', 'MESH_NO_ENDPOINT'],
    [
      'no rule',
      { routes: [{ hosts: ['shop'], rules: [{ match: [{ method: 'PUT' }], respond: {} }] }] } as MeshOptions,
      'shop',
      'MESH_UNKNOWN_SERVICE',
    ],
  ])('%s: how it ends', (_, options, host, error) => {
    expect(planOf(options).explain({ host }).error).toBe(error)
  })
})

describe('mesh.explain', () => {
  it('what cannot be asked: every problem at once, with its place', () => {
    const mesh = createMesh()
    const asked = (request: object): string => {
      try {
        mesh.explain(request as never)
      } catch (error) {
        if (isMeshError(error)) return error.reason
      }
      return 'explained'
    }
    expect(asked({ url: '/orders', method: 'G T', headers: { a: 1 } }).split('\n')).toEqual([
      'explain.url: expected an http or https URL, got "/orders"',
      'explain.method: expected a method such as GET, got "G T"',
      'explain.headers["a"]: expected a text, got number',
    ])
    expect(asked({ url: 'http://x/', headers: new Headers() })).toBe('explain.headers: expected an object of names and values')
    expect(asked({ url: new URL('http://x/') })).toBe('explained')
  })

  it('before it is started: what a call would wait for', () => {
    const source = { name: 'slow', watch: () => () => {} }
    const mesh = createMesh({ services: { orders: { endpoints: THREE } }, sources: [source] })
    expect(mesh.explain({ url: 'http://orders/' })).toMatchObject({ route: { decision: 'service' }, waitsFor: ['slow'] })
    expect(createMesh({ services: { orders: { endpoints: THREE } } }).explain({ url: 'http://orders/' })).not.toHaveProperty('waitsFor')
  })
})

import { describe, expect, it } from 'vitest'
import { staticSource, type TrafficPolicyOptions } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import { failure, tally, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

describe.each(DOORS)('through %s', (door) => {
  it('deny refuses and names the policy', async () => {
    const orders = await server('ok')
    const policies: TrafficPolicyOptions[] = [
      { name: 'reads', target: { service: 'orders', methods: ['get', 'HEAD'] }, action: 'allow' },
      { name: 'no-writes', source: { service: 'web' }, target: { service: 'orders' }, action: 'deny' },
    ]
    const mesh = meshOf({ service: 'web', services: { orders: { endpoints: [orders.address] } }, policies })
    expect(await doors[door](mesh, 'http://orders/', {})).toMatchObject({ status: 200 })
    const error = await failure(doors[door](mesh, 'http://orders/', { method: 'POST', body: 'x' }))
    expect(error).toMatchObject({ code: 'MESH_FORBIDDEN', reason: 'the policy no-writes denies this call', retryable: false, tries: 0 })
    expect(error.from).toBe('options/outbound-policy/default/no-writes')
    expect(orders.requests).toHaveLength(1)
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0, errors: { MESH_FORBIDDEN: 1 } })
  })

  it('redirect gives the call to another service, which keeps the Host of the URL', async () => {
    const [orders, next] = [await server('ok'), await server('echo')]
    const policies: TrafficPolicyOptions[] = [
      { name: 'next', target: { service: 'orders', paths: ['/v2'] }, action: 'redirect', redirectTo: 'orders-next' },
    ]
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, 'orders-next': { endpoints: [next.address] } },
      policies,
    })
    expect(await doors[door](mesh, 'http://orders/v1', {})).toMatchObject({ status: 200, body: 'ok' })
    const answer = await doors[door](mesh, 'http://orders/v2/items?a=b', { method: 'POST', body: 'x' })
    expect(JSON.parse(answer.body)).toMatchObject({ method: 'POST', path: '/v2/items?a=b', headers: { host: 'orders' } })
    expect([orders.requests.length, next.requests.length]).toEqual([1, 1])
    const { orders: from, 'orders-next': to } = mesh.stats().services
    expect([from?.calls, to?.calls]).toEqual([1, 1])
  })

  it('limit counts what all matching calls make together', async () => {
    const orders = await server('ok')
    const policies: TrafficPolicyOptions[] = [{ name: 'slowly', target: {}, action: 'limit', limit: { requests: 2, per: '1m' } }]
    const services = { orders: { endpoints: [orders.address] }, users: { endpoints: [orders.address] } }
    const mesh = meshOf({ services, policies })
    const calls = ['orders', 'users', 'orders'].map((host) => doors[door](mesh, `http://${host}/`, {}))
    expect(await tally(calls)).toEqual({ answered: 2, MESH_RATE_LIMITED: 1 })
    const error = await failure(doors[door](mesh, 'http://users/', {}))
    expect(error).toMatchObject({ code: 'MESH_RATE_LIMITED', from: 'options/outbound-policy/default/slowly' })
    expect(error.retryAfterMs).toBeGreaterThan(20_000)
  })
})

describe('what decides', () => {
  it('the first policy that is not continue, and none for somebody else', async () => {
    const orders = await server('ok')
    const policies: TrafficPolicyOptions[] = [
      { name: 'look', action: 'continue' },
      { name: 'others', source: { service: 'batch' }, action: 'deny' },
      { name: 'elsewhere', source: { namespace: 'shop' }, action: 'deny' },
      { name: 'health', target: { paths: ['/health'] }, action: 'allow' },
      { name: 'rest', target: { namespace: 'default' }, action: 'deny' },
    ]
    const mesh = meshOf({ service: 'web', services: { orders: { endpoints: [orders.address] } }, policies })
    expect((await mesh.fetch('http://orders/health/live')).status).toBe(200)
    expect((await failure(mesh.fetch('http://orders/healthy'))).reason).toBe('the policy rest denies this call')
    const gateOf = (url: string) => mesh.explain({ url }).gates.find(({ name }) => name === 'policies')
    expect(gateOf('http://orders/health')).toEqual({
      name: 'policies',
      state: 'allow by the policy health',
      because: 'the first policy that matches decides',
      admits: true,
      from: 'options/outbound-policy/default/health',
    })
    expect(gateOf('http://orders/')).toEqual({
      name: 'policies',
      state: 'deny by the policy rest',
      because: 'the first policy that matches decides',
      admits: false,
      from: 'options/outbound-policy/default/rest',
    })
  })

  it('no spelling of a path gets around a rule for it', async () => {
    const orders = await server('ok')
    const policies: TrafficPolicyOptions[] = [{ name: 'admin', target: { paths: ['/admin'] }, action: 'deny' }]
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address] } }, policies })
    await mesh.ready()
    for (const path of ['/admin', '/admin/x', '//admin', '/x/../admin', '/%61dmin', '/x/%2e%2e/admin?y', '/.//admin#z', '/x\\..\\admin'])
      expect([path, await tally([mesh.request('http://orders', { path })])]).toEqual([path, { MESH_FORBIDDEN: 1 }])
    for (const path of ['/administrator', '/x/admin', '/?/admin'])
      expect([path, await tally([mesh.request('http://orders', { path })])]).toEqual([path, { answered: 1 }])
  })

  it('a service that no policy concerns has no gate for it', () => {
    const policies: TrafficPolicyOptions[] = [{ name: 'others', target: { service: 'users' }, action: 'deny' }]
    const mesh = meshOf({ services: { orders: { endpoints: [] }, users: { endpoints: [] } }, policies })
    const gates = (host: string) => mesh.explain({ url: `http://${host}/` }).gates.map(({ name }) => name)
    expect([gates('orders'), gates('users')]).toEqual([
      ['circuit-breaker', 'retry-budget'],
      ['policies', 'circuit-breaker', 'retry-budget'],
    ])
  })
})

describe('redirects', () => {
  it('the policies of the other service are asked as well', async () => {
    const policies: TrafficPolicyOptions[] = [
      { name: 'detour', target: { service: 'orders' }, action: 'redirect', redirectTo: 'payments' },
      { name: 'closed', target: { service: 'payments' }, action: 'deny' },
    ]
    const mesh = meshOf({ services: { orders: { endpoints: [] }, payments: { endpoints: [] } }, policies })
    expect(await failure(mesh.fetch('http://orders/'))).toMatchObject({ code: 'MESH_FORBIDDEN', service: 'payments' })
    expect(mesh.explain({ url: 'http://orders/' })).toMatchObject({
      route: { service: 'payments' },
      backends: [{ service: 'payments', share: 1 }],
      rewrites: ['redirected to payments by the policy detour (options/outbound-policy/default/detour)'],
    })
  })

  it('in a circle, and to a service that there is not', async () => {
    const redirect = (service: string, redirectTo: string): TrafficPolicyOptions => ({
      name: service,
      target: { service },
      action: 'redirect',
      redirectTo,
    })
    const mesh = meshOf({
      services: { a: { endpoints: [] }, b: { endpoints: [] }, lost: { endpoints: [] } },
      policies: [redirect('a', 'b'), redirect('b', 'a'), redirect('lost', 'nobody')],
    })
    expect(await failure(mesh.fetch('http://a/'))).toMatchObject({ code: 'MESH_FORBIDDEN', reason: 'the policy a redirects in a circle' })
    expect(await failure(mesh.fetch('http://lost/'))).toMatchObject({
      code: 'MESH_UNKNOWN_SERVICE',
      reason: 'the policy lost redirects to nobody, which is no service',
      from: 'options/outbound-policy/default/lost',
    })
    expect(mesh.explain({ url: 'http://lost/' }).rewrites[0]).toContain('the call is refused')
  })
})

describe('from a source', () => {
  it('a push changes the policies, refills no bucket, and the options are asked first', async () => {
    const orders = await server('ok')
    const limit = (requests: number): TrafficPolicyOptions => ({ name: 'slowly', action: 'limit', limit: { requests, per: '1h' } })
    const source = staticSource({ policies: [limit(2)] })
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] } },
      sources: [source],
      policies: [{ name: 'free', target: { paths: ['/free'] }, action: 'allow' }],
    })
    await mesh.ready()
    const get = (path = '/') => mesh.fetch(`http://orders${path}`)
    expect(await tally([get(), get(), get(), get('/free')])).toEqual({ answered: 3, MESH_RATE_LIMITED: 1 })
    const changed: number[] = []
    mesh.on('configChanged', ({ version }) => changed.push(version))
    source.update({ policies: [limit(3)] })
    expect(await tally([get(), get()])).toEqual({ answered: 1, MESH_RATE_LIMITED: 1 })
    source.update({ policies: [limit(3)] })
    source.update({})
    expect(await tally([get(), get()])).toEqual({ answered: 2 })
    expect(changed).toHaveLength(2)
    expect(mesh.snapshot().policies.map(({ name }) => name)).toEqual(['free'])
  })
})

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { LaneOptions, ServiceOptions } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import type { FaultServer } from '../support/fault-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()
const { keep } = lifetimes()

const colour = (lane: string) => ({ headers: { 'x-lane': lane } })

async function fleet(lanes: LaneOptions | false, more: ServiceOptions = {}, label = 'lane') {
  const servers: Record<'base' | 'blue' | 'green', FaultServer> = {
    base: await server(200),
    blue: await server(200),
    green: await server(200),
  }
  const mesh = meshOf({
    defaults: { outlierDetection: { consecutiveFailures: 2, ejectFor: 80, minRequests: 1_000 } },
    services: {
      orders: {
        endpoints: [
          { address: servers.base.address },
          { address: servers.blue.address, metadata: { [label]: 'blue' } },
          { address: servers.green.address, metadata: { [label]: 'green' } },
        ],
        lanes,
        ...more,
      },
    },
  })
  await mesh.ready()
  const seen = () => [servers.base, servers.blue, servers.green].map(({ requests }) => requests.length)
  return { mesh, seen, ...servers }
}

describe.each(DOORS)('through %s', (door) => {
  it('calls of a colour go to its endpoints, the others to the baseline', async () => {
    const { mesh, seen } = await fleet({})
    for (let turn = 0; turn < 5; turn++) {
      await doors[door](mesh, 'http://orders/', colour('blue'))
      await doors[door](mesh, 'http://orders/', {})
      await doors[door](mesh, 'http://orders/', colour('red'))
    }
    expect(seen()).toEqual([10, 5, 0])
  })
})

describe('lanes', () => {
  it('off: everybody gets everything', async () => {
    const { mesh, seen } = await fleet(false)
    for (let turn = 0; turn < 60; turn++) await mesh.fetch('http://orders/', colour('blue'))
    expect(seen().every((count) => count > 0)).toBe(true)
  })

  it('strict: a colour that nobody has finds no endpoint', async () => {
    const { mesh, seen } = await fleet({ strict: true })
    await mesh.fetch('http://orders/', colour('green'))
    await mesh.fetch('http://orders/')
    expect(await failure(mesh.fetch('http://orders/', colour('red')))).toMatchObject({
      code: 'MESH_NO_ENDPOINT',
      reason: 'the lane red (x-lane): no usable endpoint has lane red, and lanes are strict',
    })
    expect(seen()).toEqual([1, 0, 1])
  })

  it('header, label and baseline by other names; all endpoints where everyone has a colour', async () => {
    const { mesh, seen } = await fleet({ header: 'X-Version', label: 'version', baseline: 'green' }, {}, 'version')
    await mesh.fetch('http://orders/', { headers: { 'x-version': 'blue' } })
    for (let turn = 0; turn < 40; turn++) await mesh.fetch('http://orders/', { headers: { 'x-version': 'green' } })
    const [base, blue, green] = seen()
    expect([(base as number) > 0, blue, (green as number) > 0]).toEqual([true, 1, true])
    const [a, b] = [await server(200), await server(200)]
    const all = meshOf({
      services: {
        orders: {
          endpoints: [
            { address: a.address, metadata: { lane: 'a' } },
            { address: b.address, metadata: { lane: 'b' } },
          ],
          lanes: {},
        },
      },
    })
    for (let turn = 0; turn < 40; turn++) await all.fetch('http://orders/')
    expect(Math.min(a.requests.length, b.requests.length)).toBeGreaterThan(0)
  })

  it('a lane that is down gives its calls to the baseline, within the same call too', async () => {
    const { mesh, seen, blue } = await fleet({})
    await blue.stop()
    for (let turn = 0; turn < 3; turn++) expect((await mesh.fetch('http://orders/', colour('blue'))).status).toBe(200)
    expect(seen()).toEqual([3, 0, 0])
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0 })
  })

  it('an ejected endpoint comes back to its lane by a call of its colour', async () => {
    const { mesh, blue, seen } = await fleet({}, { retry: false })
    blue.behave(500)
    for (let turn = 0; turn < 2; turn++) await mesh.fetch('http://orders/', colour('blue'))
    await mesh.fetch('http://orders/', colour('blue'))
    expect(seen()).toEqual([1, 2, 0])
    expect(mesh.explain({ url: 'http://orders/', ...colour('blue') }).rewrites).toEqual([
      'the lane blue (x-lane): no usable endpoint has lane blue, so the baseline takes it (options/traffic-policy/default/orders#lanes)',
    ])
    blue.behave(200)
    await expect
      .poll(async () => {
        await mesh.fetch('http://orders/', colour('blue'))
        return seen()[1]
      })
      .toBeGreaterThan(4)
    expect(seen()[2]).toBe(0)
    expect(mesh.stats().services['orders']?.endpoints.map(({ state }) => state)).toEqual(['healthy', 'healthy', 'healthy'])
  })

  it('a rule colours calls, which then stay in their lane', async () => {
    const { mesh: _, blue, base } = await fleet({})
    const mesh = meshOf({
      services: { orders: { endpoints: [{ address: base.address }, { address: blue.address, metadata: { lane: 'blue' } }], lanes: {} } },
      routes: [
        {
          hosts: ['orders'],
          rules: [
            {
              match: [{ headers: [{ name: 'x-user', exact: 'ann' }] }],
              backends: [{ service: 'orders' }],
              headers: { request: { set: { 'x-lane': 'blue' } } },
            },
            { backends: [{ service: 'orders' }] },
          ],
        },
      ],
    })
    for (let turn = 0; turn < 4; turn++) await mesh.fetch('http://orders/', { headers: { 'x-user': turn === 0 ? 'ann' : 'bob' } })
    expect([blue.requests.map(({ headers }) => headers['x-lane']), base.requests.length]).toEqual([['blue'], 3])
  })

  it('a call beneath a request is of its lane, where the context hands the header on', async () => {
    const { base, blue } = await fleet(false)
    const mesh = meshOf({
      services: { orders: { endpoints: [{ address: base.address }, { address: blue.address, metadata: { lane: 'blue' } }], lanes: {} } },
      routes: [
        {
          hosts: ['shop'],
          rules: [
            { match: [{ headers: [{ name: 'x-lane', exact: 'red' }] }], respond: { body: 'a rule saw it' } },
            { backends: [{ service: 'orders' }] },
          ],
        },
      ],
      context: { forward: ['x-lane'] },
      inbound: { trustedProxies: ['127.0.0.1'] },
    })
    const front = createServer(
      mesh.handler(async (request: IncomingMessage, response: ServerResponse) => {
        response.end(await (await mesh.fetch(`http://${request.url?.slice(1)}/`)).text())
      }),
    )
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    keep(() => front.close())
    const ask = async (host: string, lane: string): Promise<string> => {
      const { port } = front.address() as AddressInfo
      return (await fetch(`http://127.0.0.1:${port}/${host}`, { headers: { 'x-lane': lane } })).text()
    }
    await ask('orders', 'blue')
    await ask('shop', 'blue')
    await ask('orders', 'grey')
    expect([base, blue].map(({ requests }) => requests.map(({ headers }) => headers['x-lane']))).toEqual([['grey'], ['blue', 'blue']])
    expect(await ask('shop', 'red')).toBe('a rule saw it')
  })

  it.each(['ring-hash', 'maglev'] as const)('with %s a key keeps its endpoint within the lane', async (policy) => {
    const servers = await Promise.all(Array.from({ length: 6 }, () => server(200)))
    const endpoints = servers.map(({ address }, index) => ({ address, metadata: index < 3 ? { lane: 'blue' } : {} }))
    const mesh = meshOf({ services: { orders: { endpoints, lanes: {}, balancing: { policy } } } })
    const call = (hashKey: string, lane: string) => mesh.fetch('http://orders/', { ...colour(lane), mesh: { hashKey } })
    for (let turn = 0; turn < 5; turn++) for (const lane of ['blue', '']) await call('ann', lane)
    const counts = servers.map(({ requests }) => requests.length)
    expect([counts.slice(0, 3).sort(), counts.slice(3).sort()]).toEqual([
      [0, 0, 5],
      [0, 0, 5],
    ])
    for (let user = 0; user < 30; user++) await call(`user ${user}`, 'blue')
    expect(servers.slice(0, 3).every(({ requests }) => requests.length > 0)).toBe(true)
  })

  it.each([
    [false, [[0, 1], 4]],
    [true, [[0, 5], 0]],
  ])('a session that is strict (%s) goes before the lane', async (strict, expected) => {
    const { mesh, base, blue, green } = await fleet({}, { balancing: { session: { header: 'x-session', strict } } })
    const first = await mesh.fetch('http://orders/', colour('blue'))
    const session = first.headers.get('x-session') as string
    for (let turn = 0; turn < 4; turn++) {
      await mesh.fetch('http://orders/', { headers: { 'x-lane': 'green', 'x-session': session } })
    }
    expect([[base.requests.length, blue.requests.length], green.requests.length]).toEqual(expected)
  })

  it('explain says which endpoints are of the lane', async () => {
    const { mesh } = await fleet({})
    const of = (options: object) => mesh.explain({ url: 'http://orders/', ...options })
    expect(of(colour('blue')).candidates.map(({ taken, because }) => [taken, because])).toEqual([
      [false, 'of another lane'],
      [true, 'chosen among the usable by least-request'],
      [false, 'of another lane'],
    ])
    expect(of({}).rewrites).toEqual(['no lane (x-lane): the baseline (options/traffic-policy/default/orders#lanes)'])
    expect(of({}).candidates.map(({ taken }) => taken)).toEqual([true, false, false])
  })
})

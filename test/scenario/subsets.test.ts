import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { type BackendOptions, type CallOptions, type EndpointOptions, type ServiceOptions, staticSource } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import type { FaultServer } from '../support/fault-server.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

const SUBSETS = { v1: { version: 'v1' }, v2: { version: 'v2' } }

/** A host for each of the backends, all of one service. */
const routesTo = (backends: Record<string, Omit<BackendOptions, 'service'>>) =>
  Object.entries(backends).map(([host, backend]) => ({
    hosts: [host],
    rules: [{ name: 'only', backends: [{ service: 'orders', ...backend }] }],
  }))

async function fleet(
  metadata: readonly Record<string, string>[],
  more: ServiceOptions = {},
  backends: Record<string, Omit<BackendOptions, 'service'>> = {},
) {
  const servers = await Promise.all(metadata.map(() => server(200)))
  const endpoints: EndpointOptions[] = servers.map(({ address }, index) => ({
    address,
    metadata: metadata[index] as Record<string, string>,
  }))
  const mesh = meshOf({
    defaults: { outlierDetection: { consecutiveFailures: 2, ejectFor: 80, minRequests: 1_000 } },
    services: { orders: { endpoints, subsets: SUBSETS, ...more } },
    routes: routesTo({ one: { subset: 'v1' }, two: { subset: 'v2' }, ...backends }),
  })
  await mesh.ready()
  return { mesh, servers, seen: () => servers.map(({ requests }) => requests.length) }
}

describe.each(DOORS)('through %s', (door) => {
  it('a backend leads to its subset, and a call to whom its metadata name', async () => {
    const { mesh, seen } = await fleet([SUBSETS.v1, SUBSETS.v2, { ...SUBSETS.v2, region: 'eu' }])
    for (let turn = 0; turn < 4; turn++) {
      await doors[door](mesh, 'http://one/', {})
      await doors[door](mesh, 'http://two/', { mesh: { metadata: { region: 'eu' } } })
    }
    expect(seen()).toEqual([4, 0, 4])
  })
})

describe('subsets', () => {
  it('share the calls of a rule by weight', async () => {
    const [one, two] = [await server(200), await server(200)]
    const endpoints = [
      { address: one.address, metadata: SUBSETS.v1 },
      { address: two.address, metadata: SUBSETS.v2 },
    ]
    const backends = [
      { service: 'orders', subset: 'v1', weight: 3 },
      { service: 'orders', subset: 'v2' },
    ]
    const mesh = meshOf({
      services: { orders: { endpoints, subsets: SUBSETS } },
      routes: [{ hosts: ['shop'], rules: [{ backends }] }],
      random: seededRandom(7),
    })
    for (let turn = 0; turn < 200; turn++) await mesh.fetch('http://shop/')
    const [v1, v2] = [one.requests.length, two.requests.length]
    expect([v1 + v2, v1 > 125, v2 > 25]).toEqual([200, true, true])
    expect(mesh.stats().services['orders']?.subsets).toEqual({
      v1: { endpoints: 1, usable: 1, calls: v1, otherwise: 0 },
      v2: { endpoints: 1, usable: 1, calls: v2, otherwise: 0 },
    })
    expect(mesh.explain({ url: 'http://shop/' }).backends).toEqual([
      { service: 'orders', share: 0.75, subset: 'v1' },
      { service: 'orders', share: 0.25, subset: 'v2' },
    ])
    expect(mesh.explain({ url: 'http://shop/' }).alternatives?.[0]).toMatchObject({ selection: { taken: 'version v2' } })
  })

  it('that nobody is of: MESH_NO_ENDPOINT, which names who says so; the service itself goes on', async () => {
    const { mesh } = await fleet([SUBSETS.v1])
    expect(await failure(mesh.fetch('http://two/'))).toMatchObject({
      code: 'MESH_NO_ENDPOINT',
      service: 'orders',
      reason: 'the subset v2: no endpoint has version v2: nobody may take its calls (by the rule only of the route two)',
      from: 'options/traffic-policy/default/orders#subsets',
    })
    // That says nothing of the service: its breaker hears of none of it.
    for (let turn = 0; turn < 30; turn++) await failure(mesh.fetch('http://two/'))
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0, errors: { MESH_NO_ENDPOINT: 31 }, breaker: { state: 'closed' } })
  })

  it('that a source has not named: MESH_NO_ENDPOINT until it does, and again when it does no more', async () => {
    const [one, two] = [await server('echo'), await server('echo')]
    const endpoints = [
      { address: one.address, metadata: { version: 'v1' } },
      { address: two.address, metadata: { version: 'v2' } },
    ]
    const source = staticSource({ services: { orders: { endpoints } } })
    const mesh = meshOf({ sources: [source], routes: routesTo({ two: { subset: 'v2' } }) })
    const expected = {
      code: 'MESH_NO_ENDPOINT',
      reason: 'the service has no subset v2 (by the rule only of the route two)',
      from: 'options/route/default/two#only',
    }
    expect(await failure(mesh.fetch('http://two/'))).toMatchObject(expected)
    source.update({ services: { orders: { endpoints, subsets: SUBSETS } } })
    expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect([one.requests.length, two.requests.length]).toEqual([0, 1])
    // It means somebody else now.
    source.update({ services: { orders: { endpoints, subsets: { v2: { version: 'v1' } } } } })
    expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect([one.requests.length, two.requests.length]).toEqual([1, 1])
    source.update({ services: { orders: { endpoints } } })
    expect(await failure(mesh.fetch('http://two/'))).toMatchObject(expected)
  })

  it('further tries stay within it', async () => {
    const { mesh, servers, seen } = await fleet([SUBSETS.v1, SUBSETS.v2, SUBSETS.v2, SUBSETS.v1], { outlierDetection: false })
    servers[1]?.behave(503)
    for (let turn = 0; turn < 20; turn++) expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect([seen()[0], seen()[2], seen()[3]]).toEqual([0, 20, 0])
    servers[2]?.behave(503)
    expect((await mesh.fetch('http://two/')).status).toBe(503)
    expect([seen()[0], seen()[3]]).toEqual([0, 0])
  })

  it('that is down gives its calls to whoever is said, within the same call too, and gets them back', async () => {
    const { mesh, servers, seen } = await fleet([SUBSETS.v1, SUBSETS.v2, {}], {}, { two: { subset: 'v2', otherwise: ['v1', 'any'] } })
    const [one, two] = servers as [FaultServer, FaultServer]
    await two.stop()
    for (let turn = 0; turn < 5; turn++) expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect(seen()).toEqual([5, 0, 0])
    expect(mesh.explain({ url: 'http://two/' }).selection).toEqual({
      meant: 'version v2',
      taken: 'version v1',
      because: 'the subset v2: no usable endpoint has version v2, so one with version v1 takes it',
      from: 'options/traffic-policy/default/orders#subsets',
    })
    await one.stop()
    for (let turn = 0; turn < 5; turn++) expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect(seen()[2]).toBeGreaterThanOrEqual(5)
    await two.restart()
    await expect
      .poll(async () => {
        await mesh.fetch('http://two/')
        return seen()[1]
      })
      .toBeGreaterThan(3)
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0 })
    expect(mesh.stats().services['orders']?.subsets?.['v2']?.otherwise).toBeGreaterThan(5)
  })

  it('an endpoint that failed under one name is out under every name', async () => {
    const { mesh, servers, seen } = await fleet([SUBSETS.v1, SUBSETS.v2, SUBSETS.v2], {
      retry: false,
      outlierDetection: { consecutiveFailures: 2, ejectFor: '30s' },
    })
    servers[1]?.behave(500)
    for (let turn = 0; turn < 30; turn++) await mesh.fetch('http://orders/')
    expect(seen()[1]).toBe(2)
    for (let turn = 0; turn < 5; turn++) expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect(seen()[1]).toBe(2)
  })

  it.each(['ring-hash', 'maglev'] as const)(
    'with %s a key keeps its endpoint within each of them, from the first call on',
    async (policy) => {
      const metadata = Array.from({ length: 6 }, (_, index) => (index < 3 ? SUBSETS.v1 : SUBSETS.v2))
      const { mesh, servers, seen } = await fleet(metadata, { balancing: { policy } })
      for (let turn = 0; turn < 5; turn++)
        await Promise.all(['one', 'two', 'orders'].map((host) => mesh.fetch(`http://${host}/${host}`, { mesh: { hashKey: 'ann' } })))
      const counts = (host: string) =>
        servers.map(({ requests }) => requests.filter(({ path }) => path === `/${host}`).length).filter((count) => count > 0)
      expect(['one', 'two', 'orders'].map(counts)).toEqual([[5], [5], [5]])
      for (let user = 0; user < 40; user++) await mesh.fetch('http://two/', { mesh: { hashKey: `user ${user}` } })
      expect(
        seen()
          .slice(3)
          .every((count) => count > 0),
      ).toBe(true)
    },
  )

  it.each([
    [false, [1, 4]],
    [true, [5, 0]],
  ])('a session that is strict (%s) goes before the subset, another stays within', async (strict, expected) => {
    const { mesh, seen } = await fleet([SUBSETS.v1, SUBSETS.v2], { balancing: { session: { header: 'x-session', strict } } })
    const session = (await mesh.fetch('http://one/')).headers.get('x-session') as string
    for (let turn = 0; turn < 4; turn++) await mesh.fetch('http://two/', { headers: { 'x-session': session } })
    expect(seen()).toEqual(expected)
  })

  it('lanes are within the subset', async () => {
    const { mesh, seen } = await fleet([SUBSETS.v1, { ...SUBSETS.v1, lane: 'blue' }, SUBSETS.v2, { ...SUBSETS.v2, lane: 'blue' }], {
      lanes: {},
    })
    const blue = { headers: { 'x-lane': 'blue' } }
    for (let turn = 0; turn < 3; turn++) {
      await mesh.fetch('http://two/', blue)
      await mesh.fetch('http://two/')
      await mesh.fetch('http://one/', blue)
    }
    expect(seen()).toEqual([0, 3, 3, 3])
    expect(mesh.explain({ url: 'http://two/', ...blue }).candidates.map(({ taken, because }) => [taken, because])).toEqual([
      [false, 'not selected by its metadata'],
      [false, 'not selected by its metadata'],
      [false, 'of another lane'],
      [true, 'chosen among the usable by least-request'],
    ])
  })

  it('copies go to a subset too', async () => {
    const [one, two] = [await server(200), await server(200)]
    const mesh = meshOf({
      services: {
        orders: {
          endpoints: [
            { address: one.address, metadata: { version: 'v1' } },
            { address: two.address, metadata: { version: 'v2' } },
          ],
          subsets: SUBSETS,
        },
      },
      routes: [
        { hosts: ['shop'], rules: [{ backends: [{ service: 'orders', subset: 'v1' }], mirror: [{ service: 'orders', subset: 'v2' }] }] },
      ],
    })
    for (let turn = 0; turn < 3; turn++) await mesh.fetch('http://shop/')
    await expect.poll(() => two.requests.length).toBe(3)
    expect([one.requests.length, two.requests[0]?.headers['host']]).toEqual([3, 'shop-shadow'])
  })

  it('a part of the endpoints would miss the few of a subset: all of them are used', async () => {
    const canary = await server(200)
    const many: EndpointOptions[] = Array.from({ length: 400 }, (_, index) => ({ address: `127.0.0.1:${index + 1}`, metadata: SUBSETS.v1 }))
    const mesh = meshOf({
      services: { orders: { endpoints: [...many, { address: canary.address, metadata: SUBSETS.v2 }], subsets: SUBSETS } },
      routes: routesTo({ two: { subset: 'v2' } }),
    })
    expect((await mesh.fetch('http://two/')).status).toBe(200)
    expect(mesh.explain({ url: 'http://two/' }).subset).toBeUndefined()
  })
})

describe('metadata of a call', () => {
  it('nobody who has them: MESH_NO_ENDPOINT, or elsewhere as its backend says', async () => {
    const { mesh, seen } = await fleet([SUBSETS.v1, SUBSETS.v2], {}, { open: { subset: 'v2', otherwise: 'any' } })
    const eu: CallOptions = { metadata: { region: 'eu' } }
    expect(await failure(mesh.fetch('http://orders/', { mesh: eu }))).toMatchObject({
      code: 'MESH_NO_ENDPOINT',
      reason: 'the metadata of the call: no endpoint has region eu: nobody may take its calls',
    })
    expect((await mesh.fetch('http://open/', { mesh: eu })).status).toBe(200)
    await mesh.with({ metadata: { version: 'v2' } }, async () => {
      for (let turn = 0; turn < 5; turn++) await mesh.fetch('http://orders/')
    })
    expect(seen()[1]).toBeGreaterThanOrEqual(5)
  })

  it.each<[metadata: unknown, got: string]>([
    ['v2', '"v2"'],
    [{}, '[object Object]'],
    [{ version: 2 }, '[object Object]'],
    [['v2'], 'v2'],
    [null, 'null'],
  ])('%j is refused', async (metadata, got) => {
    const { mesh } = await fleet([SUBSETS.v1])
    expect(await failure(mesh.fetch('http://orders/', { mesh: { metadata } as CallOptions }))).toMatchObject({
      code: 'MESH_CONFIG',
      reason: `mesh.metadata: expected an object with 1 to 32 texts, got ${got}`,
    })
  })
})

describe('endpoints that change while calls run', () => {
  it('no call is lost, and none goes to an endpoint that never was of its subset', async () => {
    const servers = await Promise.all(
      Array.from({ length: 6 }, () =>
        server(async ({ bodyRead, answer }) => {
          await bodyRead
          answer(200, 'ok')
        }),
      ),
    )
    const [v1, v2, turning, guest, ...others] = servers as [FaultServer, FaultServer, FaultServer, FaultServer, ...FaultServer[]]
    const at = ({ address }: FaultServer, version: string) => ({ address, metadata: { version } })
    const documentOf = (round: number) => ({
      services: {
        orders: {
          subsets: SUBSETS,
          endpoints: [
            at(v1, 'v1'),
            at(v2, 'v2'),
            at(turning, round % 2 === 0 ? 'v1' : 'v2'),
            ...(round % 3 === 0 ? [at(guest, 'v2')] : []),
            ...others.filter((_, index) => index !== round % 2).map((each) => at(each, 'v1')),
          ],
        },
      },
    })
    const source = staticSource(documentOf(0))
    const mesh = meshOf({ sources: [source], routes: routesTo({ one: { subset: 'v1' }, two: { subset: 'v2' } }) })
    await mesh.ready()
    const calls: Promise<string>[] = []
    for (let round = 0; round < 60; round++) {
      source.update(documentOf(round))
      for (const host of ['one', 'two', 'orders']) calls.push(mesh.fetch(`http://${host}/${host}`).then((response) => response.text()))
      await pause(10)
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    const hostsAt = (each: FaultServer) => new Set(each.requests.map(({ path }) => path))
    expect(hostsAt(v1).has('/two')).toBe(false)
    for (const each of [v2, guest]) expect(hostsAt(each).has('/one')).toBe(false)
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0, errors: {}, subsets: { v1: { calls: 60 }, v2: { calls: 60 } } })
    // The last word counts, whatever came before it.
    for (const [version, host] of [
      ['v1', 'one'],
      ['v2', 'two'],
    ] as const) {
      source.update({ services: { orders: { subsets: SUBSETS, endpoints: [at(turning, version)] } } })
      await expect
        .poll(async () => {
          await mesh.fetch(`http://${host}/last`).catch(() => {})
          return turning.requests.filter(({ path, headers }) => path === '/last' && headers['host'] === host).length
        })
        .toBeGreaterThan(0)
    }
  })
})

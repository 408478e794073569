import { describe, expect, it } from 'vitest'
import { type RouteOptions, type RuleOptions, staticSource } from '../../src/index.ts'
import { type Answer, DOORS, doors } from '../support/doors.ts'
import { failure, tally, testMeshes } from '../support/mesh-with.ts'
import { CertificateAuthority, tlsFront } from '../support/tls.ts'

const { server, mesh: meshOf } = testMeshes()

interface Echo {
  method: string
  path: string
  headers: Record<string, string>
}

const echo = ({ body }: Answer): Echo => JSON.parse(body) as Echo
const headerOf = ({ headers }: Answer, name: string): unknown =>
  typeof headers.get === 'function' ? headers.get(name) : (headers as Record<string, unknown>)[name]
const rules = (...list: RuleOptions[]): RouteOptions[] => [{ hosts: ['shop'], rules: list }]

describe.each(DOORS)('through %s', (door) => {
  it('the first rule that matches decides; the host of a route need be no service', async () => {
    const [orders, next] = [await server('echo'), await server('echo')]
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, next: { endpoints: [next.address] } },
      routes: rules(
        {
          name: 'canary',
          match: [{ path: { prefix: '/api' }, headers: [{ name: 'X-Canary', exact: '1' }], method: 'POST' }],
          backends: [{ service: 'next' }],
        },
        { match: [{ path: { prefix: '/api' } }, { path: { exact: '/health' } }], backends: [{ service: 'orders' }] },
      ),
    })
    const canary = { method: 'POST', body: 'x', headers: { 'x-canary': '1' } }
    expect(echo(await doors[door](mesh, 'http://shop/api/1?a=b', canary))).toMatchObject({ path: '/api/1?a=b', headers: { host: 'shop' } })
    await doors[door](mesh, 'http://shop/api/1', { method: 'POST', body: 'x' })
    await doors[door](mesh, 'http://shop/health', {})
    expect([orders.requests.length, next.requests.length]).toEqual([2, 1])
    const error = await failure(doors[door](mesh, 'http://shop/other?x', {}))
    expect(error).toMatchObject({
      code: 'MESH_UNKNOWN_SERVICE',
      reason: 'no rule of the route shop matches GET /other',
      from: 'options/route/default/shop',
    })
    expect(mesh.stats().routes['shop']).toMatchObject({ unmatched: 1, rules: { canary: { calls: 1 }, 'rules[1]': { calls: 2 } } })
    expect(mesh.stats().services['next']).toMatchObject({ calls: 1, successes: 1 })
  })

  it('path, host and headers are changed, both ways', async () => {
    const orders = await server(({ answer, request }) =>
      answer(200, JSON.stringify(request), ['server: theirs', 'x-kept: 1', 'set-cookie: a=1', 'set-cookie: b=2']),
    )
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] } },
      routes: rules({
        match: [{ path: { pathSeparatedPrefix: '/api' } }],
        backends: [{ service: 'orders', headers: { request: { set: { 'x-by': 'backend' } } } }],
        rewrite: { prefix: '/v1', host: 'orders.internal:8080' },
        headers: {
          request: { remove: ['X-Secret'], set: { 'x-set': 'new', 'x-by': 'rule' }, add: { 'x-many': '2' } },
          response: { remove: ['server'], set: { 'x-set': 'answer' }, add: { 'x-route': 'shop' } },
        },
      }),
    })
    const headers = { 'x-secret': 's', 'X-Set': 'old', 'x-many': '1' }
    const answer = await doors[door](mesh, 'http://shop/api/orders?a=b', { method: 'POST', body: 'x', headers })
    const seen = echo(answer)
    expect([seen.path, seen.headers['host'], seen.headers['x-secret'], seen.headers['x-set'], seen.headers['x-by']]).toEqual([
      '/v1/orders?a=b',
      'orders.internal:8080',
      undefined,
      'new',
      'backend',
    ])
    expect(['server', 'x-set', 'x-route', 'x-kept'].map((name) => headerOf(answer, name) ?? undefined)).toEqual([
      undefined,
      'answer',
      'shop',
      '1',
    ])
    if (answer.headers instanceof Headers) expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  })

  it('a rule answers itself: no service hears of it', async () => {
    const mesh = meshOf({
      routes: rules({
        name: 'gone',
        respond: { status: 410, headers: { 'x-why': 'old' }, body: 'it is gone' },
        headers: { response: { add: { 'x-rule': 'gone' } } },
      }),
    })
    const answer = await doors[door](mesh, 'http://shop/x', { method: 'POST', body: 'thrown away' })
    expect([answer.status, answer.body, headerOf(answer, 'x-why'), headerOf(answer, 'x-rule')]).toEqual([410, 'it is gone', 'old', 'gone'])
    expect((await doors[door](mesh, 'http://shop/x', { method: 'HEAD' })).body).toBe('')
    expect(mesh.stats().routes['shop']?.rules['gone']).toMatchObject({ calls: 2, answered: 2 })
  })

  it('a redirect is an answer, which only fetch goes after', async () => {
    const orders = await server('echo')
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] } },
      routes: [
        { hosts: ['old'], rules: [{ match: [{ path: { prefix: '/api' } }], redirect: { host: 'orders', prefix: '/v1', status: 308 } }] },
      ],
    })
    const init = { method: 'POST', body: 'x' }
    if (door.endsWith('fetch') || door === 'install') {
      const manual = await doors[door](mesh, 'http://old/api/x?y', { ...init, redirect: 'manual' })
      expect([manual.status, headerOf(manual, 'location'), orders.requests.length]).toEqual([308, 'http://orders/v1/x?y', 0])
      expect(echo(await doors[door](mesh, 'http://old/api/x?y', init))).toMatchObject({ method: 'POST', path: '/v1/x?y' })
    } else {
      const answer = await doors[door](mesh, 'http://old/api/x?y', init)
      expect([answer.status, headerOf(answer, 'location'), orders.requests.length]).toEqual([308, 'http://orders/v1/x?y', 0])
    }
  })

  it("a rule's timeout, retry and fallback go before the service's, and errors name the rule", async () => {
    const orders = await server('silent')
    const broken = await server(503)
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address], timeout: '10s' }, broken: { endpoints: [broken.address] } },
      routes: rules(
        { name: 'quick', match: [{ path: { prefix: '/quick' } }], backends: [{ service: 'orders' }], timeout: 60, retry: false },
        { name: 'once', match: [{ path: { prefix: '/once' } }], backends: [{ service: 'broken' }], retry: false },
        {
          name: 'more',
          match: [{ path: { prefix: '/more' } }],
          backends: [{ service: 'broken' }],
          retry: { attempts: 1, backoff: { base: 1 } },
        },
        {
          name: 'soft',
          match: [{ path: { prefix: '/soft' } }],
          backends: [{ service: 'broken' }],
          retry: false,
          fallback: { on: ['5xx'], respond: { status: 203, body: 'instead' } },
        },
      ),
    })
    await mesh.ready()
    const late = await failure(doors[door](mesh, 'http://shop/quick', {}))
    expect(late).toMatchObject({ code: 'MESH_DEADLINE', service: 'orders', from: 'options/route/default/shop#quick' })
    expect(late.reason).toBe('no answer within 60 ms (by the rule quick of the route shop)')
    expect((await doors[door](mesh, 'http://shop/once', {})).status).toBe(503)
    expect(broken.requests).toHaveLength(1)
    expect((await doors[door](mesh, 'http://shop/more', {})).status).toBe(503)
    expect(broken.requests).toHaveLength(3)
    expect(await doors[door](mesh, 'http://shop/soft', {})).toMatchObject({ status: 203, body: 'instead' })
  })

  it('copies go to the mirror, with their body and a host of their own, and nobody waits for them', async () => {
    const orders = await server('echo')
    const shadow = await server('silent')
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, shadow: { endpoints: [shadow.address] } },
      routes: rules({ name: 'all', backends: [{ service: 'orders' }], mirror: [{ service: 'shadow' }] }),
    })
    const answer = await doors[door](mesh, 'http://shop:8080/a?b', { method: 'POST', body: 'hello', headers: { 'x-a': 'b' } })
    expect(answer.status).toBe(200)
    await expect.poll(() => shadow.requests[0]?.bodyHash).toBe(orders.requests[0]?.bodyHash)
    expect(shadow.requests[0]).toMatchObject({
      method: 'POST',
      path: '/a?b',
      bodyBytes: 5,
      headers: { host: 'shop-shadow:8080', 'x-a': 'b' },
    })
    const { services, routes } = mesh.stats()
    expect([services['shadow']?.calls, services['shadow']?.inflight, services['orders']?.calls]).toEqual([0, 0, 1])
    expect(routes['shop']?.rules['all']?.mirrors).toEqual({ shadow: { sent: 1, inflight: 1, successes: 0, failures: 0, skipped: 0 } })
    const started = performance.now()
    await mesh.close()
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})

describe('which route a call has', () => {
  it('exact before patterns, services by their very name before patterns, and strangers pass', async () => {
    const mesh = meshOf({
      services: { orders: { endpoints: [] }, 'a.shop.test': { endpoints: [] } },
      unknownHosts: 'refuse',
      routes: [
        { hosts: ['*.shop.test'], rules: [{ respond: { body: 'ending' } }] },
        { hosts: ['shop.*'], rules: [{ respond: { body: 'beginning' } }] },
        { hosts: ['b.shop.test', 'b.shop.test:8080'], rules: [{ respond: { body: 'exact' } }] },
      ],
    })
    const get = async (host: string): Promise<string> => (await mesh.fetch(`http://${host}/`)).text()
    expect([await get('x.shop.test'), await get('X.Y.SHOP.test.'), await get('shop.example'), await get('b.shop.test:8080')]).toEqual([
      'ending',
      'ending',
      'beginning',
      'exact',
    ])
    expect((await failure(mesh.fetch('http://a.shop.test/'))).code).toBe('MESH_NO_ENDPOINT')
    expect((await failure(mesh.fetch('http://shop/'))).code).toBe('MESH_UNKNOWN_SERVICE')
  })

  it('a service of the same name gets what its route sends there, and nothing else', async () => {
    const [orders, next] = [await server('echo'), await server('echo')]
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, next: { endpoints: [next.address] } },
      routes: [
        {
          hosts: ['orders'],
          rules: [{ match: [{ path: { prefix: '/v2' } }], backends: [{ service: 'next' }] }, { backends: [{ service: 'orders' }] }],
        },
      ],
    })
    await mesh.fetch('http://orders/v2')
    await mesh.fetch('http://orders/v1')
    // By another of its names the service is called without the route.
    await mesh.fetch('http://orders.default/v2')
    expect([orders.requests.length, next.requests.length]).toEqual([2, 1])
  })

  it('weights hold over many calls, and a key keeps its backend', async () => {
    const [a, b] = [await server(200), await server(200)]
    const mesh = meshOf({
      services: { a: { endpoints: [a.address] }, b: { endpoints: [b.address] } },
      routes: rules({
        backends: [
          { service: 'a', weight: 80 },
          { service: 'b', weight: 20 },
        ],
        hash: [{ header: 'x-user' }],
      }),
    })
    await Promise.all(Array.from({ length: 400 }, () => mesh.request('http://shop/').then(({ body }) => body.dump())))
    expect(a.requests.length + b.requests.length).toBe(400)
    expect(b.requests.length).toBeGreaterThan(40)
    expect(b.requests.length).toBeLessThan(130)
    const before = [a.requests.length, b.requests.length]
    for (let turn = 0; turn < 10; turn++) await (await mesh.request('http://shop/', { headers: { 'x-user': 'ann' } })).body.dump()
    for (let turn = 0; turn < 10; turn++) await (await mesh.request('http://shop/', { mesh: { hashKey: 'ann' } })).body.dump()
    expect([a.requests.length - (before[0] as number), b.requests.length - (before[1] as number)].sort()).toEqual([0, 20])
  })

  it('TLS and `Host` go by the host that a rule writes; a copy is checked by the name of the call', async () => {
    const authority = new CertificateAuthority()
    const orders = await server('echo')
    const front = await tlsFront(orders.address, authority.issue({ names: ['orders.example.com'] }))
    const tls = { ca: authority.cert }
    const mesh = meshOf({
      services: { orders: { endpoints: [front.address], tls }, shadow: { endpoints: [front.address], tls } },
      routes: [
        {
          hosts: ['shop'],
          rules: [{ backends: [{ service: 'orders' }], rewrite: { host: 'orders.example.com' }, mirror: [{ service: 'shadow' }] }],
        },
        { hosts: ['bare'], rules: [{ backends: [{ service: 'orders' }] }] },
      ],
    })
    try {
      expect(((await (await mesh.fetch('https://shop/')).json()) as Echo).headers['host']).toBe('orders.example.com')
      await expect
        .poll(() => orders.requests.map(({ headers }) => headers['host']).sort())
        .toEqual(['orders.example.com', 'orders.example.com-shadow'])
      expect((await failure(mesh.fetch('https://bare/'))).code).toBe('MESH_TLS')
      expect(mesh.explain({ url: 'https://shop/' }).tls).toBe('TLS, name of orders.example.com, configured roots')
    } finally {
      await mesh.close({ timeout: 0 })
      await front.close()
    }
  })

  it('policies judge what the service gets: a rewritten path leads around no deny', async () => {
    const orders = await server('echo')
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, other: { endpoints: [orders.address] } },
      policies: [
        { name: 'admin', target: { service: 'orders', paths: ['/admin'] }, action: 'deny' },
        { name: 'moved', target: { service: 'orders', paths: ['/moved'] }, action: 'redirect', redirectTo: 'other' },
      ],
      routes: rules({
        match: [{ path: { prefix: '/shop' } }],
        backends: [{ service: 'orders' }],
        rewrite: { prefix: '/' },
        headers: { response: { set: { 'x-r': '1' } } },
      }),
    })
    expect(await failure(mesh.fetch('http://shop/shop/admin'))).toMatchObject({
      code: 'MESH_FORBIDDEN',
      reason: 'the policy admin denies this call (by the rule rules[0] of the route shop)',
    })
    const moved = await mesh.fetch('http://shop/shop/moved')
    expect([moved.headers.get('x-r'), mesh.stats().services['other']?.calls]).toEqual(['1', 1])
  })
})

describe('mirrors', () => {
  const withMirror = async (...script: Parameters<typeof server>) => {
    const [orders, shadow] = [await server('echo'), await server(...script)]
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address] }, shadow: { endpoints: [shadow.address] } },
      routes: rules({ name: 'all', backends: [{ service: 'orders' }], mirror: [{ service: 'shadow' }] }),
    })
    const counts = () => mesh.stats().routes['shop']?.rules['all']?.mirrors['shadow']
    return { orders, shadow, mesh, counts }
  }
  async function* pieces(count: number): AsyncGenerator<Buffer> {
    for (let index = 0; index < count; index++) yield Buffer.alloc(1_024, index)
  }

  it('a stream is copied within what is kept of it, and skipped beyond', async () => {
    const { mesh, shadow, orders, counts } = await withMirror(200)
    const post = (count: number) => mesh.request('http://shop/', { method: 'POST', body: pieces(count) }).then(({ body }) => body.dump())
    await post(60)
    await expect.poll(() => shadow.requests[0]?.bodyHash).toBe(orders.requests[0]?.bodyHash)
    await post(65)
    expect(orders.requests[1]?.bodyBytes).toBe(65 * 1_024)
    await expect.poll(counts).toEqual({ sent: 1, inflight: 0, successes: 1, failures: 0, skipped: 1 })
  })

  it('forms and blobs keep their type', async () => {
    const { mesh, shadow, orders } = await withMirror(200)
    const form = new FormData()
    form.append('a', 'b')
    await mesh.fetch('http://shop/', { method: 'POST', body: form })
    await mesh.fetch('http://shop/', { method: 'POST', body: new Blob(['{}'], { type: 'application/json' }) })
    await expect.poll(() => shadow.requests[1]?.bodyHash ?? '').not.toBe('')
    const types = ({ requests }: typeof shadow) => requests.map(({ headers, bodyHash }) => [headers['content-type'], bodyHash])
    expect(types(shadow)).toEqual(types(orders))
  })

  it.each(['rst-after-request', 500] as const)(
    'a mirror that answers %s is no business of the caller, and nothing is sent again',
    async (step) => {
      const { mesh, shadow, counts } = await withMirror(step)
      expect((await mesh.fetch('http://shop/')).status).toBe(200)
      await expect.poll(counts).toMatchObject({ sent: 1, inflight: 0, failures: 1 })
      expect([shadow.requests.length, mesh.stats().services['shadow']?.failures]).toEqual([1, 0])
    },
  )

  it('what a gate refuses is copied by nobody, and a share is a share', async () => {
    const [orders, shadow] = [await server('echo'), await server(200)]
    let draw = 0.5
    const mesh = meshOf({
      random: () => draw,
      services: { orders: { endpoints: [orders.address] }, shadow: { endpoints: [shadow.address] } },
      policies: [{ name: 'no', target: { service: 'orders', methods: ['DELETE'] }, action: 'deny' }],
      routes: rules({ backends: [{ service: 'orders' }], mirror: [{ service: 'shadow', percent: 40 }] }),
    })
    expect(await tally([mesh.fetch('http://shop/', { method: 'DELETE' })])).toEqual({ MESH_FORBIDDEN: 1 })
    await mesh.fetch('http://shop/half')
    draw = 0.39
    await mesh.fetch('http://shop/less')
    await expect.poll(() => shadow.requests.map(({ path }) => path)).toEqual(['/less'])
  })
})

describe('routes from a source', () => {
  const to = (service: string, more: Partial<RuleOptions> = {}): RouteOptions[] => rules({ name: 'only', backends: [{ service }], ...more })

  it('a push changes where calls go, and those under way end as they began', async () => {
    const [slow, quick] = [await server('silent'), await server('echo')]
    const services = { slow: { endpoints: [slow.address] }, quick: { endpoints: [quick.address] } }
    const source = staticSource({ services, routes: to('slow', { timeout: 300 }) })
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const began = failure(mesh.fetch('http://shop/'))
    await expect.poll(() => slow.requests.length).toBe(1)
    source.update({ services, routes: to('quick') })
    expect((await mesh.fetch('http://shop/')).status).toBe(200)
    expect(await began).toMatchObject({ code: 'MESH_DEADLINE', service: 'slow', from: 'static/route/default/shop#only' })
    expect(mesh.stats().routes['shop']?.rules['only']?.calls).toBe(2)
  })

  it('a broken document changes nothing, and a route that is gone lets nobody else answer', async () => {
    const quick = await server('echo')
    const services = { quick: { endpoints: [quick.address] } }
    const source = staticSource({ services, routes: to('quick') })
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const rejected: string[] = []
    mesh.on('configRejected', ({ rejections }) => rejected.push(...rejections.flatMap(({ problems }) => problems)))
    expect(source.update({ services, routes: [{ hosts: ['shop'], rules: [] }] })).toHaveLength(1)
    expect(rejected).toEqual(['routes[0].rules: expected at least one rule'])
    expect((await mesh.fetch('http://shop/')).status).toBe(200)
    source.update({ services })
    expect(await failure(mesh.fetch('http://shop/'))).toMatchObject({ code: 'MESH_NO_ENDPOINT', reason: 'the route shop was removed' })
    expect(mesh.explain({ url: 'http://shop/' }).route).toMatchObject({ decision: 'refuse' })
  })

  it('a backend that comes later, and one that never does', async () => {
    const later = await server('echo')
    const source = staticSource({})
    const mesh = meshOf({ sources: [source], routes: to('later') })
    expect(await failure(mesh.fetch('http://shop/'))).toMatchObject({
      code: 'MESH_UNKNOWN_SERVICE',
      reason: 'the rule only of the route shop leads to later, which is no service',
      from: 'options/route/default/shop#only',
    })
    source.update({ services: { later: { endpoints: [later.address] } } })
    expect((await mesh.fetch('http://shop/')).status).toBe(200)
  })

  it('a call that comes before the first answer of a source waits for it', async () => {
    const later = await server('echo')
    const source = staticSource({ services: { later: { endpoints: [later.address] } } })
    const slow = {
      name: 'slow',
      watch: (sink: Parameters<typeof source.watch>[0]) => {
        setTimeout(() => source.watch(sink), 100)
        return () => {}
      },
    }
    const mesh = meshOf({ sources: [slow], routes: to('later') })
    expect(await tally(['/a', '/b'].map((path) => mesh.request(`http://shop${path}`)))).toEqual({ answered: 2 })
    const left = meshOf({ sources: [slow], routes: to('later') })
    const before = later.requests.length
    await expect(left.fetch('http://shop/', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' })
    await left.ready()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(later.requests).toHaveLength(before)
    const never = meshOf({ sources: [{ name: 'never', watch: () => () => {} }], routes: to('later') })
    expect(await failure(never.fetch('http://shop/', { mesh: { timeout: 50 } }))).toMatchObject({ code: 'MESH_DEADLINE' })
  })
})

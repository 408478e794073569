import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { BalancingOptions, Mesh, ServiceOptions } from '../../src/index.ts'
import { staticSource } from '../../src/index.ts'
import { doors } from '../support/doors.ts'
import type { FaultServer, Step } from '../support/fault-server.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh } = testMeshes()

async function of(count: number, balancing: BalancingOptions, options: ServiceOptions = {}, step: Step = 200) {
  const servers = await Promise.all(Array.from({ length: count }, () => server(step)))
  const made = mesh({ services: { orders: { endpoints: servers.map(({ address }) => address), balancing, ...options } } })
  return { servers, made, seen: () => servers.map(({ requests }) => requests.length) }
}

async function call(made: Mesh, init: RequestInit & { mesh?: object } = {}, path = '/'): Promise<Response> {
  const response = await made.fetch(`http://orders${path}`, init)
  await response.arrayBuffer()
  return response
}

/** Place of the only server that saw the requests since the last look. */
function onlyOne(servers: FaultServer[]): number {
  const seen = servers.map(({ requests }) => requests.splice(0).length)
  expect(seen.filter((count) => count > 0)).toHaveLength(1)
  return seen.findIndex((count) => count > 0)
}

describe.each(['ring-hash', 'maglev'] as const)('%s', (policy) => {
  it('calls of one key go to one endpoint, in the first call already, and keys are spread', async () => {
    const { servers, made } = await of(4, { policy, hashOn: [{ header: 'x-user' }, { query: 'user' }] })
    const places = new Map<string, number>()
    for (let user = 0; user < 24; user++) {
      const init = user % 2 === 0 ? { headers: { 'X-User': `user-${user}` } } : {}
      const path = user % 2 === 0 ? '/' : `/?user=user-${user}`
      await Promise.all([call(made, init, path), call(made, init, path), call(made, init, path)])
      places.set(`${user}`, onlyOne(servers))
    }
    expect(new Set(places.values()).size).toBe(4)
  })

  it("the call's own key goes before, and a further try goes to another endpoint", async () => {
    const { servers, made, seen } = await of(4, { policy, hashOn: [{ header: 'x-user' }] })
    for (const user of ['a', 'b', 'c', 'd', 'e']) await call(made, { headers: { 'x-user': user }, mesh: { hashKey: 'same' } })
    const own = onlyOne(servers)
    ;(servers[own] as FaultServer).behave(503)
    await call(made, { mesh: { hashKey: 'same' } })
    expect(seen()[own]).toBe(1)
    for (const { requests } of servers) requests.length = 0
    const before = await call(made, { mesh: { hashKey: 'same' } }).then(seen)
    for (const { requests } of servers) requests.length = 0
    const after = await call(made, { mesh: { hashKey: 'same' } }).then(seen)
    expect(after).toEqual(before)
    expect(after.reduce((sum, count) => sum + count)).toBe(2)
  })

  it('a cookie is given once, and keeps its caller where he is; nothing else is merged into it', async () => {
    const { servers, made } = await of(5, { policy, hashOn: [{ cookie: { name: 'shop', ttl: '1h', path: '/' } }] }, {}, ({ answer }) =>
      answer(200, 'ok', ['set-cookie: own=1']),
    )
    const first = await call(made)
    const place = onlyOne(servers)
    const [own, given = ''] = first.headers.getSetCookie()
    expect(own).toBe('own=1')
    expect(given).toMatch(/^shop=[0-9a-f]{16}; Max-Age=3600; Path=\/; HttpOnly$/)
    for (let again = 0; again < 5; again++) {
      const next = await call(made, { headers: { cookie: given.split(';')[0] as string } })
      expect(next.headers.getSetCookie()).toEqual(['own=1'])
      expect(onlyOne(servers)).toBe(place)
    }
  })
})

describe('a session', () => {
  it.each(Object.keys(doors) as (keyof typeof doors)[])('through %s: the answer says where it is', async (door) => {
    const { servers, made } = await of(3, { session: { header: 'x-session' } })
    const { headers } = await doors[door](made, 'http://orders/', {})
    const session = String(headers instanceof Headers || 'get' in headers ? (headers as Headers).get('x-session') : headers['x-session'])
    expect(Buffer.from(session, 'base64').toString()).toBe((servers[onlyOne(servers)] as FaultServer).address)
    for (let again = 0; again < 4; again++) await doors[door](made, 'http://orders/', { headers: { 'x-session': session } })
    expect((servers[onlyOne(servers)] as FaultServer).address).toBe(Buffer.from(session, 'base64').toString())
  })

  it('moves when its endpoint left, unless it is strict', async () => {
    const servers = await Promise.all([server(200), server(200), server(200)])
    const addresses = servers.map(({ address }) => address)
    const strict = { session: { cookie: { name: 'strict' }, strict: true } }
    const source = staticSource({
      services: {
        loose: { endpoints: addresses, balancing: { session: { cookie: { name: 'loose' } } } },
        strict: { endpoints: addresses, balancing: strict },
      },
    })
    const made = mesh({ sources: [source] })
    const cookieOf = (response: Response): string => response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const session: Record<string, string> = {}
    for (const name of ['loose', 'strict']) session[name] = cookieOf(await made.fetch(`http://${name}/`))
    const left = Object.values(session).map((cookie) => Buffer.from(cookie.split('=')[1] ?? '', 'base64').toString())
    const staying = addresses.filter((address) => !left.includes(address))
    source.update({
      services: {
        loose: { endpoints: staying, balancing: { session: { cookie: { name: 'loose' } } } },
        strict: { endpoints: staying, balancing: strict },
      },
    })
    const moved = await made.fetch('http://loose/', { headers: { cookie: session['loose'] as string } })
    expect(moved.status).toBe(200)
    expect(cookieOf(moved)).not.toBe(session['loose'])
    const error = await failure(made.fetch('http://strict/', { headers: { cookie: session['strict'] as string } }))
    expect([error.code, error.reason]).toEqual(['MESH_NO_ENDPOINT', expect.stringContaining('strict')])
    expect((await made.fetch('http://strict/')).status).toBe(200)
  })

  it('a strict one is tried again where it is, and nowhere else', async () => {
    const { servers, made, seen } = await of(
      3,
      { session: { header: 'x-session', strict: true } },
      { retry: { attempts: 2, backoff: { base: 1 } } },
      503,
    )
    const own = (servers[1] as FaultServer).address
    expect((await call(made, { headers: { 'x-session': Buffer.from(own).toString('base64') } })).status).toBe(503)
    expect(seen()).toEqual([0, 3, 0])
  })
})

describe('peak EWMA', () => {
  const afterMs =
    (ms: number): Step =>
    ({ answer }) =>
      void setTimeout(() => answer(200, 'ok'), ms)

  it.each([
    ['answers slowly', afterMs(150), {}],
    ['fails quickly', 503, { outlierDetection: false, circuitBreaker: false }],
    ['turns calls away quickly', 429, {}],
  ] as [string, Step, ServiceOptions][])('an endpoint that %s gets little', async (_, step, options) => {
    const servers = [await server(step), await server(afterMs(5)), await server(afterMs(5))]
    const endpoints = servers.map(({ address }) => address)
    const made = mesh({ services: { orders: { endpoints, balancing: { policy: 'peak-ewma' }, retry: false, ...options } } })
    for (let round = 0; round < 60; round++) await Promise.all(Array.from({ length: 4 }, () => call(made)))
    expect((servers[0] as FaultServer).requests.length).toBeLessThan(24)
    expect((servers[1] as FaultServer).requests.length).toBeGreaterThan(60)
  })
})

describe('reported load', () => {
  it.each([
    [
      'headers',
      (load: string): Step =>
        ({ answer }) =>
          answer(200, 'ok', [`endpoint-load-metrics: ${load}`]),
    ],
    [
      'trailers',
      (load: string): Step =>
        ({ socket }) =>
          void socket.write(
            `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: endpoint-load-metrics\r\n\r\n2\r\nok\r\n0\r\nendpoint-load-metrics: ${load}\r\n\r\n`,
          ),
    ],
  ])('in %s decides the shares', async (_, step) => {
    const busy = await server(step('TEXT rps_fractional=100, cpu_utilization=0.9'))
    const idle = await server(step('JSON {"rpsFractional": 100, "cpuUtilization": 0.3}'))
    const balancing: BalancingOptions = { policy: 'weighted-round-robin', loadReports: { blackout: 0, update: '100ms' } }
    const made = mesh({ services: { orders: { endpoints: [busy.address, idle.address], balancing } } })
    for (let round = 0; round < 4; round++) await call(made)
    await new Promise((resolve) => setTimeout(resolve, 120))
    busy.requests.length = 0
    idle.requests.length = 0
    for (let round = 0; round < 40; round++) await call(made)
    expect(busy.requests.length).toBeGreaterThanOrEqual(8)
    expect(busy.requests.length).toBeLessThanOrEqual(12)
  })
})

describe('a part of the endpoints', () => {
  const many = Array.from({ length: 250 }, (_, index) => `10.0.${index >> 7}.${index & 127}:80`)
  const sizeOf = (options: ServiceOptions): [used: number, subset: unknown] => {
    const made = mesh({ services: { orders: { endpoints: many, ...options } } })
    const { candidates, subset } = made.explain({ url: 'http://orders/' })
    expect(made.stats().services['orders']?.endpoints).toHaveLength(candidates.length)
    return [candidates.length, subset]
  }

  it.each([
    [{}, 100],
    [{ subset: { size: 7 } }, 7],
    [{ subset: 'all' as const }, 250],
    [{ subset: { size: 250 } }, 250],
    [{ balancing: { policy: 'maglev' as const } }, 250],
    [{ balancing: { policy: 'ring-hash' as const }, subset: { size: 20 } }, 20],
  ])('%j: %d of 250', (options, expected) => {
    const because = `subset: this process uses ${expected} of each priority, other processes others`
    expect(sizeOf(options)).toEqual([expected, expected === 250 ? undefined : { size: expected, of: 250, because }])
  })

  it('another size applies to the living service', () => {
    const source = staticSource({ services: { orders: { endpoints: many, subset: { size: 5 } } } })
    const made = mesh({ sources: [source] })
    made.install()()
    const used = (): string[] => made.explain({ url: 'http://orders/' }).candidates.map(({ address }) => address)
    return made.ready().then(() => {
      const before = used()
      expect(before).toHaveLength(5)
      source.update({ services: { orders: { endpoints: many, subset: { size: 10 } } } })
      expect(used()).toEqual(expect.arrayContaining(before))
      expect(used()).toHaveLength(10)
    })
  })

  it('of which everybody dies is replaced, and calls go on', async () => {
    const servers = await Promise.all(Array.from({ length: 16 }, () => server(200)))
    const endpoints = servers.map(({ address }) => address)
    const made = mesh({ services: { orders: { endpoints, subset: { size: 4 }, circuitBreaker: false } } })
    const explained = () => made.explain({ url: 'http://orders/' })
    const own = explained().candidates.map(({ address }) => address)
    await call(made)
    await Promise.all(servers.filter(({ address }) => own.includes(address)).map((each) => each.close()))
    let failed = 0
    for (let inARow = 0, round = 0; inARow < 40; round++) {
      expect(round).toBeLessThan(150)
      const went = await call(made).then(
        () => true,
        () => false,
      )
      inARow = went ? inARow + 1 : 0
      if (!went) failed++
      await pause(2)
    }
    expect(failed).toBeLessThan(20)
    const { candidates, subset } = explained()
    const standIns = candidates.filter(({ address }) => !own.includes(address)).map(({ address }) => address)
    expect(standIns.length).toBeGreaterThanOrEqual(3)
    expect(standIns.length).toBeLessThanOrEqual(4)
    expect(subset?.standIns?.map(({ address }) => address).sort()).toEqual(standIns.sort())
    expect(subset?.standIns?.every((each) => each.for !== null && own.includes(each.for))).toBe(true)
  })
})

describe('explain', () => {
  it('says where a request goes by its key, and by its session', async () => {
    const { servers, made } = await of(4, { policy: 'maglev', hashOn: [{ header: 'x-user' }], session: { header: 'x-session' } })
    await made.ready()
    await call(made, { headers: { 'x-user': 'ada' } })
    const chosen = (headers: Record<string, string>): string[] =>
      made
        .explain({ url: 'http://orders/', headers })
        .candidates.filter(({ because }) => because.startsWith('this request goes here'))
        .map(({ address }) => address)
    expect(chosen({ 'X-User': 'ada' })).toEqual([(servers[onlyOne(servers)] as FaultServer).address])
    const last = (servers[3] as FaultServer).address
    expect(chosen({ 'x-session': Buffer.from(last).toString('base64') })).toEqual([last])
    expect(chosen({})).toEqual([])
  })
})

describe('a push', () => {
  it('of another policy loses no call, and what was learnt of latency stays', async () => {
    const servers = await Promise.all([server(200), server(200), server(200)])
    const endpoints = servers.map(({ address }) => address)
    const source = staticSource({ services: { orders: { endpoints } } })
    const made = mesh({ sources: [source] })
    for (const policy of ['maglev', 'peak-ewma', 'ring-hash', 'weighted-round-robin', 'maglev', 'random'] as const) {
      const calls = Array.from({ length: 20 }, () => call(made))
      source.update({ services: { orders: { endpoints, balancing: { policy, hashOn: [{ header: 'x-user' }] } } } })
      calls.push(...Array.from({ length: 20 }, () => call(made)))
      for (const { status } of await Promise.all(calls)) expect(status).toBe(200)
    }
    expect(made.stats().services['orders']).toMatchObject({ calls: 240, failures: 0 })
  })
})

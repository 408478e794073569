import { Readable } from 'node:stream'
import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import type { HedgeOptions, Mesh, MeshEvents, ServiceOptions } from '../../src/index.ts'
import type { FaultServer, Step } from '../support/fault-server.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshWith } = testMeshes()

/** Answers after so many milliseconds. */
const replies =
  (ms: number, status = 200, headers: string[] = []): Step =>
  async ({ request, bodyRead, answer }) => {
    await bodyRead
    setTimeout(() => answer(status, `${request.method} ${request.bodyBytes}`, headers), ms)
  }

/** Takes the request, and tells when the connection that it came on is closed. */
function holding(): { step: Step; dropped: Promise<void> } {
  let drop = (): void => {}
  const dropped = new Promise<void>((resolve) => {
    drop = resolve
  })
  return { step: ({ socket }) => void socket.once('close', () => drop()), dropped }
}

interface Setup {
  readonly mesh: Mesh
  readonly servers: FaultServer[]
  readonly hedges: MeshEvents['hedge'][]
  seen(): number[]
  stats(): NonNullable<ReturnType<Mesh['stats']>['services'][string]>
}

/** Never answers. */
const hangs: Step = () => {}

/** Endpoints are asked in turn from the first on; the budget is filled by a share of the whole. */
async function setup(hedge: HedgeOptions, scripts: Step[][], service: ServiceOptions = {}): Promise<Setup> {
  const servers = await Promise.all(scripts.map((script) => server(...script)))
  const mesh = meshWith({
    random: () => 0,
    services: {
      orders: {
        balancing: { policy: 'round-robin' },
        endpoints: servers.map(({ address }) => address),
        hedge: { extraLoadPercent: 100, ...hedge },
        ...service,
      },
    },
  })
  const hedges: MeshEvents['hedge'][] = []
  mesh.on('hedge', (event) => hedges.push(event))
  await mesh.ready()
  return {
    mesh,
    servers,
    hedges,
    seen: () => servers.map(({ requests }) => requests.length),
    stats: () => mesh.stats().services['orders'] as NonNullable<ReturnType<Mesh['stats']>['services'][string]>,
  }
}

const url = 'http://orders/'

describe('a slow try', () => {
  it('is raced by one at another endpoint, whose answer wins; the loser is let go of and blamed for nothing', async () => {
    const slow = holding()
    const { mesh, seen, stats, hedges, servers } = await setup({ after: 30 }, [[slow.step], ['ok']])
    const started = performance.now()
    const response = await mesh.fetch(url)
    expect([response.status, await response.text()]).toEqual([200, 'ok'])
    expect(performance.now() - started).toBeGreaterThanOrEqual(29)
    expect(seen()).toEqual([1, 1])
    await slow.dropped
    expect(hedges).toEqual([{ service: 'orders', endpoint: servers[0]?.address, tries: 1, afterMs: expect.any(Number) }])
    const { tries, retries, hedges: sent, hedgesWon, hedgesRefused, successes, failures, endpoints } = stats()
    expect({ tries, retries, sent, hedgesWon, hedgesRefused, successes, failures }).toEqual({
      tries: 2,
      retries: 0,
      sent: 1,
      hedgesWon: 1,
      hedgesRefused: 0,
      successes: 1,
      failures: 0,
    })
    expect(endpoints.map(({ inflight, successes: good, failures: bad }) => [inflight, good, bad])).toEqual([
      [0, 0, 0],
      [0, 1, 0],
    ])
  })

  it('that answers first wins all the same', async () => {
    const { mesh, seen, stats } = await setup({ after: 20 }, [[replies(80)], ['silent']])
    expect((await mesh.fetch(url)).status).toBe(200)
    expect([seen(), stats().hedges, stats().hedgesWon]).toEqual([[1, 1], 1, 0])
    await expect.poll(() => stats().endpoints.map(({ inflight }) => inflight)).toEqual([0, 0])
  })

  it('a loser that answers within 50 ms keeps its connection', async () => {
    const { mesh, servers, stats } = await setup({ after: 20 }, [
      [replies(70), 'ok'],
      [replies(30), 'ok'],
    ])
    expect(await (await mesh.fetch(url)).text()).toBe('GET 0')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(servers.map(({ openSockets }) => openSockets)).toEqual([1, 1])
    for (let call = 0; call < 2; call++) await (await mesh.fetch(url)).text()
    expect(servers.map(({ connections }) => connections)).toEqual([1, 1])
    expect(stats().successes).toBe(3)
  })

  it('a quick one is not raced', async () => {
    const { mesh, seen } = await setup({ after: 150 }, [[replies(10)], ['ok']])
    expect((await mesh.fetch(url)).status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(seen()).toEqual([1, 0])
  })

  it('`max` hedges go to as many endpoints, never twice to one', async () => {
    const { mesh, seen, stats } = await setup({ after: 60, max: 4 }, [
      ['ok', 'silent'],
      ['ok', 'silent'],
      ['ok', replies(200)],
    ])
    // Each first try pays for one, and a POST sends none.
    for (let call = 0; call < 3; call++) await (await mesh.fetch(url, { method: 'POST' })).text()
    expect((await mesh.fetch(url)).status).toBe(200)
    expect([seen(), stats().hedges]).toEqual([[2, 2, 2], 2])
  })

  it('the percentile comes from the first tries of late', async () => {
    const { mesh, seen, hedges } = await setup({ after: 'p95' }, [[...new Array(12).fill('ok'), 'silent'], ['ok']])
    for (let call = 0; call < 24; call++) await (await mesh.fetch(url)).text()
    expect([seen(), hedges]).toEqual([[12, 12], []])
    // What was unknown is looked up anew after two seconds.
    await new Promise((resolve) => setTimeout(resolve, 2_100))
    const explained = mesh.explain({ url }).hedge
    expect(explained).toMatchObject({ after: 'p95', applies: true })
    const response = await mesh.fetch(url)
    expect([response.status, hedges.length]).toEqual([200, 1])
    expect(hedges[0]?.afterMs).toBeGreaterThanOrEqual((explained?.delayMs ?? 0) - 1)
  })
})

describe('what is not raced', () => {
  it.each<[string, string, object, ServiceOptions]>([
    ['a POST', 'POST', { body: 'order' }, {}],
    ['a call that is to be sent once', 'GET', { mesh: { retries: 0 } }, {}],
    ['a call beyond limits.maxRetries', 'GET', {}, { limits: { maxRetries: 0 } }],
    ['a call that has no connection left', 'GET', {}, { limits: { maxConnections: 1 } }],
  ])('%s', async (_, method, init, service) => {
    const { mesh, seen, hedges } = await setup({ after: 20 }, [[replies(80)], ['ok']], service)
    expect((await mesh.fetch(url, { method, ...init } as never)).status).toBe(200)
    expect([seen(), hedges]).toEqual([[1, 0], []])
  })

  it('a call of a session, which stays where it is known', async () => {
    const { mesh, seen } = await setup({ after: 20 }, [['ok', replies(80)], ['ok']], {
      balancing: { policy: 'round-robin', session: { cookie: { name: 'where' } } },
    })
    const [cookie = ''] = (await mesh.fetch(url, { method: 'POST' })).headers.getSetCookie()
    expect((await mesh.fetch(url, { headers: { cookie: cookie.split(';')[0] as string } })).status).toBe(200)
    expect(seen()).toEqual([2, 0])
  })

  it('an upgrade', async () => {
    const { mesh, seen } = await setup({ after: 10 }, [
      [({ write }) => void setTimeout(() => write('HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'), 60)],
      ['ok'],
    ])
    const { socket } = await undici.upgrade(url, { protocol: 'echo', dispatcher: mesh.dispatcher as never })
    socket.destroy()
    expect(seen()).toEqual([1, 0])
  })

  it('what the budget does not allow: it is counted, and the first try is waited for', async () => {
    const { mesh, seen, stats } = await setup({ after: 20, extraLoadPercent: 5 }, [[replies(80)], ['ok']])
    expect((await mesh.fetch(url)).status).toBe(200)
    expect([seen(), stats().hedges, stats().hedgesRefused]).toEqual([[1, 0], 0, 1])
  })

  it('where all other endpoints are out, the doubtful ones are not asked', async () => {
    const { mesh, seen, stats } = await setup({ after: 20 }, [['ok', replies(80)], [500]], {
      outlierDetection: { consecutiveFailures: 1 },
    })
    for (let call = 0; call < 2; call++) await mesh.fetch(url, { method: 'POST' })
    expect(stats().endpoints.map(({ state }) => state)).toEqual(['healthy', 'ejected'])
    expect((await mesh.fetch(url)).status).toBe(200)
    expect([seen(), stats().hedges]).toEqual([[2, 1], 0])
  })
})

describe('bodies', () => {
  const body = 'x'.repeat(20_000)
  it.each<[string, () => unknown]>([
    ['text', () => body],
    ['a buffer', () => Buffer.from(body)],
    ['a blob', () => new Blob([body])],
    ['a stream that was read to its end', () => Readable.from([body.slice(0, 5_000), body.slice(5_000)])],
  ])('%s is sent twice, whole', async (_, make) => {
    const { mesh, servers } = await setup({ after: 40 }, [['silent'], ['echo']])
    const response = await mesh.request(url, { method: 'PUT', body: make() as never, headers: { 'content-length': '20000' } })
    expect(response.statusCode).toBe(200)
    await response.body.dump()
    expect(servers.map(({ requests }) => requests[0]?.bodyBytes)).toEqual([20_000, 20_000])
    expect(new Set(servers.map(({ requests }) => requests[0]?.bodyHash)).size).toBe(1)
  })

  it('a stream that is still being read is not raced, and arrives whole', async () => {
    const { mesh, servers } = await setup({ after: 20 }, [[replies(10)], ['ok']])
    async function* slowly(): AsyncGenerator<string> {
      for (let piece = 0; piece < 5; piece++) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        yield 'piece'
      }
    }
    const response = await mesh.request(url, { method: 'PUT', body: Readable.from(slowly()) as never })
    expect(await response.body.text()).toBe('PUT 25')
    expect(servers.map(({ requests }) => requests.length)).toEqual([1, 0])
  })
})

describe('tries that fail while another is under way', () => {
  it('a hedge that is answered 503 is dropped, and the first is waited for', async () => {
    const { mesh, seen, stats } = await setup({ after: 20 }, [[replies(100)], [503]])
    expect((await mesh.fetch(url)).status).toBe(200)
    const { hedgesWon, retries, failures } = stats()
    expect([seen(), hedgesWon, retries, failures]).toEqual([[1, 1], 0, 0, 0])
  })

  it('so is one that a rate limit answers; no further hedge follows it', async () => {
    const { mesh, seen } = await setup({ after: 20, max: 2 }, [[replies(120)], [429], ['ok']])
    expect((await mesh.fetch(url)).status).toBe(200)
    expect(seen()).toEqual([1, 1, 0])
  })

  it('a hedge that asks for time gets it', async () => {
    const { mesh, seen, stats } = await setup({ after: 20, max: 2 }, [[replies(150)], [replies(0, 503, ['retry-after: 1'])], ['ok']])
    expect((await mesh.fetch(url)).status).toBe(200)
    expect([seen(), stats().hedges]).toEqual([[1, 1, 0], 1])
  })

  it('a first try that breaks lets the next hedge go at once', async () => {
    const broken: Step = ({ socket }) => void setTimeout(() => socket.resetAndDestroy(), 60)
    const { mesh, seen, stats } = await setup({ after: 40, max: 2 }, [
      ['ok', broken],
      ['ok', 'silent'],
      ['ok', 'ok'],
    ])
    for (let call = 0; call < 3; call++) await (await mesh.fetch(url, { method: 'POST' })).text()
    const started = performance.now()
    expect((await mesh.fetch(url)).status).toBe(200)
    expect(performance.now() - started).toBeLessThan(1_000)
    expect([seen(), stats().hedges]).toEqual([[2, 2, 2], 2])
  })

  it('an answer that no retry would follow is the answer: 500 and 404', async () => {
    for (const status of [500, 404]) {
      const { mesh, seen } = await setup({ after: 20 }, [['silent'], [status]])
      expect((await mesh.fetch(url)).status).toBe(status)
      expect(seen()).toEqual([1, 1])
    }
  })

  it('when all have failed, retries decide; hedges are among their attempts, and errors count every try', async () => {
    const { mesh, seen, stats } = await setup({ after: 20 }, [[replies(60, 503)], [replies(60, 503)], ['rst-after-request']], {
      retry: { attempts: 2, backoff: { base: 1, max: 1 } },
    })
    const error = await failure(mesh.fetch(url))
    expect([error.code, error.tries]).toEqual(['MESH_RESET', 3])
    expect([seen(), stats().hedges, stats().retries]).toEqual([[1, 1, 1], 1, 1])
  })

  it('with retries switched off a call is hedged all the same, and not retried', async () => {
    const { mesh, seen } = await setup({ after: 20 }, [[replies(60, 503)], [503], ['ok']], { retry: false })
    expect((await mesh.fetch(url)).status).toBe(503)
    expect(seen()).toEqual([1, 1, 0])
  })

  it('the deadline ends them all, and counts against all', async () => {
    const { mesh, stats } = await setup({ after: 20 }, [['silent'], ['silent']], { timeout: 600, retry: { attempts: 0 } })
    const error = await failure(mesh.fetch(url))
    expect([error.code, error.tries]).toEqual(['MESH_DEADLINE', 2])
    expect(stats().endpoints.map(({ inflight, failures }) => [inflight, failures])).toEqual([
      [0, 1],
      [0, 1],
    ])
  })

  it('a caller who leaves takes all of them along, and blames nobody', async () => {
    const [first, second] = [holding(), holding()]
    const { mesh, stats, seen } = await setup({ after: 20 }, [[first.step], [second.step]])
    const controller = new AbortController()
    const call = mesh.fetch(url, { signal: controller.signal }).catch((error: unknown) => error)
    await expect.poll(seen).toEqual([1, 1])
    controller.abort()
    expect(await call).toMatchObject({ name: 'AbortError' })
    await Promise.all([first.dropped, second.dropped])
    expect(stats().endpoints.map(({ inflight, failures }) => [inflight, failures])).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect([stats().inflight, stats().limits.retries]).toEqual([0, 0])
  })
})

describe('onTryTimeout', () => {
  const late: HedgeOptions = { after: false, onTryTimeout: true }

  it('a try whose time is over may answer all the same, while the call is sent again', async () => {
    const { mesh, seen, stats } = await setup(late, [[replies(150)], ['silent']], { retry: { perTryTimeout: 60 } })
    const response = await mesh.fetch(url)
    expect([response.status, await response.text()]).toEqual([200, 'GET 0'])
    const { hedges, hedgesWon, retries, successes } = stats()
    expect([seen(), hedges, hedgesWon, retries, successes]).toEqual([[1, 1], 0, 0, 1, 1])
  })

  it('it has failed once another one has answered', async () => {
    const { mesh, seen, stats } = await setup(late, [['silent'], ['ok']], { retry: { perTryTimeout: 60 } })
    expect((await mesh.fetch(url)).status).toBe(200)
    expect(seen()).toEqual([1, 1])
    expect(stats().endpoints.map(({ inflight, failures }) => [inflight, failures])).toEqual([
      [0, 1],
      [0, 0],
    ])
  })

  it('with no re-send left it is waited for until the deadline', async () => {
    const { mesh, seen } = await setup(late, [[replies(150)], ['ok']], { retry: { perTryTimeout: 60, attempts: 0 } })
    expect((await mesh.fetch(url)).status).toBe(200)
    expect(seen()).toEqual([1, 0])
  })
})

describe('a rule of a route', () => {
  it('hedges by itself, or not, and by the time of its own calls', async () => {
    const [slow, quick] = [await server('silent'), await server('ok')]
    const mesh = meshWith({
      random: () => 0,
      services: {
        orders: { balancing: { policy: 'round-robin' }, endpoints: [slow.address, quick.address], hedge: { extraLoadPercent: 100 } },
      },
      routes: [
        {
          hosts: ['shop'],
          rules: [
            { match: [{ path: { prefix: '/quick' } }], backends: [{ service: 'orders' }], hedge: { after: 20 } },
            { match: [{ path: { prefix: '/once' } }], backends: [{ service: 'orders' }], hedge: false, timeout: 100, retry: false },
          ],
        },
      ],
    })
    expect((await mesh.fetch('http://shop/quick')).status).toBe(200)
    expect([slow.requests.length, quick.requests.length]).toEqual([1, 1])
    expect((await failure(mesh.fetch('http://shop/once'))).code).toBe('MESH_DEADLINE')
    expect(mesh.explain({ url: 'http://shop/quick' }).hedge).toMatchObject({ after: 20, delayMs: 20, applies: true })
    expect(mesh.explain({ url: 'http://shop/quick', method: 'POST' }).hedge).toMatchObject({ applies: false })
    expect(mesh.explain({ url: 'http://shop/once' }).hedge).toBeUndefined()
  })
})

describe('through every door', () => {
  it.each<[string, (mesh: Mesh) => Promise<number>]>([
    ['mesh.fetch', async (mesh) => (await mesh.fetch(url)).status],
    ['mesh.request', async (mesh) => (await mesh.request(url)).statusCode],
    ["the platform's fetch", async (mesh) => (await fetch(url, { dispatcher: mesh.dispatcher } as never)).status],
    ['undici', async (mesh) => (await undici.request(url, { dispatcher: mesh.dispatcher as never })).statusCode],
  ])('%s', async (_, call) => {
    const { mesh, seen } = await setup({ after: 20 }, [['silent'], [204]])
    expect(await call(mesh)).toBe(204)
    expect(seen()).toEqual([1, 1])
  })
})

describe('many of them', () => {
  it('leave no timer, no permit and no socket behind but those of the pools', async () => {
    const slowNow = (): Step => {
      let turn = 0
      return ({ answer }) => {
        turn++
        if (turn % 5 === 0) setTimeout(() => answer(200), turn % 2 === 0 ? 30 : 100)
        else answer(200)
      }
    }
    const { mesh, servers, stats } = await setup({ after: 5, max: 2 }, [[slowNow()], [slowNow()], [slowNow()]], {
      limits: { maxRequests: 100, maxConnections: 60, maxRetries: 50 },
    })
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 40 }, async () => (await mesh.fetch(url)).text())
      await Promise.all(calls)
    }
    const { hedges, calls, successes, inflight } = stats()
    expect([calls, successes, inflight]).toEqual([400, 400, 0])
    expect(hedges).toBeGreaterThan(20)
    await expect.poll(() => stats().endpoints.map((endpoint) => endpoint.inflight)).toEqual([0, 0, 0])
    await expect.poll(() => stats().limits).toMatchObject({ requests: 0, pending: 0, retries: 0 })
    // Whatever was let go of is closed, and the rest waits idle.
    await expect.poll(() => stats().endpoints.every(({ connections, idleConnections }) => connections === idleConnections)).toBe(true)
    await mesh.close()
    await expect.poll(() => servers.map(({ openSockets }) => openSockets)).toEqual([0, 0, 0])
  })
})

describe('an endpoint that is always rescued by hedges', () => {
  const get = async ({ mesh }: Setup): Promise<void> => void (await (await mesh.fetch('http://orders/')).text())

  it('and hangs is ejected as if there were no hedges', async () => {
    const made = await setup({ after: 20 }, [[hangs], [200], [200], [200]], { retry: { perTryTimeout: '300ms' } })
    const ejected: string[] = []
    made.mesh.on('endpointEjected', ({ endpoint, reason }) => ejected.push(`${endpoint}: ${reason}`))
    const until = performance.now() + 10_000
    while (ejected.length === 0 && performance.now() < until) await get(made)
    expect(ejected).toEqual([`${made.servers[0]?.address}: 5 failures in a row (consecutiveFailures: 5)`])
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(made.stats().endpoints.map(({ inflight }) => inflight)).toEqual([0, 0, 0, 0])
  })

  it('and is slow is left in use: its answers are read, though nobody needs them', async () => {
    const made = await setup({ after: 20 }, [[replies(150)], [200], [200]], { retry: { perTryTimeout: '1s' } })
    const ejected: string[] = []
    made.mesh.on('endpointEjected', ({ reason }) => ejected.push(reason))
    for (let call = 0; call < 60; call++) await get(made)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(ejected).toEqual([])
    expect(made.stats().endpoints.map(({ inflight, failures }) => [inflight, failures])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ])
  })

  it('does not hold up the end of the mesh', async () => {
    const made = await setup({ after: 20 }, [[hangs], [200]], { retry: { perTryTimeout: '10s' } })
    for (let call = 0; call < 12; call++) await get(made)
    expect(made.stats().endpoints[0]?.inflight).toBeGreaterThan(0)
    const before = performance.now()
    await made.mesh.close({ timeout: '5s' })
    expect(performance.now() - before).toBeLessThan(1_000)
  })
})

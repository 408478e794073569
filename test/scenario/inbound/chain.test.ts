import { once } from 'node:events'
import { createServer, get as httpGet, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, it, vi } from 'vitest'
import { type CallOptions, type CurrentRequest, createMesh, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { failureOf } from '../../support/failure.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2 } from '../../support/raw-request.ts'
import { meshErrorIn } from '../../support/scenario.ts'

const { keep } = lifetimes()
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const TRACE = '0af7651916cd43dd8448eb211c80319c'

/** What a hop saw of a request. */
interface Seen {
  headers: IncomingHttpHeaders
  current: CurrentRequest | undefined
  remainingMs: number
}

interface Hop {
  port: number
  mesh: Mesh
  seen: Seen[]
}

type Work = (mesh: Mesh, request: IncomingMessage, response: ServerResponse) => unknown

/** A guarded service; what `work` gives is its answer. */
async function hop(work: Work, next?: Hop, options: MeshOptions = {}): Promise<Hop> {
  const services = next === undefined ? {} : { next: { endpoints: [`127.0.0.1:${next.port}`] } }
  const mesh = createMesh({ context: { forward: ['x-lane'] }, inbound: { trustedProxies: ['127.0.0.1'] }, services, ...options })
  const seen: Seen[] = []
  const server = createServer(
    mesh.handler(async (request: IncomingMessage, response: ServerResponse) => {
      const current = mesh.current()
      seen.push({ headers: request.headers, current, remainingMs: current?.remainingMs ?? Number.NaN })
      try {
        response.end(String((await work(mesh, request, response)) ?? 'ok'))
      } catch (error) {
        response.statusCode = 502
        response.end(String(meshErrorIn(error)?.code ?? error))
      }
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await mesh.ready()
  keep(() => mesh.close({ timeout: 0 }))
  return { port: (server.address() as AddressInfo).port, mesh, seen }
}

const on =
  (options: CallOptions = {}, waitMs = 0): Work =>
  async (mesh) => {
    await pause(waitMs)
    const response = await mesh.fetch('http://next/', { mesh: options })
    return response.text()
  }

/** Three services, each of which calls the next. */
async function chain(a: Work, b: Work, c: Work): Promise<{ a: Hop; b: Hop; c: Hop }> {
  const last = await hop(c)
  const middle = await hop(b, last)
  return { a: await hop(a, middle), b: middle, c: last }
}

const headersOf = ({ seen }: Hop, at = 0): IncomingHttpHeaders => (seen[at] as Seen).headers
const told = (hop: Hop): number => Number(headersOf(hop)['x-envoy-expected-rq-timeout-ms'])

describe('a chain of three services', () => {
  it('the deadline shrinks hop by hop', async () => {
    const { a, b, c } = await chain(on({ retries: 0 }, 60), on({ retries: 0 }, 60), () => 'done')
    const answer = await get(a.port, '/', ['Host: web', 'x-envoy-expected-rq-timeout-ms: 1000'])
    expect(answer).toMatchObject({ status: 200, body: 'done' })
    expect(told(b)).toBeLessThanOrEqual(940)
    expect(told(c)).toBeLessThanOrEqual(told(b) - 60)
    expect(told(c)).toBeGreaterThan(500)
    expect(c.seen[0]?.remainingMs).toBeLessThanOrEqual(told(c))
  })

  it('a call’s own timeout holds where it is shorter, and a longer one does not', async () => {
    const { a, b, c } = await chain(on({ timeout: 300, retries: 0 }), on({ timeout: '1h', retries: 0 }), () => 'done')
    await get(a.port, '/')
    expect(told(b)).toBeLessThanOrEqual(300)
    expect(told(c)).toBeLessThanOrEqual(told(b))
  })

  it('what takes too long ends everywhere', async () => {
    const { a, c } = await chain(on({ retries: 0 }), on({ retries: 0 }), async (mesh, _, response) => {
      expect(mesh.current()?.signal.aborted).toBe(false)
      await once(response, 'close')
    })
    const startedAt = performance.now()
    const answer = await get(a.port, '/', ['Host: web', 'x-envoy-expected-rq-timeout-ms: 200'])
    expect(answer).toHaveProperty('body', 'MESH_DEADLINE')
    expect(performance.now() - startedAt).toBeLessThan(400)
    await vi.waitFor(() => expect(c.seen[0]?.current?.signal.aborted).toBe(true))
  })

  it('a client that leaves at A is gone at C within 50 ms, and every call in between is called off', async () => {
    let left = 0
    const { a, b, c } = await chain(on(), on(), async (_, __, response) => {
      await once(response, 'close')
      left = performance.now()
    })
    const socket = connect(a.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
    await vi.waitFor(() => expect(c.seen.length).toBe(1))
    const signal = c.seen[0]?.current?.signal as AbortSignal
    await pause(30)
    const stalls = monitorEventLoopDelay({ resolution: 5 })
    stalls.enable()
    const leftAt = performance.now()
    socket.destroy()
    await vi.waitFor(() => expect(left).toBeGreaterThan(0), { interval: 1 })
    stalls.disable()
    // All of it runs in this one process, which may have been kept from running.
    expect(left - leftAt).toBeLessThan(50 + stalls.max / 1e6)
    await vi.waitFor(() => expect([a, b].map(({ mesh }) => mesh.stats().inflight)).toEqual([0, 0]))
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toMatchObject({ name: 'AbortError', message: 'the client left before it had its answer' })
    // Nobody's fault.
    for (const { mesh } of [a, b]) expect(mesh.stats().services['next']).toMatchObject({ failures: 0, retries: 0 })
  })

  it('trace, baggage, lane, priority and attempts flow; each hop is a span of its own', async () => {
    let tries = 0
    const flaky: Work = async (mesh, request, response) => {
      const answer = await on()(mesh, request, response)
      if (tries++ === 0) response.statusCode = 503
      return answer
    }
    const { a, b, c } = await chain(on(), flaky, () => 'done')
    const headers = [
      `traceparent: 00-${TRACE}-b7ad6b7169203331-01`,
      'tracestate: vendor=1',
      'baggage: user=42',
      'x-lane: blue',
      'x-inmesh-priority: high',
    ]
    expect(await get(a.port, '/', ['Host: web', ...headers])).toMatchObject({ status: 200, body: 'done' })
    const spans = [a, b, c].flatMap(({ seen }) => seen.map(({ headers: { traceparent } }) => String(traceparent).split('-')[2]))
    expect(new Set(spans).size).toBe(5)
    for (const { seen } of [b, c])
      for (const { headers: each, current } of seen) {
        expect(each).toMatchObject({ tracestate: 'vendor=1', baggage: 'user=42', 'x-lane': 'blue', 'x-inmesh-priority': 'high' })
        expect(current).toMatchObject({ traceId: TRACE, sampled: true, priority: 'high' })
      }
    expect(b.seen.map(({ current }) => current?.attempt)).toEqual([1, 2])
    expect(c.seen.map(({ headers: each }) => each['x-envoy-attempt-count'])).toEqual(['1', '2'])
  })

  it('without a trace that came, one begins at the first hop', async () => {
    const { a, b, c } = await chain(on(), on(), () => 'done')
    await get(a.port, '/', ['Host: web', 'traceparent: nonsense', 'tracestate: vendor=1'])
    const [first, ...rest] = [a, b, c].map(({ seen }) => seen[0]?.current?.traceId)
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect(rest).toEqual([first, first])
    expect(headersOf(c)).not.toHaveProperty('tracestate')
  })
})

describe('what a request brings along', () => {
  it('whose time is up does not reach the application', async () => {
    const only = await hop(() => 'never')
    const answer = await get(only.port, '/', ['Host: web', 'grpc-timeout: 0m'])
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([504, 'MESH_DEADLINE'])
    expect(only.seen).toEqual([])
  })

  it('of a stranger counts for nothing', async () => {
    const last = await hop(() => 'done')
    const first = await hop(on(), last, { inbound: {} })
    const headers = [
      'x-envoy-expected-rq-timeout-ms: 1',
      'x-inmesh-priority: high',
      `traceparent: 00-${TRACE}-b7ad6b7169203331-01`,
      'baggage: a=1',
    ]
    expect((await get(first.port, '/', ['Host: web', ...headers])).status).toBe(200)
    expect(headersOf(last)).not.toHaveProperty('baggage')
    expect(headersOf(last)).not.toHaveProperty('x-inmesh-priority')
    expect(headersOf(last)['traceparent']).not.toContain(TRACE)
  })

  it('of a stranger counts where anyone is believed, and the application still does not see what only the mesh may say', async () => {
    const last = await hop(() => 'done')
    const first = await hop(on(), last, { inbound: {}, context: { trust: 'anyone' } })
    const headers = ['x-envoy-expected-rq-timeout-ms: 900', 'x-inmesh-priority: low', 'x-envoy-attempt-count: 2', 'baggage: a=1']
    await get(first.port, '/', ['Host: web', ...headers])
    expect(headersOf(last)).toMatchObject({ 'x-inmesh-priority': 'low', 'x-envoy-attempt-count': '2', baggage: 'a=1' })
    expect(told(last)).toBeLessThanOrEqual(900)
    expect(headersOf(first)).not.toHaveProperty('x-inmesh-priority')
  })

  it('does not flow where that is off', async () => {
    const last = await hop(() => 'done')
    const first = await hop(on({ timeout: '1s' }), last, { context: false })
    expect((await get(first.port, '/', ['Host: web', 'x-envoy-expected-rq-timeout-ms: 1000'])).body).toBe('done')
    expect(first.seen[0]?.current).toBeUndefined()
    for (const name of ['x-envoy-expected-rq-timeout-ms', 'x-envoy-attempt-count', 'traceparent'])
      expect(headersOf(last)).not.toHaveProperty(name)
  })

  it('does not reach hosts that are no service', async () => {
    const stranger = await hop(() => 'done')
    const first = await hop((mesh) => mesh.fetch(`http://127.0.0.1:${stranger.port}/`).then((response) => response.text()))
    expect((await get(first.port, '/', ['Host: web', 'baggage: a=1', 'x-envoy-expected-rq-timeout-ms: 1000'])).body).toBe('done')
    for (const name of ['x-envoy-expected-rq-timeout-ms', 'traceparent', 'baggage']) expect(headersOf(stranger)).not.toHaveProperty(name)
  })

  it('holds over HTTP/2 too', async () => {
    const last = await hop(() => 'done')
    const mesh = createMesh({ context: { trust: 'anyone' }, services: { next: { endpoints: [`127.0.0.1:${last.port}`] } } })
    keep(() => mesh.close({ timeout: 0 }))
    const server = createHttp2(
      mesh.handler(async (_, response) => {
        response.end(await (await mesh.fetch('http://next/')).text())
      }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const answer = await getHttp2(port, '/', { 'x-envoy-expected-rq-timeout-ms': '900', traceparent: `00-${TRACE}-b7ad6b7169203331-00` })
    expect([answer.body, told(last) <= 900, last.seen[0]?.current?.traceId]).toEqual(['done', true, TRACE])
  })
})

/** The names of an error and of everything behind it: each door wraps in its own way. */
function namesIn(error: unknown): string[] {
  const names: string[] = []
  for (let each = error as Error | undefined; each !== undefined && each !== null; each = each.cause as Error | undefined)
    names.push(each.name)
  return names
}

/** Every way to call somebody from within a request. */
const DOORS: Record<string, (mesh: Mesh, url: string) => Promise<unknown>> = {
  fetch: (mesh, url) => mesh.fetch(url).then((response) => response.text()),
  request: (mesh, url) => mesh.request(url).then(({ body }) => body.text()),
  'platform fetch with the dispatcher': (mesh, url) =>
    fetch(url, { dispatcher: mesh.dispatcher } as RequestInit).then((response) => response.text()),
  install: async (mesh, url) => {
    const restore = mesh.install()
    try {
      return await (await fetch(url)).text()
    } finally {
      restore()
    }
  },
  httpAgent: (mesh, url) =>
    new Promise((resolve, reject) => {
      httpGet(url, { agent: mesh.httpAgent() }, (response) => {
        response.resume()
        response.once('close', () => (response.complete ? resolve('done') : reject(response.errored)))
      }).once('error', reject)
    }),
}

describe.each(Object.entries(DOORS))('through %s', (_, call) => {
  it('a call tells what came in, and ends with the client', async () => {
    let hang = false
    const last = await hop((_, __, response) => (hang ? once(response, 'close') : 'done'))
    let failure: unknown
    const first = await hop(async (mesh) => {
      failure = await failureOf(call(mesh, 'http://next/'))
    }, last)
    const headers = ['x-envoy-expected-rq-timeout-ms: 5000', `traceparent: 00-${TRACE}-b7ad6b7169203331-01`]
    await get(first.port, '/', ['Host: web', ...headers])
    expect(failure).toBeUndefined()
    expect(told(last)).toBeLessThanOrEqual(5_000)
    expect(last.seen[0]?.current?.traceId).toBe(TRACE)
    hang = true
    const socket = connect(first.port, '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: web\r\n${headers.join('\r\n')}\r\n\r\n`)
    await vi.waitFor(() => expect(last.seen.length).toBe(2))
    socket.destroy()
    await vi.waitFor(() => expect(failure).toBeDefined())
    expect(namesIn(failure)).toContain('AbortError')
  })
})

describe('beneath a request', () => {
  it('mesh.execute gets its deadline, and its signal aborts when the client leaves', async () => {
    const reasons: unknown[] = []
    let running = 0
    const first = await hop((mesh) =>
      mesh.execute('db', async ({ signal }) => {
        running++
        await once(signal as unknown as EventTarget, 'abort')
        reasons.push(signal.reason)
      }),
    )
    expect(await get(first.port, '/', ['Host: web', 'grpc-timeout: 100m'])).toMatchObject({ status: 502, body: 'MESH_DEADLINE' })
    const socket = connect(first.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
    await vi.waitFor(() => expect(running).toBe(2))
    socket.destroy()
    await vi.waitFor(() => expect(reasons.length).toBe(2))
    expect(reasons).toMatchObject([{ code: 'MESH_DEADLINE' }, { name: 'AbortError' }])
  })

  it('what is detached outlives it, and stays in its trace', async () => {
    const last = await hop(() => pause(150).then(() => 'done'))
    let outcome: unknown
    const first = await hop((mesh) => {
      outcome = mesh.fetch('http://next/', { mesh: { detached: true } }).then((response) => response.text())
      return mesh.fetch('http://next/').then((response) => response.text())
    }, last)
    const socket = connect(first.port, '127.0.0.1')
    socket.write(
      `GET / HTTP/1.1\r\nHost: web\r\nx-envoy-expected-rq-timeout-ms: 100\r\ntraceparent: 00-${TRACE}-b7ad6b7169203331-01\r\n\r\n`,
    )
    await vi.waitFor(() => expect(last.seen.length).toBeGreaterThanOrEqual(2))
    socket.destroy()
    expect(await outcome).toBe('done')
    const detached = last.seen.find(({ headers }) => Number(headers['x-envoy-expected-rq-timeout-ms']) > 100)
    expect(detached?.current?.traceId).toBe(TRACE)
    expect(first.mesh.stats().services['next']).toMatchObject({ calls: 2, successes: 1 })
  })

  it('a call that begins after the client left fails at once, and sends nothing', async () => {
    const last = await hop(() => 'done')
    let failure: unknown
    const first = await hop(async (mesh, _, response) => {
      await once(response, 'close')
      failure = await failureOf(mesh.fetch('http://next/'))
    }, last)
    const socket = connect(first.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: web\r\n\r\n')
    await vi.waitFor(() => expect(first.seen.length).toBe(1))
    socket.destroy()
    await vi.waitFor(() => expect(failure).toMatchObject({ cause: { name: 'AbortError' } }))
    expect(last.seen).toEqual([])
  })

  it('headers that the caller wrote himself stay as he wrote them', async () => {
    const last = await hop(() => 'done')
    const own = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'x-envoy-expected-rq-timeout-ms': '77' }
    const first = await hop((mesh) => mesh.fetch('http://next/', { headers: own }).then((response) => response.text()), last)
    await get(first.port, '/', ['Host: web', 'tracestate: a=1', `traceparent: 00-${TRACE}-b7ad6b7169203331-01`])
    expect(headersOf(last)).toMatchObject(own)
    expect(headersOf(last)).not.toHaveProperty('tracestate')
  })

  it('answers that came to their end cancel nothing that goes on', async () => {
    const last = await hop(() => pause(100).then(() => 'done'))
    let later: Promise<string> | undefined
    const first = await hop((mesh) => {
      later = mesh.fetch('http://next/').then((response) => response.text())
      return 'early'
    }, last)
    expect((await get(first.port, '/')).body).toBe('early')
    expect(await later).toBe('done')
  })
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMesh, type Gate, type Mesh, type MeshOptions, type Outcome, type Source, staticSource } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'
import { meshErrorIn } from '../support/scenario.ts'

const cleanups: (() => unknown)[] = []
const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => void unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', onUnhandled))
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

async function start(options: MeshOptions, ...script: Step[]): Promise<{ mesh: Mesh; server: FaultServer }> {
  const server = await FaultServer.start(...script)
  const mesh = createMesh({ services: { orders: { endpoints: [server.address] } }, ...options })
  cleanups.push(
    () => mesh.close({ timeout: 0 }),
    () => server.close(),
  )
  return { mesh, server }
}

const broken = async (): Promise<never> => {
  throw new Error('broken')
}
const orders = (mesh: Mesh) => mesh.stats().services['orders']

/** Sends by hand and writes down every hook; resolves at the last one. */
function dispatch(mesh: Mesh, options: object = {}, hooks: object = {}): Promise<string[]> {
  const heard: string[] = []
  return new Promise((resolve) => {
    mesh.dispatcher.dispatch(
      { origin: 'http://orders', path: '/', method: 'GET', ...options },
      {
        onRequestStart: () => heard.push('start'),
        onResponseStart: (_: unknown, status: number) => heard.push(`head ${status}`),
        onResponseData: () => {},
        onResponseEnd: () => resolve([...heard, 'end']),
        onResponseError: (_: unknown, error: { code?: string; message: string }) =>
          resolve([...heard, `error ${error.code ?? error.message}`]),
        ...hooks,
      },
    )
  })
}

describe('code of others that fails later', () => {
  it('async listeners, loggers, gates, permits and sources that reject are contained', async () => {
    const source = { name: 'broken', watch: broken } as unknown as Source
    const gates = [
      { name: 'async gate', admit: broken },
      { name: 'async permit', admit: () => ({ settle: broken }) },
    ] as unknown as Gate[]
    const { mesh } = await start({ logger: { warn: broken, error: broken }, gates, sources: [source] }, 503, 'ok')
    mesh.on('retry', broken)
    mesh.on('sourceFailed', broken)
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    expect(mesh.stats().sources['broken']?.state).toBe('failed')
  })

  it('an async source that opens late is stopped all the same', async () => {
    let stopped = 0
    const inner = staticSource({})
    const late = {
      name: 'late',
      watch: async (sink: Parameters<Source['watch']>[0]) => {
        inner.watch(sink)
        return () => stopped++
      },
    } as unknown as Source
    const mesh = createMesh({ sources: [late] })
    await mesh.ready()
    await mesh.close()
    expect(stopped).toBe(1)
  })

  it('a source that never stops does not hold up close', async () => {
    const stuck: Source = {
      name: 'stuck',
      watch(sink) {
        staticSource({}).watch(sink)
        return () => new Promise(() => {})
      },
    }
    const mesh = createMesh({ sources: [stuck] })
    await mesh.ready()
    const startedAt = performance.now()
    await mesh.close({ timeout: 50 })
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  it('a source that delivers no delta at all hears of it, and nothing is thrown into its timers', async () => {
    let answer: unknown
    const nonsense: Source = {
      name: 'nonsense',
      watch(sink) {
        answer = sink.update(null as never)
        return () => {}
      },
    }
    const { mesh } = await start({ sources: [nonsense] }, 'ok')
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(answer).toHaveLength(1)
    expect(mesh.stats().sources['nonsense']?.state).toBe('failed')
  })

  it('a gate that refuses with a code of its own ends the call with it', async () => {
    const gate = { name: 'own', admit: () => ({ refused: true, code: 'NO_MONEY', status: 402, reason: 'pay first' }) } as unknown as Gate
    const { mesh, server } = await start({ gates: [gate] }, 'ok')
    await mesh.ready()
    expect(await dispatch(mesh)).toEqual(['start', 'error NO_MONEY'])
    expect([orders(mesh)?.inflight, server.requests.length]).toEqual([0, 0])
  })
})

describe('code of others that ends the call it is told of', () => {
  it('a retry listener that aborts: nothing more is sent, and the end is told once', async () => {
    const { mesh, server } = await start({ random: () => 0.9 }, 503)
    const controller = new AbortController()
    const reason = new Error('enough')
    mesh.on('retry', () => controller.abort(reason))
    expect(await failureOf(mesh.request('http://orders/', { signal: controller.signal }))).toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(server.requests.length).toBe(1)
    expect(orders(mesh)).toMatchObject({ inflight: 0, tries: 1, endpoints: [{ inflight: 0 }] })
  })

  it.each(['rst-after-request', 503] as const)('a listener that aborts at an ejection for %s: the same', async (step) => {
    const servers = await Promise.all([FaultServer.start(step), FaultServer.start(step)])
    cleanups.push(...servers.map((server) => () => server.close()))
    const endpoints = servers.map(({ address }) => address)
    const { mesh } = await start({ services: { orders: { endpoints, outlierDetection: { consecutiveFailures: 1 } } } })
    const controller = new AbortController()
    const reason = new Error('enough')
    mesh.on('endpointEjected', () => controller.abort(reason))
    expect(await failureOf(mesh.request('http://orders/', { signal: controller.signal }))).toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(servers.reduce((sum, { requests }) => sum + requests.length, 0)).toBe(1)
    expect(orders(mesh)?.endpoints.map(({ inflight }) => inflight)).toEqual([0, 0])
  })

  it('a gate that aborts: nothing is sent, and every permit is settled once', async () => {
    const controller = new AbortController()
    const settled: string[] = []
    const permit = (name: string): Gate => ({
      name,
      admit: () => ({ settle: ({ verdict }: Outcome) => void settled.push(`${name} ${verdict}`) }),
    })
    const aborting: Gate = {
      name: 'aborting',
      admit() {
        controller.abort(new Error('enough'))
        return { settle: ({ verdict }) => void settled.push(`aborting ${verdict}`) }
      },
    }
    const { mesh, server } = await start({ gates: [permit('a'), aborting, permit('b')] }, 'ok')
    expect(await failureOf(mesh.request('http://orders/', { signal: controller.signal }))).toMatchObject({ message: 'enough' })
    expect(settled.sort()).toEqual(['a ignored', 'aborting ignored', 'b ignored'])
    expect([server.requests.length, orders(mesh)?.inflight]).toEqual([0, 0])
  })
})

describe('calls that wait for the start', () => {
  it('one whose hooks throw does not keep the others waiting', async () => {
    const { mesh } = await start({ unknownHosts: 'refuse' }, 'ok')
    const thrower = (): never => {
      throw new Error('my own mistake')
    }
    mesh.dispatcher.dispatch({ origin: 'http://nobody', path: '/', method: 'GET' }, { onRequestStart: thrower, onResponseError: thrower })
    expect(await dispatch(mesh)).toEqual(['start', 'head 200', 'end'])
  })

  it('each keeps its own async context and its own per-call options', async () => {
    const server = await FaultServer.start(503, 'ok')
    cleanups.push(() => server.close())
    const inner = staticSource({ services: { orders: { endpoints: [server.address] } } })
    const late: Source = {
      name: 'late',
      watch(sink) {
        setTimeout(() => inner.watch(sink), 20)
        return () => {}
      },
    }
    const mesh = createMesh({ sources: [late] })
    cleanups.push(() => mesh.close())
    const storage = new AsyncLocalStorage<string>()
    const inContext = (name: string, retries: number): Promise<string[]> =>
      storage.run(name, () =>
        mesh.with({ retries }, () => {
          const seen: string[] = []
          return dispatch(mesh, { path: `/${name}` }, { onRequestStart: () => seen.push(String(storage.getStore())) }).then((heard) => [
            ...seen,
            ...heard,
          ])
        }),
      )
    expect(await Promise.all([inContext('a', 0), inContext('b', 2)])).toEqual([
      ['a', 'head 503', 'end'],
      ['b', 'head 200', 'end'],
    ])
  })

  it('a host that no silent source has named yet ends at the deadline of its call', async () => {
    const silent: Source = { name: 'silent', watch: () => () => {} }
    const { mesh } = await start({ sources: [silent] }, 'ok')
    const error = await failureOf(mesh.request('http://nobody-knows/', { mesh: { timeout: 100 } }))
    expect(error).toMatchObject({ code: 'MESH_DEADLINE', name: 'TimeoutError' })
    expect(await failureOf(mesh.request('http://orders/', { mesh: { timeout: 100 } }))).toMatchObject({ code: 'MESH_DEADLINE' })
    const failed = await failureOf(mesh.fetch('http://nobody-knows/', { mesh: { timeout: 100 } }))
    expect(failed).toMatchObject({ name: 'TypeError', message: 'fetch failed', cause: { code: 'MESH_DEADLINE' } })
    const reason = new Error('enough')
    expect(await failureOf(mesh.fetch('http://nobody-knows/', { signal: AbortSignal.abort(reason) }))).toBe(reason)
    const leaving = new AbortController()
    const left = mesh.fetch(new Request('http://nobody-knows/', { signal: leaving.signal }))
    leaving.abort(reason)
    expect(await failureOf(left)).toBe(reason)
  })

  it('nothing goes out of a closed mesh, strangers included', async () => {
    const { mesh, server } = await start({}, 'ok')
    await mesh.request('http://orders/')
    const running = mesh.request(`http://${server.address}/`)
    await running
    await mesh.close()
    for (const url of ['http://orders/', `http://${server.address}/`])
      expect(await failureOf(mesh.request(url))).toMatchObject({ code: 'MESH_CLOSED' })
    for (const url of ['http://orders/', `http://${server.address}/`])
      expect(await failureOf(mesh.fetch(url))).toMatchObject({ message: 'fetch failed', cause: { code: 'MESH_CLOSED' } })
    expect(server.requests.length).toBe(2)
    expect(await failureOf(mesh.execute('job', () => 1))).toMatchObject({ code: 'MESH_CLOSED' })
  })
})

describe('a body that breaks', () => {
  const missing = () => createReadStream('/nonexistent/upload.bin')

  it('before anything was loaded: the call fails, the process lives', async () => {
    const { mesh, server } = await start({}, 'ok')
    expect(await failureOf(mesh.request('http://orders/', { method: 'PUT', body: missing() }))).toMatchObject({ code: 'ENOENT' })
    expect(server.requests.length).toBe(0)
  })

  it.each([
    ['while sources are waited for', {}],
    ['while it connects', { path: '/later' }],
  ])('%s: the same', async (_, options) => {
    const { mesh } = await start({}, 'ok')
    if ('path' in options) await mesh.ready()
    expect(await dispatch(mesh, { ...options, method: 'PUT', body: missing() })).toEqual(['start', 'error ENOENT'])
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('after the head of an early answer: nobody but the caller is blamed', async () => {
    const early: Step = ({ write }) => write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')
    const { mesh } = await start({}, early)
    let fail: (error: Error) => void = () => {}
    const body = Readable.from(
      (async function* () {
        yield Buffer.from('some')
        await new Promise((_, reject) => (fail = reject))
      })(),
    )
    const answer = await mesh.request('http://orders/', { method: 'POST', body })
    fail(new Error('disk gone'))
    expect(await failureOf(answer.body.text())).toMatchObject({ message: 'disk gone' })
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('a piece that no wire can carry is the mistake of the caller, and nobody is ejected for it', async () => {
    const { mesh, server } = await start({}, 'ok')
    for (let call = 0; call < 8; call++)
      expect(await failureOf(mesh.request('http://orders/', { method: 'PUT', body: new URLSearchParams({ a: '1' }) }))).toBeInstanceOf(
        TypeError,
      )
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, state: 'healthy' })
    expect(server.requests.length).toBeLessThanOrEqual(8)
  })

  it('is closed when the call is refused before it was read', async () => {
    const gate: Gate = { name: 'no', admit: () => ({ refused: true, code: 'MESH_OVERLOADED', status: 503, reason: 'no' }) }
    const { mesh } = await start({ gates: [gate] }, 'ok')
    await mesh.ready()
    const body = Readable.from([Buffer.from('x')])
    expect(await dispatch(mesh, { method: 'PUT', body })).toEqual(['start', 'error MESH_OVERLOADED'])
    expect(body.destroyed).toBe(true)
  })

  it('headers that can be read only once reach every try', async () => {
    const { mesh, server } = await start({}, 503, 'ok')
    const headers = new Map([
      ['x-tenant', 'a'],
      ['idempotency-key', 'k'],
    ])
    const { statusCode } = await mesh.request('http://orders/', { method: 'POST', body: 'x', headers: headers.entries() })
    expect(statusCode).toBe(200)
    expect(server.requests.map((request) => request.headers['x-tenant'])).toEqual(['a', 'a'])
  })
})

describe('what the breaker hears', () => {
  const breaker = { circuitBreaker: { minRequests: 3, openFor: '1m' } }

  it('an unavailable answer whose body nobody wants is still unavailable', async () => {
    const server = await FaultServer.start(({ write }) => write('HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\npart'))
    cleanups.push(() => server.close())
    const { mesh } = await start({ services: { orders: { endpoints: [server.address], retry: false, ...breaker } } })
    for (let call = 0; call < 3; call++) {
      const { body } = await mesh.request('http://orders/')
      body.on('error', () => {}).destroy()
    }
    expect(orders(mesh)?.breaker.state).toBe('open')
    expect(await failureOf(mesh.request('http://orders/'))).toMatchObject({
      code: 'MESH_CIRCUIT_OPEN',
      tries: 0,
      from: 'options/traffic-policy/default/orders#circuitBreaker',
    })
  })

  it('a caller that leaves between two tries proves nothing', async () => {
    const settled: string[] = []
    const server = await FaultServer.start(503)
    cleanups.push(() => server.close())
    const { address } = server
    const retry = { backoff: { base: '5s', max: '5s' } }
    const gates: Gate[] = [{ name: 'ear', admit: () => ({ settle: ({ verdict }) => void settled.push(verdict) }) }]
    const waiting = createMesh({ gates, random: () => 0.9, services: { orders: { endpoints: [address], retry, ...breaker } } })
    cleanups.push(() => waiting.close({ timeout: 0 }))
    for (let call = 0; call < 5; call++) {
      const controller = new AbortController()
      const off = waiting.on('retry', () => setImmediate(() => controller.abort()))
      await failureOf(waiting.request('http://orders/', { signal: controller.signal }))
      off()
    }
    expect(settled).toEqual(Array(5).fill('ignored'))
    expect(orders(waiting)?.breaker.state).toBe('closed')
  })

  it('a server that speaks nonsense is broken, not unavailable', async () => {
    const server = await FaultServer.start('garbage')
    cleanups.push(() => server.close())
    const { mesh } = await start({ services: { orders: { endpoints: [server.address], ...breaker } } })
    for (let call = 0; call < 5; call++) expect(meshErrorIn(await failureOf(mesh.request('http://orders/')))?.code).toBe('MESH_PROTOCOL')
    expect(orders(mesh)?.breaker.state).toBe('closed')
  })
})

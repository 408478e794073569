import { describe, expect, it } from 'vitest'
import type { FallbackOptions, MeshOptions } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

const withFallback = (fallback: FallbackOptions, endpoints: string[] = [], more: object = {}): MeshOptions => ({
  services: { orders: { endpoints, fallback, retry: false, ...more } },
})

describe.each(DOORS)('through %s', (door) => {
  it('the configured answer stands in for an error', async () => {
    const respond = { status: 203, headers: { 'X-From': 'cache', 'content-length': '9999' }, body: '{"orders":[]}' }
    const mesh = meshOf(withFallback({ on: ['MESH_NO_ENDPOINT'], respond }))
    const heard: unknown[] = []
    mesh.on('fallback', (event) => heard.push(event))
    const answer = await doors[door](mesh, 'http://orders/', { method: 'POST', body: 'hello' })
    expect(answer).toMatchObject({ status: 203, body: '{"orders":[]}' })
    const headers = new Headers(answer.headers as Record<string, string>)
    expect([headers.get('x-from'), headers.get('content-length')]).toEqual(['cache', '13'])
    expect(heard).toEqual([{ service: 'orders', code: 'MESH_NO_ENDPOINT', flags: ['UH'], status: 0, answered: 203 }])
    expect(mesh.stats().services['orders']).toMatchObject({ fallbacks: 1, inflight: 0, errors: { MESH_NO_ENDPOINT: 1 } })
  })

  it('a function makes the answer that stands in for a 5xx, when the retries are used up', async () => {
    const orders = await server(503)
    const fallback: FallbackOptions = {
      on: ['5xx'],
      respond: async ({ status, message }, { method, path, header }) => ({
        status: 200,
        body: `${message}; ${status} ${method} ${path} ${header('X-Who')}`,
      }),
    }
    const mesh = meshOf(withFallback(fallback, [orders.address], { retry: { attempts: 1, backoff: { base: 1, max: 1 } } }))
    const answer = await doors[door](mesh, 'http://orders/a?b', { headers: { 'x-who': 'me' } })
    expect(answer).toMatchObject({ status: 200, body: 'orders: the service answered 503; 503 GET /a?b me' })
    expect(orders.requests).toHaveLength(2)
    await expect.poll(() => mesh.stats().services['orders']?.endpoints[0]?.inflight).toBe(0)
    expect(mesh.stats().services['orders']).toMatchObject({ fallbacks: 1, failures: 1, inflight: 0 })
  })

  it('what the function throws gives the original failure: an error', async () => {
    const respond = async () => {
      throw new Error('no idea')
    }
    const mesh = meshOf(withFallback({ respond }))
    expect((await failure(doors[door](mesh, 'http://orders/', {}))).code).toBe('MESH_NO_ENDPOINT')
    expect(mesh.stats().services['orders']).toMatchObject({ fallbacks: 0, inflight: 0, errors: { MESH_NO_ENDPOINT: 1 } })
  })

  it.each([
    ['with a body', 'GET', 'status 500'],
    ['without one', 'HEAD', ''],
  ])('what the function throws gives the original failure: an answer %s', async (_, method, body) => {
    const orders = await server(500)
    const respond = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      throw new Error('no idea')
    }
    const mesh = meshOf(withFallback({ on: ['5xx'], respond }, [orders.address]))
    expect(await doors[door](mesh, 'http://orders/', { method })).toMatchObject({ status: 500, body })
    expect(mesh.stats()).toMatchObject({ inflight: 0, services: { orders: { fallbacks: 0, failures: 1 } } })
  })
})

describe('what it stands in for', () => {
  it('only what is named', async () => {
    const orders = await server(500, 503, 404)
    const mesh = meshOf(withFallback({ on: ['gateway-error'], respond: { status: 299 } }, [orders.address]))
    const statuses: number[] = []
    for (let call = 0; call < 3; call++) statuses.push((await mesh.fetch('http://orders/')).status)
    expect(statuses).toEqual([500, 299, 404])
  })

  it('an open circuit, a refused connection, a deadline', async () => {
    const orders = await server('silent')
    const refused = await server()
    await refused.close()
    const respond = { status: 299 }
    const circuitBreaker = { minRequests: 1, openFor: '1m' }
    const mesh = meshOf({
      services: {
        silent: { endpoints: [orders.address], timeout: 40, retry: false, fallback: { respond }, circuitBreaker },
        refused: { endpoints: [refused.address], retry: false, fallback: { respond } },
      },
    })
    for (const host of ['silent', 'silent', 'refused']) expect((await mesh.fetch(`http://${host}/`)).status).toBe(299)
    const { silent, refused: other } = mesh.stats().services
    expect(silent).toMatchObject({ errors: { MESH_DEADLINE: 1, MESH_CIRCUIT_OPEN: 1 }, fallbacks: 2, breaker: { state: 'open' } })
    expect(other).toMatchObject({ errors: { MESH_CONNECT: 1 }, fallbacks: 1 })
  })

  it('an injected fault, so that it can be tried', async () => {
    const fault = { abort: { status: 503 } }
    const mesh = meshOf(withFallback({ on: ['5xx'], respond: { status: 299 } }, ['127.0.0.1:1'], { fault }))
    expect((await mesh.fetch('http://orders/')).status).toBe(299)
  })

  it('never for a caller who left, nor for an answer that broke on its way', async () => {
    const orders = await server('silent')
    const mesh = meshOf(withFallback({ on: ['MESH_RESET', 'MESH_DEADLINE'], respond: { status: 299 } }, [orders.address]))
    const controller = new AbortController()
    const call = mesh.fetch('http://orders/', { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('left')), 30)
    await expect(call).rejects.toThrow('left')
    orders.behave('rst-in-body')
    await expect((await mesh.fetch('http://orders/')).text()).rejects.toThrow('terminated')
    expect(mesh.stats().services['orders']).toMatchObject({ fallbacks: 0, inflight: 0 })
  })

  it('a caller who leaves while the function thinks hears his own reason', async () => {
    let answer = (_: object): void => {}
    const respond = () => new Promise<object>((resolve) => (answer = resolve))
    const mesh = meshOf(withFallback({ respond }))
    await mesh.ready()
    const controller = new AbortController()
    const call = mesh.fetch('http://orders/', { signal: controller.signal })
    controller.abort(new Error('left'))
    await expect(call).rejects.toThrow('left')
    answer({ status: 200 })
    expect(mesh.stats().services['orders']).toMatchObject({ fallbacks: 0, inflight: 0 })
  })

  it('a function that never answers gives the original error after a second, and one that answers nonsense at once', async () => {
    const logged: unknown[] = []
    const logger = { warn() {}, error: (_: string, error: unknown) => logged.push(String(error)) }
    const mesh = meshOf({
      logger,
      services: {
        never: { endpoints: [], fallback: { respond: () => new Promise(() => {}) } },
        nonsense: { endpoints: [], fallback: { respond: () => ({ status: 20 }) } },
      },
    })
    expect((await failure(mesh.fetch('http://nonsense/'))).code).toBe('MESH_NO_ENDPOINT')
    const startedAt = performance.now()
    expect((await failure(mesh.fetch('http://never/'))).code).toBe('MESH_NO_ENDPOINT')
    expect(performance.now() - startedAt).toBeGreaterThan(990)
    expect(logged).toEqual([
      'TypeError: a fallback gives { status, headers, body }, with a status from 200 to 599',
      'Error: the fallback of never gave no answer within 1000 ms',
    ])
  })

  it('a large answer is read by a slow reader, and by nobody', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    const mesh = meshOf(withFallback({ respond: { body } }))
    const read = await mesh.request('http://orders/')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await read.body.arrayBuffer()).byteLength).toBe(body.length)
    const left = await mesh.request('http://orders/')
    left.body.on('error', () => {}).destroy()
    await expect.poll(() => mesh.stats().inflight).toBe(0)
  })
})

import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { FaultServer } from '../support/fault-server.ts'
import { oneService } from '../support/one-service.ts'

const { keep, start } = oneService()

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const orders = (mesh: Mesh) => mesh.stats().services['orders']

describe.each(['fetch', 'request'] as const)('the caller leaves, through %s', (door) => {
  const call = (mesh: Mesh, signal: AbortSignal): Promise<unknown> => {
    if (door === 'fetch') return mesh.fetch('http://orders/', { signal }).then((response) => response.text())
    return mesh.request('http://orders/', { signal }).then(({ body }) => body.text())
  }
  const reason = new Error('changed my mind')

  it('before anything', async () => {
    const { mesh, server } = await start({}, 'ok')
    expect(await failureOf(call(mesh, AbortSignal.abort(reason)))).toBe(reason)
    expect(server.requests.length).toBe(0)
    expect(orders(mesh)?.inflight).toBe(0)
  })

  it('before the pick, while undici is loaded', async () => {
    const { mesh, server } = await start({}, 'ok')
    const controller = new AbortController()
    const failed = failureOf(call(mesh, controller.signal))
    controller.abort(reason)
    expect(await failed).toBe(reason)
    expect(server.requests.length).toBe(0)
  })

  it('while it connects', async () => {
    const { mesh, server } = await start({ tls: { mode: 'simple' }, connectTimeout: '5s' }, 'ok')
    server.intercept(() => true)
    await mesh.ready()
    const controller = new AbortController()
    const failed = failureOf(call(mesh, controller.signal))
    await pause(50)
    controller.abort(reason)
    expect(await failed).toBe(reason)
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('in the wait before a further try', async () => {
    const { mesh, server } = await start({ retry: { backoff: { base: '10s', max: '10s' } } }, 503)
    const controller = new AbortController()
    const waits = new Promise((resolve) => mesh.on('retry', resolve))
    const failed = failureOf(call(mesh, controller.signal))
    await waits
    controller.abort(reason)
    expect(await failed).toBe(reason)
    expect(server.requests.length).toBe(1)
    expect(orders(mesh)?.inflight).toBe(0)
  })

  it('in the head', async () => {
    const { mesh } = await start({}, 'silent')
    await mesh.ready()
    const controller = new AbortController()
    const failed = failureOf(call(mesh, controller.signal))
    await pause(100)
    controller.abort(reason)
    expect(await failed).toBe(reason)
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('in the body', async () => {
    const { mesh } = await start({}, 'byte-by-byte')
    await mesh.ready()
    const controller = new AbortController()
    const failed = failureOf(call(mesh, controller.signal))
    await pause(200)
    controller.abort(reason)
    expect(await failed).toBe(reason)
    await pause(20)
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('because of a timeout of its own: the endpoint is to blame', async () => {
    const { mesh } = await start({}, 'silent')
    await mesh.ready()
    const error = await failureOf(call(mesh, AbortSignal.timeout(100)))
    expect((error as Error).name).toBe('TimeoutError')
    expect(orders(mesh)?.endpoints[0]).toMatchObject({ failures: 1, inflight: 0 })
  })
})

describe('a caller that breaks', () => {
  it('a hook that throws ends the call as an abort', async () => {
    const { mesh, server } = await start({}, 'ok')
    await mesh.ready()
    const heard: string[] = []
    const error = await new Promise((resolve) => {
      mesh.dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' } as never,
        {
          onRequestStart: () => heard.push('start'),
          onResponseStart: () => {
            throw new Error('my own mistake')
          },
          onResponseData: () => heard.push('data'),
          onResponseEnd: () => heard.push('end'),
          onResponseError: (_: unknown, thrown: unknown) => {
            heard.push('error')
            resolve(thrown)
          },
        } as never,
      )
    })
    expect((error as Error).message).toBe('my own mistake')
    await pause(30)
    expect(heard).toEqual(['start', 'error'])
    expect(server.requests.length).toBe(1)
    expect(orders(mesh)?.inflight).toBe(0)
  })

  it('listeners, gates and loggers that throw lose no call', async () => {
    const server = await FaultServer.start(503, 'ok')
    const broken = (): never => {
      throw new Error('broken')
    }
    const mesh = createMesh({
      logger: { warn: broken, error: broken },
      gates: [
        { name: 'broken', admit: broken },
        { name: 'broken-permit', admit: () => ({ settle: broken }) },
      ],
      services: { orders: { endpoints: [server.address] } },
    })
    keep(() => mesh.close())
    keep(() => server.close())
    mesh.on('retry', broken)
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
  })
})

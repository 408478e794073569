import { createServer } from 'node:http'
import * as undici from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'
import { meshErrorIn } from '../support/scenario.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: MeshOptions, ...script: Step[]): Promise<{ mesh: Mesh; server: FaultServer }> {
  const server = await FaultServer.start(...script)
  const mesh = createMesh({ services: { orders: { endpoints: [server.address] } }, ...options })
  cleanups.push(
    () => server.close(),
    () => mesh.close({ timeout: 0 }),
  )
  return { mesh, server }
}

type Composed = undici.Dispatcher
const compose = (mesh: Mesh, ...interceptors: unknown[]): Composed => mesh.dispatcher.compose(...interceptors) as Composed
const GET = { origin: 'http://orders', path: '/', method: 'GET' } as const

describe("undici's own interceptors above the mesh", () => {
  it('retry: sends again what the mesh handed on', async () => {
    const { mesh, server } = await start({}, 500, 'ok')
    const retrying = compose(mesh, undici.interceptors.retry({ minTimeout: 1, statusCodes: [500] }))
    const { statusCode, body } = await retrying.request(GET)
    expect([statusCode, await body.text(), server.requests.length]).toEqual([200, 'ok', 2])
  })

  it('redirect: follows within the mesh', async () => {
    const { mesh, server } = await start({}, ({ answer }) => answer(302, '', ['location: http://orders.default/there']), 'ok')
    const { statusCode, body } = await compose(mesh, undici.interceptors.redirect({ maxRedirections: 2 })).request(GET)
    expect([statusCode, await body.text(), server.requests.map(({ path }) => path)]).toEqual([200, 'ok', ['/', '/there']])
  })

  it('dump: reads the body away', async () => {
    const { mesh } = await start({}, 'large-body')
    const { body } = await compose(mesh, undici.interceptors.dump({ maxSize: 20 * 1024 * 1024 })).request(GET)
    expect(await body.text()).toBe('')
    expect(mesh.stats().inflight).toBe(0)
  })

  it('cache: answers the second call itself', async () => {
    const { mesh, server } = await start({}, ({ answer }) => answer(200, 'kept', ['cache-control: max-age=60']))
    const caching = compose(mesh, undici.interceptors.cache())
    for (let turn = 0; turn < 2; turn++) expect(await (await caching.request(GET)).body.text()).toBe('kept')
    expect(server.requests.length).toBe(1)
  })

  it('dns: names that the system knows', async () => {
    const { mesh, server } = await start({}, 'ok')
    const named = compose(mesh, undici.interceptors.dns())
    expect((await named.request({ ...GET, origin: `http://localhost:${server.port}` })).statusCode).toBe(200)
  })

  it('decompress, and all of them at once', async () => {
    const { mesh } = await start({}, 500, 'ok')
    const { retry, redirect, dump } = undici.interceptors
    const all = compose(mesh, retry({ minTimeout: 1, statusCodes: [500] }), redirect({ maxRedirections: 1 }), dump({ maxSize: 10 }))
    expect((await all.request(GET)).statusCode).toBe(200)
  })

  it('a RetryAgent above the mesh', async () => {
    const { mesh, server } = await start({}, 500, 'ok')
    const agent = new undici.RetryAgent(mesh.dispatcher as unknown as undici.Dispatcher, { minTimeout: 1, statusCodes: [500] })
    expect((await agent.request(GET)).statusCode).toBe(200)
    expect(server.requests.length).toBe(2)
  })
})

describe('long conversations', () => {
  it('an EventSource listens through the mesh', async () => {
    const stream: Step = ({ write }) => write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n')
    const { mesh } = await start({}, 503, stream)
    const source = new undici.EventSource('http://orders/', { dispatcher: mesh.dispatcher as never })
    cleanups.push(() => source.close())
    const first = await new Promise<string>((resolve, reject) => {
      source.onmessage = ({ data }) => resolve(String(data))
      source.onerror = () => reject(new Error('no stream'))
    })
    expect(first).toBe('1')
  })

  it('a WebSocket speaks through the mesh, past a refused endpoint', async () => {
    const { createHash } = await import('node:crypto')
    const dead = await FaultServer.start()
    await dead.close()
    const { mesh, server } = await start({}, ({ request, write, socket }) => {
      const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${key.digest('base64')}\r\n\r\n`,
      )
      socket.write(Buffer.from([0x81, 2, 0x68, 0x69]))
    })
    const chats = createMesh({ services: { chat: { endpoints: [dead.address, server.address] } } })
    cleanups.push(() => chats.close({ timeout: 0 }))
    const socket = new undici.WebSocket('ws://chat/', { dispatcher: chats.dispatcher as never })
    const said = await new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(data)
      socket.onerror = ({ error }) => reject(error)
    })
    expect(said).toBe('hi')
    socket.close()
    expect(mesh.stats().inflight + chats.stats().inflight).toBe(0)
  })
})

describe('ways to hold a mesh', () => {
  it('its dispatcher closes and destroys it, with promises and with callbacks', async () => {
    const [{ mesh: one, server }, { mesh: two }] = await Promise.all([start({}, 'silent'), start({}, 'ok')])
    const cut = one.request('http://orders/').catch((error: unknown) => error)
    await expect.poll(() => server.requests.length).toBe(1)
    const startedAt = performance.now()
    await one.dispatcher.destroy(new Error('enough'))
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    expect(await cut).toMatchObject({ code: 'MESH_CLOSED' })
    expect(await new Promise((resolve) => two.dispatcher.close(resolve))).toBe(null)
    expect([one.dispatcher.destroyed, two.dispatcher.closed]).toEqual([true, true])
  })

  it('without AsyncLocalStorage: calls go, mesh.with is refused', async () => {
    const { mesh } = await start({ context: false }, 503, 'ok')
    expect((await mesh.request('http://orders/', { mesh: { retries: 1 } })).statusCode).toBe(200)
    expect(() => mesh.with({ timeout: 1 }, () => 1)).toThrow(/context: false/)
  })

  it('two installed on each other: whichever leaves first, nothing of either is left behind', async () => {
    const symbol = Symbol.for('undici.globalDispatcher.1')
    const globals = globalThis as unknown as Record<symbol, unknown>
    for (const firstOut of [true, false]) {
      const [{ mesh: one }, { mesh: two }] = await Promise.all([start({}, 'ok'), start({}, 'ok')])
      const before = [globalThis.fetch, globals[symbol]]
      const restores = [one.install(), two.install()]
      for (const restore of firstOut ? restores : restores.reverse()) restore()
      expect([globalThis.fetch, globals[symbol]]).toEqual(before)
      expect(globalThis.fetch).toBe(before[0])
      expect(globals[symbol]).toBe(before[1])
    }
  })
})

describe('answers of every shape', () => {
  async function real(listener: Parameters<typeof createServer>[1]): Promise<Mesh> {
    const server = createServer(listener as never)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const mesh = createMesh({ services: { orders: { endpoints: [`127.0.0.1:${port}`] } } })
    cleanups.push(
      () => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      },
      () => mesh.close({ timeout: 0 }),
    )
    return mesh
  }

  it.each(['GET', 'HEAD'] as const)('200, 204, 304 and 404 to %s', async (method) => {
    const mesh = await real((request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      response.end(response.statusCode === 204 || response.statusCode === 304 ? undefined : 'body')
    })
    for (const status of [200, 204, 304, 404]) {
      const answer = await mesh.request(`http://orders/${status}`, { method })
      const body = method === 'HEAD' || status === 204 || status === 304 ? '' : 'body'
      expect([answer.statusCode, await answer.body.text()]).toEqual([status, body])
      const response = await mesh.fetch(`http://orders/${status}`, { method })
      expect([response.status, await response.text()]).toEqual([status, body])
    }
    expect(mesh.stats().inflight).toBe(0)
  })

  it('an upgrade that is answered without one goes to the caller as an answer', async () => {
    const { mesh } = await start({}, ({ answer }) => answer(426, 'no'))
    await expect(mesh.dispatcher.upgrade({ ...GET, protocol: 'echo' })).rejects.toThrow()
    await expect.poll(() => mesh.stats().inflight).toBe(0)
  })

  it('101 that nobody asked for is a typed error', async () => {
    const { mesh } = await start({}, 'upgrade-echo')
    const error = await mesh.request('http://orders/', { method: 'POST', body: 'x' }).catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toMatch(/MESH_(RESET|PROTOCOL)/)
  })
})

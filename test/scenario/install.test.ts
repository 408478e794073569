import * as undici from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type Mesh } from '../../src/index.ts'
import { FaultServer } from '../support/fault-server.ts'

const GLOBAL = Symbol.for('undici.globalDispatcher.1')
const globals = globalThis as unknown as Record<symbol, undici.Dispatcher>

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(): Promise<{ mesh: Mesh; server: FaultServer; stranger: FaultServer }> {
  const [server, stranger] = await Promise.all([FaultServer.start('ok'), FaultServer.start('ok')])
  const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
  cleanups.push(
    () => server.close(),
    () => stranger.close(),
    () => mesh.close(),
  )
  return { mesh, server, stranger }
}

const text = (response: Response): Promise<string> => response.text()

describe('install', () => {
  it('serves the global fetch and undici, and lets strangers pass', async () => {
    const { mesh, server, stranger } = await start()
    const formerFetch = globalThis.fetch
    const formerDispatcher = globals[GLOBAL]
    const restore = mesh.install()
    cleanups.push(restore)
    expect(await fetch('http://orders/').then(text)).toBe('ok')
    expect(await fetch(new Request('http://orders/', { method: 'POST', body: 'x' })).then(text)).toBe('ok')
    expect((await undici.request('http://orders/')).statusCode).toBe(200)
    expect(await fetch(`http://${stranger.address}/`).then(text)).toBe('ok')
    expect((await undici.request(`http://${stranger.address}/`)).statusCode).toBe(200)
    expect([server.requests.length, stranger.requests.length]).toEqual([3, 2])
    expect(server.requests[1]).toMatchObject({ method: 'POST', bodyBytes: 1 })
    restore()
    restore()
    expect(globalThis.fetch).toBe(formerFetch)
    expect(globals[GLOBAL]).toBe(formerDispatcher)
  })

  it('a proxy set before still gets what is not ours', async () => {
    const { mesh, stranger } = await start()
    const former = globals[GLOBAL] as undici.Dispatcher
    let proxied = 0
    const agent = new undici.Agent().compose((dispatch) => (options, handler) => {
      proxied++
      return dispatch(options, handler)
    })
    undici.setGlobalDispatcher(agent)
    cleanups.push(() => undici.setGlobalDispatcher(former))
    // undici 8 wraps what it puts where older ones look.
    const put = globals[GLOBAL]
    const restore = mesh.install()
    expect(await fetch('http://orders/').then(text)).toBe('ok')
    expect(await fetch(`http://${stranger.address}/`).then(text)).toBe('ok')
    expect((await undici.request(`http://${stranger.address}/`)).statusCode).toBe(200)
    expect(proxied).toBe(2)
    restore()
    expect(globals[GLOBAL]).toBe(put)
    expect(undici.getGlobalDispatcher()).toBe(agent)
  })

  it('a wrapper set after stays when we restore, and becomes a pass-through', async () => {
    const { mesh, server } = await start()
    const original = globalThis.fetch
    const restore = mesh.install()
    const ours = globalThis.fetch
    let wrapped = 0
    const wrapper: typeof fetch = (input, init) => {
      wrapped++
      return ours(input, init)
    }
    globalThis.fetch = wrapper
    expect(await fetch('http://orders/').then(text)).toBe('ok')
    restore()
    expect(globalThis.fetch).toBe(wrapper)
    await expect(fetch('http://orders.invalid/')).rejects.toThrow()
    expect([wrapped, server.requests.length]).toEqual([2, 1])
    globalThis.fetch = original
  })

  it('the wrapper goes first, then we: everything is as it was', async () => {
    const { mesh } = await start()
    const original = globalThis.fetch
    const restore = mesh.install()
    const ours = globalThis.fetch
    globalThis.fetch = (input, init) => ours(input, init)
    globalThis.fetch = ours
    restore()
    expect(globalThis.fetch).toBe(original)
  })

  it('two meshes nest, and come apart in either order', async () => {
    const { mesh, server } = await start()
    const other = await start()
    const second = createMesh({ services: { billing: { endpoints: [other.server.address] } } })
    cleanups.push(() => second.close())
    for (const firstOut of [true, false]) {
      const original = globalThis.fetch
      const restores = [mesh.install(), second.install()]
      expect(await fetch('http://orders/').then(text)).toBe('ok')
      expect(await fetch('http://billing/').then(text)).toBe('ok')
      for (const restore of firstOut ? restores : restores.reverse()) restore()
      await expect(fetch('http://orders.invalid/')).rejects.toThrow()
      globalThis.fetch = original
    }
    expect([server.requests.length, other.server.requests.length]).toEqual([2, 2])
  })

  it('whoever installed twice has to restore twice, each his own once', async () => {
    const { mesh } = await start()
    const original = globalThis.fetch
    const [first, second] = [mesh.install(), mesh.install()]
    first()
    first()
    expect(await fetch('http://orders/').then(text)).toBe('ok')
    second()
    expect(globalThis.fetch).toBe(original)
  })

  it('loading undici leaves the global dispatcher of the platform alone', async () => {
    const before = globals[GLOBAL]
    const { mesh } = await start()
    await mesh.fetch('http://orders/')
    expect(globals[GLOBAL]).toBe(before)
  })

  it('a dispatcher that somebody names is respected', async () => {
    const { mesh, stranger } = await start()
    const restore = mesh.install()
    cleanups.push(restore)
    const agent = new undici.MockAgent()
    agent.disableNetConnect()
    agent.get('http://orders').intercept({ path: '/' }).reply(200, 'mocked')
    expect(await undici.fetch('http://orders/', { dispatcher: agent }).then((response) => response.text())).toBe('mocked')
    expect(stranger.requests.length).toBe(0)
  })
})

describe('strangers', () => {
  it('pass through mesh.fetch, request and the dispatcher', async () => {
    const { mesh, stranger } = await start()
    const url = `http://${stranger.address}/`
    expect(await mesh.fetch(url).then(text)).toBe('ok')
    expect((await mesh.request(url)).statusCode).toBe(200)
    expect(await fetch(url, { dispatcher: mesh.dispatcher }).then(text)).toBe('ok')
    expect(mesh.stats().passedThrough).toBe(2)
  })

  it('go to the fallback that was named', async () => {
    const { stranger } = await start()
    let seen = 0
    const agent = new undici.Agent()
    const mesh = createMesh({
      fallback: {
        dispatch: (options: never, handler: never) => {
          seen++
          return agent.dispatch(options, handler)
        },
      },
    })
    cleanups.push(() => mesh.close())
    expect((await mesh.request(`http://${stranger.address}/`)).statusCode).toBe(200)
    expect(seen).toBe(1)
  })

  it('are refused when the mesh says so', async () => {
    const { stranger } = await start()
    const mesh = createMesh({ unknownHosts: 'refuse' })
    cleanups.push(() => mesh.close())
    await expect(mesh.fetch(`http://${stranger.address}/`)).rejects.toMatchObject({ cause: { code: 'MESH_UNKNOWN_SERVICE' } })
    await expect(mesh.request(`http://${stranger.address}/`)).rejects.toMatchObject({ code: 'MESH_UNKNOWN_SERVICE' })
    expect(stranger.requests.length).toBe(0)
  })

  it('interceptors compose around the mesh', async () => {
    const { mesh, server } = await start()
    const paths: string[] = []
    type Dispatch = (options: { path: string }, handler: object) => boolean
    const composed = mesh.dispatcher.compose(
      (dispatch: Dispatch): Dispatch =>
        (options, handler) => {
          paths.push(options.path)
          return dispatch({ ...options, path: '/rewritten' }, handler)
        },
    )
    const { statusCode } = (await composed.request({ origin: 'http://orders', path: '/asked', method: 'GET' })) as { statusCode: number }
    expect([statusCode, paths, server.requests[0]?.path]).toEqual([200, ['/asked'], '/rewritten'])
  })
})

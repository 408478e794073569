import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { isMeshError, type ServiceOptions, seededRandom, staticSource } from '../../src/index.ts'
import type { FaultServer, Step } from '../support/fault-server.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

const STEPS: Step[] = ['ok', 'ok', 'ok', 503, 500, 'rst-after-request', 'rst-in-body', 'silent', 'head-then-stall', 'garbage', 'slow-head']

const MAX_SOCKETS = 4

describe.each([1, 2, 3])('limits in a storm of faults, pushes and aborts (seed %d)', (seed) => {
  it('hold at every moment, and nothing of them is left over', async () => {
    const random = seededRandom(seed)
    const among = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    const servers = await Promise.all(Array.from({ length: 3 }, () => server('ok')))
    const orders = (): ServiceOptions => ({
      endpoints: servers.map(({ address }) => address),
      timeout: 300,
      idleTimeout: 100,
      retry: { perTryTimeout: 80, backoff: { base: 1, max: 10 } },
      circuitBreaker: { openFor: 20, minRequests: 5 },
      outlierDetection: { ejectFor: 30 },
      limits: {
        maxConnections: MAX_SOCKETS,
        maxPending: among([0, 3, 10]),
        maxRequests: among([8, 12]),
        maxRetries: among([0, 1, 3]),
        perEndpoint: { maxConnections: among([1, 2, 3]), maxRequests: among([2, 4]) },
      },
      fault: among<ServiceOptions['fault']>([false, { delay: { duration: 5, percent: 30 }, abort: { status: 503, percent: 10 } }]) as false,
      fallback: among<ServiceOptions['fallback']>([
        false,
        { on: ['5xx', 'MESH_OVERLOADED'], respond: async () => ({ status: 299 }) },
      ]) as false,
      rateLimit: among<ServiceOptions['rateLimit']>([false, { requests: 1_000, burst: 50 }]) as false,
    })
    const source = staticSource({ services: { orders: orders() } })
    const mesh = meshOf({ sources: [source], random })
    await mesh.ready()

    const strange: unknown[] = []
    async function call(number: number): Promise<void> {
      const controller = new AbortController()
      const reason = new Error('left')
      if (random() < 0.2) setTimeout(() => controller.abort(reason), random() * 40)
      try {
        const method = among(['GET', 'POST'])
        const body = method === 'GET' ? undefined : among(['text', ['a', 'b']])
        const answer = await mesh.request(`http://orders/${number}`, { method, body, signal: controller.signal })
        if (random() < 0.2) answer.body.on('error', () => {}).destroy()
        else await answer.body.text()
      } catch (error) {
        if (error !== reason && !isMeshError(error)) strange.push(error)
      }
    }
    let mostSockets = 0
    let mostRequests = 0
    const watch = setInterval(() => {
      const { connections = 0, requests = 0 } = mesh.stats().services['orders']?.limits ?? {}
      mostSockets = Math.max(mostSockets, connections)
      mostRequests = Math.max(mostRequests, requests)
    }, 1)
    const calls: Promise<void>[] = []
    for (let round = 0; round < 60; round++) {
      for (const each of servers) if (random() < 0.3) each.behave(...Array.from({ length: 6 }, () => among(STEPS)), 'ok')
      if (random() < 0.3) expect(source.update({ services: { orders: orders() } })).toEqual([])
      if (random() < 0.1) among(servers).dropConnections(among(['rst', 'fin']))
      for (let more = 0; more < 6; more++) calls.push(call(round * 6 + more))
      await pause(random() * 6)
    }
    await Promise.all(calls)
    clearInterval(watch)
    expect(strange).toEqual([])
    expect(mostSockets).toBeLessThanOrEqual(MAX_SOCKETS)
    expect(mostRequests).toBeLessThanOrEqual(12)
    const left = () => {
      const { inflight, limits, endpoints } = mesh.stats().services['orders'] ?? {}
      const [line] = mesh.explain({ url: 'http://orders/' }).gates.filter(({ name }) => name === 'connections')
      const { requests, pending, retries } = limits ?? {}
      return { inflight, requests, pending, retries, tries: endpoints?.map((each) => each.inflight), busy: line?.state.slice(0, 2) }
    }
    await expect.poll(left).toEqual({ inflight: 0, requests: 0, pending: 0, retries: 0, tries: [0, 0, 0], busy: '0 ' })
  })
})

describe('connections that change hands', () => {
  const sockets = (...all: FaultServer[]): number => all.reduce((sum, { openSockets }) => sum + openSockets, 0)

  it('a redirect that fetch follows gets the connection of the answer before it', async () => {
    const orders = await server(({ answer, request }) =>
      request.path === '/' ? answer(302, 'moved', ['location: /there']) : answer(200, request.path),
    )
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxConnections: 1 } } } })
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('/there')
    expect(orders.connections).toBe(1)
  })

  it('one that was upgraded counts until it closes', async () => {
    const orders = await server('upgrade-echo', 'ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxConnections: 1 } } } })
    await mesh.ready()
    const { socket } = (await mesh.dispatcher.upgrade({ origin: 'http://orders', path: '/', protocol: 'echo' })) as {
      socket: import('node:net').Socket
    }
    const error = await failure(mesh.request('http://orders/', { mesh: { timeout: 40 } }))
    expect(error.reason).toBe('no free connection within 40 ms')
    socket.destroy()
    expect((await mesh.request('http://orders/')).statusCode).toBe(200)
    expect(sockets(orders)).toBe(1)
  })

  it('sockets that wait to be opened are not opened after the mesh closed', async () => {
    const servers = [await server('silent'), await server('silent')]
    const endpoints = servers.map(({ address }) => address)
    const mesh = meshOf({ services: { orders: { endpoints, limits: { maxConnections: 1 } } } })
    await mesh.ready()
    const calls = Array.from({ length: 4 }, () => failure(mesh.fetch('http://orders/')))
    await expect.poll(() => sockets(...servers)).toBe(1)
    await mesh.close({ timeout: 0 })
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => 'MESH_CLOSED'))
    await expect.poll(() => sockets(...servers)).toBe(0)
  })
})

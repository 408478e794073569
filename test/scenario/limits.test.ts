import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { staticSource } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import type { FaultServer, Step } from '../support/fault-server.ts'
import { failure, gate, tally, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

/** Answers after `ms` with the path, and remembers how many it had at once. */
function slow(ms: number): { step: Step; most: () => number } {
  let now = 0
  let most = 0
  const step: Step = async ({ request, bodyRead, answer }) => {
    most = Math.max(most, ++now)
    await bodyRead
    await pause(ms)
    now--
    answer(200, request.path)
  }
  return { step, most: () => most }
}

const sockets = (...servers: FaultServer[]): number => servers.reduce((sum, { openSockets }) => sum + openSockets, 0)

describe('maxRequests', () => {
  it.each(DOORS)('of 50 calls at once exactly 45 are refused, through %s', async (door) => {
    const hold = gate()
    const orders = await server(hold.step)
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxRequests: 5 } } } })
    await mesh.ready()
    const calls = Array.from({ length: 50 }, () => doors[door](mesh, 'http://orders/', {}))
    const counted = tally(calls)
    await expect.poll(hold.waiting).toBe(5)
    expect(mesh.stats().services['orders']?.limits.requests).toBe(5)
    expect(mesh.explain({ url: 'http://orders/' }).gates).toContainEqual({
      name: 'limits',
      state: '5 of 5 calls in flight',
      because: 'limits.maxRequests is reached',
      admits: false,
      from: 'options/traffic-policy/default/orders#limits',
    })
    hold.open()
    expect(await counted).toEqual({ answered: 5, MESH_OVERLOADED: 45 })
    expect(orders.requests).toHaveLength(5)
    const stats = mesh.stats().services['orders']
    expect(stats).toMatchObject({ limits: { requests: 0, refused: { maxRequests: 45 } }, failures: 0, retries: 0 })
    expect(stats?.breaker).toEqual({ state: 'closed', opened: 0 })
    expect(await doors[door](mesh, 'http://orders/again', {})).toMatchObject({ status: 200, body: '/again' })
  })

  it('the refusal names the limit and its resource, is retryable, and an event', async () => {
    const hold = gate()
    const orders = await server(hold.step)
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxRequests: 1 } } } })
    await mesh.ready()
    const heard: unknown[] = []
    mesh.on('refused', (event) => heard.push(event))
    const first = mesh.fetch('http://orders/')
    const error = await failure(mesh.fetch('http://orders/'))
    const reason = 'limits.maxRequests of orders is reached: 1 calls in flight'
    expect(error).toMatchObject({ code: 'MESH_OVERLOADED', retryable: true, tries: 0, reason })
    expect(error.from).toBe('options/traffic-policy/default/orders#limits')
    expect(heard).toEqual([{ service: 'orders', gate: 'limits', code: 'MESH_OVERLOADED', flags: ['UO'], reason }])
    hold.open()
    expect((await first).status).toBe(200)
  })

  it('counts to the last byte of the body, and what is aborted no more', async () => {
    const orders = await server('head-then-stall')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxRequests: 1 } } } })
    const controller = new AbortController()
    await mesh.fetch('http://orders/', { signal: controller.signal })
    expect((await failure(mesh.fetch('http://orders/'))).code).toBe('MESH_OVERLOADED')
    controller.abort()
    orders.behave('ok')
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
  })

  it('a push changes the limit, and the calls in flight stay counted', async () => {
    const hold = gate()
    const orders = await server(hold.step)
    const service = (maxRequests: number) => ({ services: { orders: { endpoints: [orders.address], limits: { maxRequests } } } })
    const source = staticSource(service(2))
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const calls = [mesh.fetch('http://orders/1'), mesh.fetch('http://orders/2')]
    expect((await failure(mesh.fetch('http://orders/3'))).code).toBe('MESH_OVERLOADED')
    expect(source.update(service(3))).toEqual([])
    calls.push(mesh.fetch('http://orders/3'))
    expect((await failure(mesh.fetch('http://orders/4'))).reason).toContain('3 calls')
    hold.open()
    expect(await tally(calls)).toEqual({ answered: 3 })
  })
})

describe('maxConnections and maxPending', () => {
  it('calls wait in their order, one connection serves them all, and too many are refused', async () => {
    const orders = await server(slow(5).step)
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxConnections: 1, maxPending: 10 } } } })
    await mesh.ready()
    const order: string[] = []
    const calls = Array.from({ length: 15 }, async (_, number) => {
      const answer = await mesh.request(`http://orders/${number}`)
      order.push(await answer.body.text())
    })
    const counted = tally(calls)
    expect(mesh.stats().services['orders']?.limits).toMatchObject({ pending: 10, refused: { maxPending: 4 } })
    expect(await counted).toEqual({ answered: 11, MESH_OVERLOADED: 4 })
    expect(order).toEqual(Array.from({ length: 11 }, (_, number) => `/${number}`))
    expect(orders.connections).toBe(1)
    expect(mesh.stats().services['orders']?.limits).toMatchObject({ pending: 0, connections: 1 })
  })

  it('bounds the sockets of a service over all its endpoints, idle ones included', async () => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => server(slow(3).step)))
    const endpoints = servers.map(({ address }) => address)
    const mesh = meshOf({ services: { orders: { endpoints, balancing: { policy: 'random' }, limits: { maxConnections: 3 } } } })
    await mesh.ready()
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, sockets(...servers), mesh.stats().services['orders']?.limits.connections ?? 0)
    }, 1)
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 20 }, () => mesh.request('http://orders/').then(({ body }) => body.text()))
      expect(await tally(calls)).toEqual({ answered: 20 })
    }
    clearInterval(watch)
    expect(most).toBeLessThanOrEqual(3)
    expect(servers.every(({ requests }) => requests.length > 0)).toBe(true)
  })

  it('whoever waits does so within his deadline, and nobody is blamed', async () => {
    const hold = gate()
    const orders = await server(hold.step)
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], limits: { maxConnections: 1 } } } })
    await mesh.ready()
    const first = mesh.fetch('http://orders/first')
    const error = await failure(mesh.fetch('http://orders/late', { mesh: { timeout: 50 } }))
    expect(error).toMatchObject({ code: 'MESH_DEADLINE', tries: 0, reason: 'no free connection within 50 ms' })
    expect(error.from).toBe('options/traffic-policy/default/orders#limits')
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 0, limits: { pending: 0 } })
    const controller = new AbortController()
    const left = mesh.fetch('http://orders/left', { signal: controller.signal })
    expect(mesh.stats().services['orders']?.limits.pending).toBe(1)
    controller.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    expect(mesh.stats().services['orders']?.limits.pending).toBe(0)
    hold.open()
    expect((await first).status).toBe(200)
    expect(orders.requests.map(({ path }) => path)).toEqual(['/first'])
  })

  it('a push that lifts the limit lets go who waits', async () => {
    const hold = gate()
    const orders = await server(hold.step)
    const service = (limits: { maxConnections: number } | false) => ({ services: { orders: { endpoints: [orders.address], limits } } })
    const source = staticSource(service({ maxConnections: 1 }))
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const calls = [mesh.fetch('http://orders/1'), mesh.fetch('http://orders/2')]
    expect(mesh.stats().services['orders']?.limits.pending).toBe(1)
    source.update(service(false))
    expect(mesh.stats().services['orders']?.limits.pending).toBe(0)
    hold.open()
    expect(await tally(calls)).toEqual({ answered: 2 })
  })
})

describe('limits of each endpoint', () => {
  it('one that is full is passed over; when all are, the call is refused', async () => {
    const hold = gate()
    const servers = [await server(hold.step), await server(hold.step)]
    const endpoints = servers.map(({ address }) => address)
    const limits = { perEndpoint: { maxRequests: 2 } }
    // Always the first: without the limit the second would get nothing.
    const mesh = meshOf({ random: () => 0, services: { orders: { endpoints, balancing: { policy: 'random' }, limits } } })
    await mesh.ready()
    const counted = tally(Array.from({ length: 6 }, () => mesh.fetch('http://orders/')))
    await expect.poll(hold.waiting).toBe(4)
    expect(servers.map(({ requests }) => requests.length)).toEqual([2, 2])
    hold.open()
    expect(await counted).toEqual({ answered: 4, MESH_OVERLOADED: 2 })
    expect(mesh.stats().services['orders']?.limits.refused.perEndpoint).toBe(2)
  })

  it('maxConnections of each: the call waits', async () => {
    const servers = [await server(slow(5).step), await server(slow(5).step)]
    const endpoints = servers.map(({ address }) => address)
    const mesh = meshOf({ services: { orders: { endpoints, limits: { perEndpoint: { maxConnections: 1 } } } } })
    await mesh.ready()
    const counted = tally(Array.from({ length: 12 }, () => mesh.request('http://orders/').then(({ body }) => body.text())))
    expect(mesh.stats().services['orders']?.limits.pending).toBe(10)
    expect(await counted).toEqual({ answered: 12 })
    expect(servers.map(({ connections }) => connections)).toEqual([1, 1])
  })
})

describe('maxRetries', () => {
  it('re-sends beyond it do not happen, and the failure goes to the caller', async () => {
    const hold = gate()
    const orders = await server(503, 503, 503, hold.step)
    const mesh = meshOf({
      services: { orders: { endpoints: [orders.address], retry: { backoff: { base: 1, max: 1 } }, limits: { maxRetries: 1 } } },
    })
    await mesh.ready()
    const calls = [1, 2, 3].map((number) => mesh.fetch(`http://orders/${number}`))
    await expect.poll(hold.waiting).toBe(1)
    expect(mesh.stats().services['orders']?.limits).toMatchObject({ retries: 1, refused: { maxRetries: 2 } })
    hold.open()
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.sort()).toEqual([200, 503, 503])
    await expect.poll(() => mesh.stats().services['orders']?.limits.retries).toBe(0)
  })
})

describe('rateLimit', () => {
  it.each(DOORS)('beyond the burst a call is refused, and says when to come again: %s', async (door) => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], rateLimit: { requests: 2, per: '1m' } } } })
    const calls = Array.from({ length: 5 }, () => doors[door](mesh, 'http://orders/', {}))
    const errors = (await Promise.allSettled(calls)).filter(({ status }) => status === 'rejected')
    expect(errors).toHaveLength(3)
    const error = await failure(Promise.reject((errors[0] as PromiseRejectedResult).reason))
    expect(error).toMatchObject({ code: 'MESH_RATE_LIMITED', retryable: true, status: 429 })
    expect(error.from).toBe('options/traffic-policy/default/orders#rateLimit')
    expect(error.retryAfterMs).toBeGreaterThan(20_000)
    expect(error.retryAfterMs).toBeLessThanOrEqual(30_000)
  })

  it('each value of the key has a bucket of its own, and a push refills none', async () => {
    const orders = await server('ok')
    const service = (requests: number) => ({
      services: { orders: { endpoints: [orders.address], rateLimit: { requests, per: '1h', key: 'X-User' } } },
    })
    const source = staticSource(service(2))
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const of = (user: string) => mesh.fetch('http://orders/', { headers: { 'x-user': user } })
    expect(await tally([of('a'), of('a'), of('a'), of('b')])).toEqual({ answered: 3, MESH_RATE_LIMITED: 1 })
    source.update(service(3))
    expect(await tally([of('a'), of('a'), of('b'), of('b'), of('b')])).toEqual({ answered: 3, MESH_RATE_LIMITED: 2 })
    expect(mesh.stats().services['orders']?.limits.refused.rate).toBe(3)
  })
})

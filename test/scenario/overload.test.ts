import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createMesh, type PolicyOptions, staticSource } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure, gate, tally, testMeshes } from '../support/mesh-with.ts'
import { get } from '../support/raw-request.ts'

const { server, mesh: meshOf } = testMeshes()
const { keep, listen } = lifetimes()
/** A limit that does not move. */
const FIVE: PolicyOptions = { adaptiveConcurrency: { algorithm: 'aimd', minLimit: 5, maxLimit: 5 } }

describe('adaptiveConcurrency', () => {
  it.each(DOORS)('lets no more go than its limit, blames nobody and sends nothing again, through %s', async (door) => {
    const hold = gate()
    const orders = await server(hold.step)
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], ...FIVE } } })
    await mesh.ready()
    const counted = tally(Array.from({ length: 20 }, () => doors[door](mesh, 'http://orders/', {})))
    await expect.poll(hold.waiting).toBe(5)
    const from = 'options/traffic-policy/default/orders#adaptiveConcurrency'
    expect(mesh.explain({ url: 'http://orders/' }).gates).toContainEqual({
      name: 'adaptive-concurrency',
      state: '5 of 5 calls in flight',
      because: 'by aimd',
      admits: false,
      from,
    })
    const error = await failure(mesh.fetch('http://orders/'))
    expect(error).toMatchObject({ code: 'MESH_OVERLOADED', retryable: true, tries: 0, from })
    hold.open()
    expect(await counted).toEqual({ answered: 5, MESH_OVERLOADED: 15 })
    expect(mesh.stats().services['orders']).toMatchObject({
      adaptiveConcurrency: { limit: 5, inflight: 0, measuring: false, refused: 16 },
      failures: 0,
      retries: 0,
      breaker: { state: 'closed', opened: 0 },
    })
  })

  it('measures by the answers of real servers, and grows', async () => {
    const orders = await server(async ({ bodyRead, answer }) => {
      await bodyRead
      setTimeout(() => answer(200), 10)
    })
    // The machine may be busy with other things: twice as slow is slow enough.
    const adaptiveConcurrency = { minRtt: { bufferPercent: 100 } }
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], adaptiveConcurrency } } })
    for (let call = 0; call < 50; call++) await (await mesh.fetch('http://orders/')).text()
    const measured = mesh.stats().services['orders']?.adaptiveConcurrency
    expect(measured).toMatchObject({ limit: 3, measuring: false, inflight: 0 })
    expect(measured?.minRttMs).toBeGreaterThanOrEqual(9)
    await expect
      .poll(
        async () => {
          await (await mesh.fetch('http://orders/')).text()
          return mesh.stats().services['orders']?.adaptiveConcurrency?.limit
        },
        { timeout: 8_000 },
      )
      .toBeGreaterThan(3)
  })

  it('a push changes the living one; switched off it refuses nobody, and stats have it no more', async () => {
    const hold = gate()
    const orders = await server(hold.step)
    const services = (policy: PolicyOptions) => ({ services: { orders: { endpoints: [orders.address], ...policy } } })
    const source = staticSource(services(FIVE))
    const mesh = meshOf({ sources: [source] })
    await mesh.ready()
    const call = (): Promise<unknown> => mesh.fetch('http://orders/')
    const calls = Array.from({ length: 5 }, call)
    await expect.poll(hold.waiting).toBe(5)
    source.update(services({ adaptiveConcurrency: { algorithm: 'aimd', minLimit: 6, maxLimit: 6 } }))
    calls.push(call())
    await expect.poll(hold.waiting).toBe(6)
    expect(await failure(call())).toHaveProperty('code', 'MESH_OVERLOADED')
    source.update(services({}))
    expect(mesh.stats().services['orders']).not.toHaveProperty('adaptiveConcurrency')
    calls.push(call())
    await expect.poll(hold.waiting).toBe(7)
    source.update(services(FIVE))
    expect(mesh.stats().services['orders']?.adaptiveConcurrency).toMatchObject({ limit: 5, inflight: 6, refused: 1 })
    hold.open()
    await Promise.all(calls)
    expect(mesh.stats().services['orders']?.adaptiveConcurrency).toMatchObject({ inflight: 0 })
  })
})

describe('inbound.adaptiveConcurrency', () => {
  it('takes as many requests as its limit, tells the others to come again, and never refuses a health check', async () => {
    const held: (() => void)[] = []
    const mesh = createMesh({ inbound: { adaptiveConcurrency: { algorithm: 'aimd', minLimit: 2, maxLimit: 2 } } })
    keep(() => mesh.close({ timeout: 0 }))
    const handler = mesh.handler((request: IncomingMessage, response: ServerResponse) => {
      if (request.url === '/healthz') response.end()
      else held.push(() => response.end())
    }) as RequestListener
    const port = await listen(createServer(handler))
    const taken = [get(port, '/a'), get(port, '/b')]
    await expect.poll(() => held.length).toBe(2)
    const refused = await get(port, '/c')
    expect([refused.status, JSON.parse(refused.body).code, refused.headers['retry-after']]).toEqual([503, 'MESH_OVERLOADED', '1'])
    expect((await get(port, '/healthz')).status).toBe(200)
    expect(mesh.stats().inbound).toMatchObject({
      adaptiveConcurrency: { limit: 2, inflight: 2, refused: 1 },
      refused: { 'adaptive-concurrency': { MESH_OVERLOADED: 1 } },
    })
    for (const answer of held) answer()
    expect((await Promise.all(taken)).map(({ status }) => status)).toEqual([200, 200])
    await expect.poll(() => mesh.stats().inbound.adaptiveConcurrency?.inflight).toBe(0)
  })
})

describe('throttle', () => {
  it('refuses by what failed, names its section, and does not count what it refused', async () => {
    const orders = await server(503)
    let drawn = 0.6
    const mesh = meshOf({
      random: () => drawn,
      services: { orders: { endpoints: [orders.address], throttle: true, retry: false, circuitBreaker: false } },
    })
    const call = (priority: 'normal' | 'high' = 'normal') => mesh.fetch('http://orders/', { mesh: { priority } })
    // One of one failed: a half would be refused, then two thirds.
    expect([(await call()).status, (await call()).status]).toEqual([503, 503])
    const from = 'options/traffic-policy/default/orders#throttle'
    expect(await failure(call())).toMatchObject({ code: 'MESH_OVERLOADED', retryable: true, tries: 0, from })
    expect((await call('high')).status).toBe(503)
    expect(mesh.explain({ url: 'http://orders/' }).gates).toContainEqual({
      name: 'throttle',
      state: 'refuses 75 % of calls',
      because: '0 of 3 succeeded',
      from,
    })
    expect(mesh.stats().services['orders']).toMatchObject({
      throttle: { requests: 3, successes: 0, rejectPercent: 75, refused: 1 },
      errors: { MESH_OVERLOADED: 1 },
    })
    drawn = 0.9
    expect((await call()).status).toBe(503)
  })
})

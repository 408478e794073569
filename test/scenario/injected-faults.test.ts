import { describe, expect, it } from 'vitest'
import { DOORS, doors } from '../support/doors.ts'
import { failure, testMeshes } from '../support/mesh-with.ts'

const { server, mesh: meshOf } = testMeshes()

describe.each(DOORS)('through %s', (door) => {
  it('abort with a status is an answer like any other', async () => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault: { abort: { status: 418 } } } } })
    const answer = await doors[door](mesh, 'http://orders/', { method: 'POST', body: 'hello' })
    expect(answer).toMatchObject({ status: 418, body: 'injected by inmesh' })
    const headers = new Headers(answer.headers as Record<string, string>)
    expect([headers.get('content-length'), headers.get('content-type')]).toEqual(['18', 'text/plain;charset=UTF-8'])
    expect(orders.requests).toHaveLength(0)
    expect(await doors[door](mesh, 'http://orders/', { method: 'HEAD' })).toMatchObject({ status: 418, body: '' })
  })

  it('abort with a code is an error', async () => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault: { abort: { code: 'MESH_FAULT' } } } } })
    const error = await failure(doors[door](mesh, 'http://orders/', {}))
    expect(error).toMatchObject({ code: 'MESH_FAULT', tries: 0, from: 'options/traffic-policy/default/orders#fault' })
    expect(orders.requests).toHaveLength(0)
  })

  it('delay makes the call wait, and then it is sent', async () => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault: { delay: { duration: 60 } } } } })
    await mesh.ready()
    const startedAt = performance.now()
    const answer = doors[door](mesh, 'http://orders/', {})
    expect(orders.connections).toBe(0)
    expect(await answer).toMatchObject({ status: 200, body: 'ok' })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(59)
  })
})

describe('delay', () => {
  it('is part of the deadline, holds no socket, and blames nobody', async () => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], timeout: 40, fault: { delay: { duration: '10s' } } } } })
    await mesh.ready()
    const error = await failure(mesh.fetch('http://orders/'))
    expect(error).toMatchObject({ code: 'MESH_DEADLINE', tries: 0, from: 'options/traffic-policy/default/orders#fault' })
    expect(orders.connections).toBe(0)
    expect(mesh.stats().services['orders']).toMatchObject({ faults: { delayed: 1, aborted: 0 }, failures: 0, inflight: 0 })
  })

  it('ends with its caller', async () => {
    const orders = await server('ok')
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault: { delay: { duration: '10s' } } } } })
    await mesh.ready()
    const controller = new AbortController()
    const call = mesh.fetch('http://orders/', { signal: controller.signal })
    controller.abort(new Error('left'))
    await expect(call).rejects.toThrow('left')
    expect(mesh.stats().inflight).toBe(0)
  })

  it('then abort: both, one after the other', async () => {
    const orders = await server('ok')
    const fault = { delay: { duration: 30 }, abort: { status: 503 } }
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault } } })
    await mesh.ready()
    const heard: unknown[] = []
    mesh.on('faultInjected', (event) => heard.push(event))
    const startedAt = performance.now()
    expect((await mesh.fetch('http://orders/')).status).toBe(503)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(29)
    expect(heard).toEqual([{ service: 'orders', delayMs: 30, flags: ['DI', 'FI'], status: 503, code: undefined }])
    const { breaker, faults, failures } = mesh.stats().services['orders'] ?? {}
    expect({ breaker: breaker?.state, faults, failures }).toEqual({ breaker: 'closed', faults: { delayed: 1, aborted: 1 }, failures: 0 })
  })
})

describe('whom it meets', () => {
  it('calls with the header, and no others', async () => {
    const orders = await server('ok')
    const fault = { abort: { status: 500, header: { name: 'X-Chaos', value: 'yes' } } }
    const mesh = meshOf({ services: { orders: { endpoints: [orders.address], fault } } })
    const status = async (headers: Record<string, string>) => (await mesh.fetch('http://orders/', { headers })).status
    expect([await status({}), await status({ 'x-chaos': 'no' }), await status({ 'X-CHAOS': 'yes' })]).toEqual([200, 200, 500])
  })

  it('the share that is written, drawn from the random of the mesh', async () => {
    const orders = await server('ok')
    let turn = 0
    const random = () => (turn++ % 4) / 4
    const mesh = meshOf({
      random,
      services: {
        orders: { endpoints: [orders.address], balancing: { policy: 'round-robin' }, fault: { abort: { status: 500, percent: 50 } } },
      },
    })
    await mesh.ready()
    turn = 0
    const statuses: number[] = []
    for (let call = 0; call < 8; call++) {
      const { status, body } = await mesh
        .request('http://orders/')
        .then(({ statusCode, body: read }) => ({ status: statusCode, body: read }))
      await body.text()
      statuses.push(status)
    }
    expect(statuses).toEqual([500, 500, 200, 200, 500, 500, 200, 200])
    expect(mesh.explain({ url: 'http://orders/' }).gates).toContainEqual({
      name: 'fault',
      state: 'ends 50 % of calls with 500',
      because: 'drawn for each call that was admitted',
      from: 'options/traffic-policy/default/orders#fault',
    })
  })
})

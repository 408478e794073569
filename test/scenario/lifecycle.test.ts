import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type Source, staticSource } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { FaultServer } from '../support/fault-server.ts'
import { meshErrorIn } from '../support/scenario.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function servers(count: number, ...script: Parameters<typeof FaultServer.start>): Promise<FaultServer[]> {
  const started = await Promise.all(Array.from({ length: count }, () => FaultServer.start(...script)))
  cleanups.push(...started.map((server) => () => server.close()))
  return started
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('ready', () => {
  it('waits for each source, and calls made before wait too', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    const inner = staticSource({ services: { orders: { endpoints: [server.address] } } })
    let stopped = 0
    const slow: Source = {
      name: 'slow',
      watch(sink) {
        const timer = setTimeout(() => inner.watch(sink), 100)
        return () => {
          stopped++
          clearTimeout(timer)
        }
      },
    }
    const mesh = createMesh({ sources: [slow] })
    const early = mesh.fetch('http://orders/').then((response) => response.text())
    await mesh.ready()
    expect(mesh.stats().sources).toEqual({ slow: { state: 'ready', version: '1' } })
    expect(await early).toBe('ok')
    await mesh.close()
    expect(stopped).toBe(1)
  })

  it('rejects with the list of what is missing, and goes on trying', async () => {
    const silent: Source = { name: 'silent', watch: () => () => {} }
    const mesh = createMesh({ sources: [silent] })
    cleanups.push(() => mesh.close())
    const error = await failureOf(mesh.ready({ timeout: 50 }))
    expect(error).toMatchObject({ code: 'MESH_NOT_READY' })
    expect((error as Error).message).toContain('silent')
    expect(await failureOf(mesh.ready({ signal: AbortSignal.abort(new Error('enough')) }))).toMatchObject({ message: 'enough' })
  })

  it('a source that throws or fails is an event, and what was there stays', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    let sink: Parameters<Source['watch']>[0] | undefined
    const inner = staticSource({ services: { orders: { endpoints: [server.address] } } })
    const source: Source = {
      name: 'flaky',
      watch(given) {
        sink = given
        return inner.watch(given)
      },
    }
    const throwing: Source = {
      name: 'throwing',
      watch() {
        throw new Error('no rights')
      },
    }
    const mesh = createMesh({ sources: [source, throwing] })
    cleanups.push(() => mesh.close())
    const events: string[] = []
    mesh.on('sourceFailed', ({ source: name }) => events.push(`failed ${name}`))
    mesh.on('sourceRecovered', ({ source: name }) => events.push(`recovered ${name}`))
    await mesh.fetch('http://orders/')
    sink?.failed(new Error('gone'))
    sink?.failed(new Error('still gone'))
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    sink?.update({ version: '2', upserts: [], removals: [], complete: false })
    expect(events).toEqual(['failed throwing', 'failed flaky', 'recovered flaky'])
    expect(mesh.stats().sources['throwing']?.state).toBe('failed')
  })
})

describe('configuration that changes', () => {
  it('a push during load loses no call and no state', async () => {
    const [first, second] = (await servers(2, 'ok')) as [FaultServer, FaultServer]
    const source = staticSource({ services: { orders: { endpoints: [first.address, second.address] } } })
    const mesh = createMesh({ sources: [source] })
    cleanups.push(() => mesh.close())
    const calls: Promise<string>[] = []
    for (let round = 0; round < 100; round++) {
      calls.push(...Array.from({ length: 5 }, () => mesh.fetch('http://orders/').then((response) => response.text())))
      const endpoints = round % 2 === 0 ? [first.address] : [second.address, first.address]
      expect(source.update({ services: { orders: { endpoints, timeout: `${10 + (round % 3)}s` } } })).toEqual([])
      await pause(1)
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    const { calls: counted, endpoints } = mesh.stats().services['orders'] ?? { calls: 0, endpoints: [] }
    expect(counted).toBe(500)
    expect(endpoints.reduce((sum, { tries }) => sum + tries, 0)).toBe(500)
  })

  it('ejection survives a push, and the breaker keeps its state', async () => {
    const [bad, good] = (await servers(2, 'ok')) as [FaultServer, FaultServer]
    bad.behave(503)
    const source = staticSource({ services: { orders: { endpoints: [bad.address, good.address] } } })
    const mesh = createMesh({ sources: [source] })
    cleanups.push(() => mesh.close())
    for (let call = 0; call < 30; call++) await mesh.fetch('http://orders/')
    const state = () => mesh.stats().services['orders']?.endpoints.map(({ state }) => state)
    expect(state()).toEqual(['ejected', 'healthy'])
    source.update({ services: { orders: { endpoints: [good.address, bad.address], timeout: '3s' } } })
    expect(state()).toEqual(['ejected', 'healthy'])
    source.update({ services: { orders: { endpoints: [good.address] } } })
    expect(state()).toEqual(['removed', 'healthy'])
    source.update({ services: { orders: { endpoints: [good.address, bad.address] } } })
    expect(state()).toEqual(['ejected', 'healthy'])
  })

  it('an endpoint removed while a call waits for its next try is not tried again', async () => {
    const [bad, good] = (await servers(2, 'ok')) as [FaultServer, FaultServer]
    bad.behave(503)
    const policy = { retry: { backoff: { base: 200, max: 200 } } }
    const source = staticSource({ services: { orders: { endpoints: [bad.address], ...policy } } })
    const mesh = createMesh({ random: () => 0.99, sources: [source] })
    cleanups.push(() => mesh.close())
    const answer = mesh.fetch('http://orders/').then((response) => response.text())
    await pause(100)
    source.update({ services: { orders: { endpoints: [good.address], ...policy } } })
    expect(await answer).toBe('ok')
    expect(bad.requests.length).toBe(1)
  })

  it('a service that left keeps its names: never clear text to DNS', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    const source = staticSource({ services: { orders: { endpoints: [server.address], hosts: ['localhost:81'] } } })
    const mesh = createMesh({ sources: [source] })
    cleanups.push(() => mesh.close())
    await mesh.fetch('http://orders/')
    source.update({ services: {} })
    for (const url of ['http://orders/', 'http://localhost:81/'])
      expect(meshErrorIn(await failureOf(mesh.fetch(url)))?.code).toBe('MESH_NO_ENDPOINT')
  })

  it('a bad update is rejected whole, with its paths, and the last good state stays', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    const source = staticSource({ services: { orders: { endpoints: [server.address] } } })
    const mesh = createMesh({ sources: [source] })
    cleanups.push(() => mesh.close())
    await mesh.ready()
    const rejections = source.update({ services: { orders: { endpoints: ['nowhere'], retry: { attempts: -1 } } } })
    expect(rejections[0]?.problems).toEqual([
      'services.orders.endpoints[0]: expected host:port, got "nowhere": the port is missing',
      'services.orders.retry.attempts: expected an integer from 0 to 10, got -1',
    ])
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
  })

  it('a source of somebody else that delivers nonsense is contained', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    const good = { kind: 'service', namespace: 'default', name: 'orders', hosts: [], ports: [], protocol: 'auto' } as const
    let rejected: unknown
    const source: Source = {
      name: 'foreign',
      watch(sink) {
        rejected = sink.update({
          version: '1',
          upserts: [good, null, { kind: 'endpoints', namespace: 'default', name: 'orders', endpoints: 'all' }, { kind: 'planet' }] as never,
          removals: [],
          complete: true,
        })
        return () => {}
      },
    }
    const mesh = createMesh({ sources: [source], services: { other: { endpoints: [server.address] } } })
    cleanups.push(() => mesh.close())
    expect(await (await mesh.fetch('http://other/')).text()).toBe('ok')
    expect(rejected).toHaveLength(3)
    expect(mesh.snapshot().services).toHaveProperty(['default/orders'])
  })
})

describe('close', () => {
  it('takes no new calls, lets those under way end, and is idempotent', async () => {
    const [server] = (await servers(1, ({ answer }) => void setTimeout(() => answer(200, 'late'), 150))) as [FaultServer]
    const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
    const under = mesh.fetch('http://orders/').then((response) => response.text())
    await pause(50)
    const closing = mesh.close()
    expect(mesh.close()).toBe(closing)
    expect(meshErrorIn(await failureOf(mesh.fetch('http://orders/')))?.code).toBe('MESH_CLOSED')
    expect(await failureOf(mesh.ready())).toMatchObject({ code: 'MESH_CLOSED' })
    expect(await under).toBe('late')
    await closing
    expect(mesh.stats()).toMatchObject({ closed: true, inflight: 0 })
  })

  it('ends a ready() that waits', async () => {
    const mesh = createMesh({ sources: [{ name: 'silent', watch: () => () => {} }] })
    const ready = failureOf(mesh.ready({ timeout: '1h' }))
    await mesh.close()
    expect(await ready).toMatchObject({ code: 'MESH_CLOSED' })
  })

  it('lets strangers that were passed on end too, and cuts them when the time is up', async () => {
    const [slow, silent] = (await Promise.all([
      servers(1, ({ answer }) => void setTimeout(() => answer(200, 'late'), 150)),
      servers(1, 'silent'),
    ]).then((found) => found.flat())) as [FaultServer, FaultServer]
    const [patient, hasty] = [createMesh({}), createMesh({})]
    const under = patient.request(`http://${slow.address}/`).then(({ body }) => body.text())
    const cut = failureOf(hasty.request(`http://${silent.address}/`))
    await expect.poll(() => slow.requests.length + silent.requests.length).toBe(2)
    await Promise.all([patient.close(), hasty.close({ timeout: 30 })])
    expect(await under).toBe('late')
    expect(await cut).toBeInstanceOf(Error)
  })

  it('aborts what does not end in time', async () => {
    const [server] = (await servers(1, 'silent')) as [FaultServer]
    const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
    const under = failureOf(mesh.fetch('http://orders/'))
    await pause(50)
    await mesh.close({ timeout: 50 })
    expect(meshErrorIn(await under)?.code).toBe('MESH_CLOSED')
  })

  it.each([0, 1, 5, 20, 60])('at any moment: after %d ms every call has ended one way or the other', async (afterMs) => {
    const [server] = (await servers(1, 503, 'ok', 'silent', 'ok', 'rst-in-body', 'ok')) as [FaultServer]
    const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
    const calls = Array.from({ length: 6 }, () => failureOf(mesh.fetch('http://orders/').then((response) => response.text())))
    await pause(afterMs)
    await mesh.close({ timeout: 20 })
    const failures = (await Promise.all(calls)).filter((error) => error !== undefined)
    for (const failure of failures) expect(['MESH_CLOSED', 'MESH_RESET']).toContain(meshErrorIn(failure)?.code)
    expect(mesh.stats().inflight).toBe(0)
  })

  it('works with await using', async () => {
    const [server] = (await servers(1, 'ok')) as [FaultServer]
    const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
    await mesh.fetch('http://orders/')
    await mesh[Symbol.asyncDispose]()
    expect(mesh.stats().closed).toBe(true)
  })
})

describe('the diagnostics channel', () => {
  it('carries every event, without a reference to the mesh', async () => {
    const [server] = (await servers(1, 503, 'ok')) as [FaultServer]
    const mesh = createMesh({ services: { orders: { endpoints: [server.address] } } })
    cleanups.push(() => mesh.close())
    const seen: unknown[] = []
    const listener = (message: unknown): void => void seen.push(message)
    subscribe('inmesh:retry', listener)
    await mesh.fetch('http://orders/')
    unsubscribe('inmesh:retry', listener)
    expect(seen).toMatchObject([{ service: 'orders', status: 503, tries: 1, movedOn: false }])
  })
})

import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { Http2WireServer, type SeenStream, type StreamStep } from '../support/http2-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure, tally } from '../support/mesh-with.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const { keep } = lifetimes()
nothingUncaught()

/** A server that answers when it is told to, but for the first request on each path `/warm`. */
function held(): { step: StreamStep; waiting: SeenStream[]; open: () => void } {
  const waiting: SeenStream[] = []
  let open = false
  const step: StreamStep = (stream) => {
    if (open || stream.wire.streams.length === 1) stream.answer()
    else waiting.push(stream)
  }
  return {
    step,
    waiting,
    open: () => {
      open = true
      for (const stream of waiting.splice(0)) stream.answer()
    },
  }
}

async function wireServer(step: StreamStep, maxStreams: number): Promise<Http2WireServer> {
  const server = await Http2WireServer.start(step, { maxStreams })
  keep(() => server.close())
  return server
}

/** A mesh whose connections to the servers stand. */
async function meshOf(servers: Http2WireServer[], service: NonNullable<MeshOptions['services']>[string]): Promise<Mesh> {
  const endpoints = servers.map(({ address }) => address)
  const mesh = createMesh({ services: { orders: { protocol: 'http2', endpoints, balancing: { policy: 'round-robin' }, ...service } } })
  keep(() => mesh.close({ timeout: 0 }))
  for (const _ of servers) expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
  await pause(20)
  return mesh
}

const calls = (mesh: Mesh, count: number): Promise<unknown>[] =>
  Array.from({ length: count }, async () => (await mesh.fetch('http://orders/')).text())
const statsOf = (mesh: Mesh) => mesh.stats().services['orders'] as NonNullable<ReturnType<Mesh['stats']>['services'][string]>

describe('the stream limit of a server', () => {
  it('on the only connection that is allowed lets calls wait in line, and refuses what is too much', async () => {
    const hold = held()
    const server = await wireServer(hold.step, 3)
    const mesh = await meshOf([server], { limits: { maxConnections: 1, maxPending: 4 } })
    const counted = tally(calls(mesh, 10))
    await expect.poll(() => hold.waiting.length).toBe(3)
    expect(statsOf(mesh).limits).toMatchObject({ pending: 4, connections: 1, refused: { maxPending: 3 } })
    expect(mesh.explain({ url: 'http://orders/' }).gates).toContainEqual(
      expect.objectContaining({ name: 'connections', state: '1 of 1 connections busy with 3 calls, 4 of 4 calls waiting' }),
    )
    hold.open()
    expect(await counted).toEqual({ answered: 7, MESH_OVERLOADED: 3 })
    expect([server.most, server.connections]).toEqual([3, 1])
  })

  it('opens further connections as far as that is allowed', async () => {
    const hold = held()
    const server = await wireServer(hold.step, 2)
    const mesh = await meshOf([server], { limits: { maxConnections: 3 } })
    const counted = tally(calls(mesh, 10))
    await expect.poll(() => hold.waiting.length + server.connections).toBeGreaterThanOrEqual(7)
    await pause(30)
    expect(server.connections).toBe(3)
    hold.open()
    expect(await counted).toEqual({ answered: 10 })
    expect(server.most).toBeLessThanOrEqual(6)
    expect(server.connections).toBe(3)
  })

  it('without limits of our own opens as many as are needed, and never a stream too many', async () => {
    const server = await wireServer(async (stream) => {
      await pause(10)
      stream.answer()
    }, 10)
    const mesh = await meshOf([server], {})
    expect(await tally(calls(mesh, 100))).toEqual({ answered: 100 })
    for (const { streams } of server.wires) expect(streams.every(({ reset }) => reset === undefined)).toBe(true)
    expect(server.connections).toBeLessThanOrEqual(11)
    expect(statsOf(mesh)).toMatchObject({ transparent: 0, retries: 0 })
  })

  it('counts for each endpoint: one that is full lets another take the call', async () => {
    const hold = held()
    const full = await wireServer(hold.step, 1)
    const free = await wireServer((stream) => stream.answer(), 100)
    const mesh = await meshOf([full, free], { limits: { perEndpoint: { maxConnections: 1 } } })
    const first = calls(mesh, 2)
    await expect.poll(() => hold.waiting.length).toBe(1)
    expect(await tally(calls(mesh, 20))).toEqual({ answered: 20 })
    expect(full.streams.length).toBe(2)
    hold.open()
    expect(await tally(first)).toEqual({ answered: 2 })
  })

  it('whoever waits does so within his deadline, and leaves the line when he leaves', async () => {
    const hold = held()
    const server = await wireServer(hold.step, 1)
    const mesh = await meshOf([server], { limits: { maxConnections: 1 } })
    const first = mesh.fetch('http://orders/')
    await expect.poll(() => hold.waiting.length).toBe(1)
    const error = await failure(mesh.fetch('http://orders/', { mesh: { timeout: 50 } }))
    expect(error).toMatchObject({ code: 'MESH_DEADLINE', tries: 0, reason: 'no free connection within 50 ms' })
    const controller = new AbortController()
    const left = mesh.fetch('http://orders/', { signal: controller.signal })
    controller.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    hold.open()
    expect((await first).status).toBe(200)
    expect(server.streams.length).toBe(2)
    expect(statsOf(mesh)).toMatchObject({ failures: 0, limits: { pending: 0 } })
  })

  it('may change, and 0 is a pause', async () => {
    const server = await wireServer((stream) => stream.answer(), 5)
    const mesh = await meshOf([server], { limits: { maxConnections: 1 } })
    server.wires[0]?.settings(0)
    await pause(30)
    const waiting = calls(mesh, 3)
    await pause(50)
    expect([server.streams.length, server.connections]).toEqual([1, 1])
    server.wires[0]?.settings(2)
    expect(await tally(waiting)).toEqual({ answered: 3 })
    expect(server.connections).toBe(1)
  })

  it('a caller who leaves before a connection stands is sent to nobody', async () => {
    const server = await Http2WireServer.start()
    keep(() => server.close())
    const mesh = createMesh({ services: { orders: { protocol: 'http2', endpoints: [server.address] } } })
    keep(() => mesh.close({ timeout: 0 }))
    await mesh.ready()
    const controller = new AbortController()
    const left = mesh.fetch('http://orders/', { signal: controller.signal })
    const stays = mesh.fetch('http://orders/')
    controller.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    expect((await stays).status).toBe(200)
    expect(server.streams.length).toBe(1)
  })
})

describe('closing', () => {
  it('lets the calls under way end, and leaves no socket', async () => {
    const server = await wireServer(async (stream) => {
      await pause(30)
      stream.answer()
    }, 100)
    const mesh = await meshOf([server], {})
    const counted = tally(calls(mesh, 20))
    await mesh.close({ timeout: '5s' })
    expect(await counted).toEqual({ answered: 20 })
    await expect.poll(() => server.openSockets).toBe(0)
  })

  it('an endpoint that leaves the configuration keeps its connection until its calls have ended', async () => {
    const { staticSource } = await import('../../src/index.ts')
    const hold = held()
    const [old, next] = [await wireServer(hold.step, 100), await wireServer((stream) => stream.answer(), 100)]
    const service = (address: string) => ({ services: { orders: { protocol: 'http2' as const, endpoints: [address] } } })
    const source = staticSource(service(old.address))
    const mesh = createMesh({ sources: [source] })
    keep(() => mesh.close({ timeout: 0 }))
    await mesh.fetch('http://orders/')
    const under = mesh.fetch('http://orders/')
    await expect.poll(() => hold.waiting.length).toBe(1)
    source.update(service(next.address))
    await pause(80)
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(next.streams.length).toBe(1)
    hold.open()
    expect((await under).status).toBe(200)
    await expect.poll(() => old.openSockets).toBe(0)
  })
})

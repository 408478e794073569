import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { ServiceOptions } from '../../src/index.ts'
import type { FaultServer, Step } from '../support/fault-server.ts'
import { manyServers } from '../support/one-service.ts'
import { meshErrorIn, scenario } from '../support/scenario.ts'

const { start: startServers } = manyServers({ random: () => 0 })
const start = (service: ServiceOptions, ...scripts: Step[][]): ReturnType<typeof startServers> =>
  startServers({ balancing: { policy: 'round-robin' }, ...service }, ...scripts)

const total = (servers: FaultServer[]): number => servers.reduce((sum, { requests }) => sum + requests.length, 0)

describe('what happens to a request', () => {
  it('read and never answered: the per-try timeout, then the next endpoint', () =>
    scenario()
      .upstream('silent')
      .upstream('ok')
      .options({ retry: { perTryTimeout: 150 } })
      .call()
      .expect({ status: 200, notBeforeMs: 150, withinMs: 400 }))

  it.each(['rst-after-request', 'fin-after-request'] as const)('%s: a GET is repeated elsewhere', (fault) =>
    scenario()
      .upstream(fault)
      .upstream('ok')
      .call()
      .expect({ status: 200, seen: [1, 1] }),
  )

  it.each(['rst-after-request', 'fin-after-request'] as const)('%s: a POST is sent once', (fault) =>
    scenario()
      .upstream(fault)
      .upstream('ok')
      .call('/', { method: 'POST', body: 'order' })
      .expect({ error: 'MESH_RESET', seen: [1, 0] }),
  )

  it.each(['rst-after-request', 'fin-after-request'] as const)('%s: a POST with an idempotency key is repeated', (fault) =>
    scenario()
      .upstream(fault)
      .upstream('echo')
      .call('/', { method: 'POST', body: 'order', headers: { 'Idempotency-Key': 'k' } })
      .expect({ status: 200, seen: [1, 1] }),
  )

  it('a call that says idempotent is repeated', () =>
    scenario()
      .upstream('rst-after-request')
      .upstream('ok')
      .call('/', { method: 'POST', body: 'order', mesh: { idempotent: true } })
      .expect({ status: 200, seen: [1, 1] }))

  it('an idle socket that is closed at the moment of reuse loses no GET', async () => {
    const { mesh, servers } = await start({}, ['ok'])
    const [server] = servers as [FaultServer]
    for (let call = 0; call < 150; call++) {
      expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
      server.dropConnections(call % 2 === 0 ? 'fin' : 'rst')
      if (call % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  })

  it('an idle socket that is closed at the moment of reuse never sends a POST twice', async () => {
    const { mesh, servers } = await start({}, ['ok'])
    const [server] = servers as [FaultServer]
    const sent = new Map<string, number>()
    for (let call = 0; call < 150; call++) {
      await mesh.fetch(`http://orders/${call}`, { method: 'POST', body: 'order' }).then(
        (response) => response.text(),
        () => {},
      )
      server.dropConnections(call % 2 === 0 ? 'fin' : 'rst')
    }
    for (const { path } of server.requests) sent.set(path, (sent.get(path) ?? 0) + 1)
    expect([...sent.values()].filter((times) => times > 1)).toEqual([])
  })

  it('a pool of dead sockets: after the first of them the rest is not tried', async () => {
    const { mesh, servers } = await start({ retry: { perTryTimeout: 150 } }, ['ok'])
    const [server] = servers as [FaultServer]
    await Promise.all(Array.from({ length: 10 }, () => mesh.fetch('http://orders/').then((response) => response.text())))
    const open = mesh.stats().services['orders']?.endpoints[0]?.connections ?? 0
    expect(open).toBeGreaterThan(1)
    // From here on what comes over the old connections is read and never answered.
    const before = server.connections
    server.behave(
      ({ request, answer, bodyRead }) => void (request.connection > before ? bodyRead.then(() => answer(200, 'ok')) : undefined),
    )
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    expect(server.requests.filter(({ connection }, index) => index >= 10 && connection <= before).length).toBe(1)
  })

  it('a body beyond the replay cap is not repeated, and the error says so', async () => {
    const { mesh, servers } = await start({}, [(exchange) => void exchange.bodyRead.then(() => exchange.socket.resetAndDestroy())], ['ok'])
    const body = Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(8_192, 'x')))
    const error = await mesh.request('http://orders/', { method: 'PUT', body }).catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toBe('MESH_NOT_REPLAYABLE')
    expect(meshErrorIn(error)?.message).toMatch(/more of the body was sent than is kept/)
    expect(total(servers)).toBe(1)
    expect(mesh.stats().services['orders']?.notReplayable).toBe(1)
  })

  it('a streamed body below the cap is repeated byte by byte', async () => {
    const { mesh, servers } = await start({}, [(exchange) => void exchange.bodyRead.then(() => exchange.socket.resetAndDestroy())], ['ok'])
    const body = Readable.from(Array.from({ length: 5 }, (_, index) => Buffer.alloc(8_192, String(index))))
    const { statusCode } = await mesh.request('http://orders/', { method: 'PUT', body })
    expect(statusCode).toBe(200)
    const [first, second] = servers.map(({ requests }) => requests[0])
    expect(second?.bodyBytes).toBe(5 * 8_192)
    expect(second?.bodyHash).toBe(first?.bodyHash)
  })

  it('a reset in the middle of an upload: the next endpoint gets the whole', async () => {
    const { mesh, servers } = await start({}, ['rst-in-upload'], ['ok'])
    const body = Readable.from(
      (async function* () {
        for (let piece = 0; piece < 10; piece++) {
          await new Promise((resolve) => setTimeout(resolve, 10))
          yield Buffer.alloc(1_000, String(piece))
        }
      })(),
    )
    const { statusCode } = await mesh.request('http://orders/', { method: 'PUT', body })
    expect(statusCode).toBe(200)
    expect(servers[1]?.requests[0]?.bodyBytes).toBe(10_000)
  })

  it.each([
    ['a Blob', () => new Blob(['hello '.repeat(100)]), 600],
    ['a form', () => Object.assign(new FormData(), {}), 0],
    ['URLSearchParams as text', () => new URLSearchParams({ a: '1' }).toString(), 3],
    ['a typed array', () => new Uint8Array(500), 500],
    ['an ArrayBuffer', () => new ArrayBuffer(500), 500],
    ['a generator', () => ['a', 'b', 'c'].map((text) => Buffer.from(text)), 3],
  ] as const)('%s is sent again whole', async (_, make, bytes) => {
    const { mesh, servers } = await start({}, [503], ['ok'])
    const body = make()
    if (body instanceof FormData) body.set('field', 'value')
    const { statusCode } = await mesh.request('http://orders/', { method: 'PUT', body })
    expect(statusCode).toBe(200)
    const [first, second] = servers.map(({ requests }) => requests[0])
    if (bytes > 0) expect(second?.bodyBytes).toBe(bytes)
    expect(second?.bodyBytes).toBeGreaterThan(0)
    expect(second?.bodyHash).toBe(first?.bodyHash)
    expect(second?.headers['content-type']).toBe(first?.headers['content-type'])
  })

  it('a source that breaks is the error of the caller, and nobody else is blamed', async () => {
    const { mesh, servers } = await start({}, ['ok'], ['ok'])
    const body = (async function* () {
      yield Buffer.from('some')
      throw new Error('disk gone')
    })()
    const error = await mesh.request('http://orders/', { method: 'PUT', body }).catch((thrown: unknown) => thrown)
    expect((error as Error).message).toBe('disk gone')
    expect(total(servers)).toBeLessThanOrEqual(1)
    expect(mesh.stats().services['orders']?.endpoints.map(({ failures }) => failures)).toEqual([0, 0])
  })

  it('an upload stays in its source while the server does not read', async () => {
    const { mesh, servers } = await start({}, [
      ({ socket, answer, bodyRead }) => {
        socket.pause()
        setTimeout(() => socket.resume(), 300)
        void bodyRead.then(() => answer(200, 'ok'))
      },
    ])
    let pulled = 0
    let pulledWhileHeld = 0
    const body = (function* () {
      for (; pulled < 64 * 16; pulled++) yield Buffer.alloc(65_536)
    })()
    const answer = mesh.request('http://orders/', { method: 'POST', body })
    setTimeout(() => {
      pulledWhileHeld = pulled
    }, 250)
    expect((await answer).statusCode).toBe(200)
    expect(servers[0]?.requests[0]?.bodyBytes).toBe(64 * 1024 * 1024)
    // What the kernel holds for a connection over loopback is a few megabytes at most.
    expect(pulledWhileHeld).toBeGreaterThan(0)
    expect(pulledWhileHeld * 65_536).toBeLessThan(24 * 1024 * 1024)
  })

  it('a source that is slow and large is sent whole by a further try, or not at all', async () => {
    const { mesh, servers } = await start({ retry: { perTryTimeout: 60, backoff: { base: 1, max: 1 } } }, ['silent'], ['ok'])
    const whole = Array.from({ length: 6 }, (_, index) => Buffer.alloc(30_000, String(index)))
    const body = (async function* () {
      for (const piece of whole) {
        yield piece
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    })()
    const error = await mesh.request('http://orders/', { method: 'PUT', body }).catch((thrown: unknown) => thrown)
    if (meshErrorIn(error) === undefined) expect(servers[1]?.requests.at(-1)?.bodyBytes).toBe(180_000)
    else expect(['MESH_NOT_REPLAYABLE', 'MESH_DEADLINE']).toContain(meshErrorIn(error)?.code)
    for (const { bodyBytes, bodyHash } of servers[1]?.requests ?? []) if (bodyHash !== '') expect(bodyBytes).toBe(180_000)
  })

  it('13 MB up, in flat memory and whole', async () => {
    const { mesh, servers } = await start({}, ['ok'])
    const pieces = 13 * 16
    const body = Readable.from(
      (function* () {
        for (let piece = 0; piece < pieces; piece++) yield Buffer.alloc(65_536, piece % 256)
      })(),
      { objectMode: false },
    )
    const { statusCode } = await mesh.request('http://orders/', { method: 'POST', body })
    expect(statusCode).toBe(200)
    expect(servers[0]?.requests[0]?.bodyBytes).toBe(pieces * 65_536)
  })
})

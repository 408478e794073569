import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { H2, Http2WireServer, type StreamStep } from '../support/http2-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure, tally } from '../support/mesh-with.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const { keep } = lifetimes()
nothingUncaught()

async function wireServer(step?: StreamStep): Promise<Http2WireServer> {
  const server = await Http2WireServer.start(step)
  keep(() => server.close())
  return server
}

function meshOf(service: NonNullable<MeshOptions['services']>[string]): Mesh {
  // Round robin from the first endpoint on, so that a test knows whom a call meets first.
  const mesh = createMesh({
    random: () => 0,
    services: { orders: { protocol: 'http2', balancing: { policy: 'round-robin' }, ...service } },
  })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

const statsOf = (mesh: Mesh) => mesh.stats().services['orders'] as NonNullable<ReturnType<Mesh['stats']>['services'][string]>
const POST = { method: 'POST', body: 'x' }

/** What a server does to a request that it never begins with. */
const UNSEEN: Record<string, StreamStep> = {
  'a refused stream': (stream) => stream.refuse(H2.refused),
  'a goodbye that names an earlier stream': (stream) => stream.wire.goaway(Math.max(0, stream.id - 2)),
  'a goodbye after which the connection closes at once': (stream) => {
    stream.wire.goaway(Math.max(0, stream.id - 2))
    stream.wire.socket.end()
  },
}

describe('what a server did not begin with', () => {
  it.each(Object.entries(UNSEEN))('is sent again, a POST too: %s', async (_, unseen) => {
    const first = await wireServer(unseen)
    const second = await wireServer()
    const mesh = meshOf({ endpoints: [first.address, second.address] })
    const answer = await mesh.fetch('http://orders/', POST)
    expect([answer.status, first.streams.length, second.streams.length]).toEqual([200, 1, 1])
    expect(statsOf(mesh)).toMatchObject({ tries: 2, transparent: 1, retries: 0, movedOn: 0, failures: 0 })
  })

  it('costs no budget and no retry, and happens where retries are off', async () => {
    const server = await wireServer((stream) => (server.streams.length % 2 === 1 ? stream.refuse(H2.refused) : stream.answer()))
    const mesh = meshOf({ endpoints: [server.address], retry: false })
    const heard: unknown[] = []
    mesh.on('retry', (event) => heard.push(event))
    for (let call = 0; call < 20; call++) expect((await mesh.fetch('http://orders/', POST)).status).toBe(200)
    expect(statsOf(mesh)).toMatchObject({ calls: 20, tries: 40, transparent: 20, retries: 0, budgetExhausted: 0 })
    expect(heard).toHaveLength(20)
    expect(heard[0]).toMatchObject({ kind: 'reset', movedOn: true, delayMs: 0 })
  })

  it('is sent again three times at most, and then is the error that it is', async () => {
    const server = await wireServer((stream) => stream.refuse(H2.refused))
    const mesh = meshOf({ endpoints: [server.address], retry: false })
    const error = await failure(mesh.fetch('http://orders/', POST))
    expect(error).toMatchObject({ code: 'MESH_RESET', tries: 4 })
    expect(error.reason).toContain('REFUSED_STREAM')
    expect(server.streams.length).toBe(4)
  })

  it('is sent again with a body that came in pieces while that is kept, and is an error when it is not', async () => {
    const server = await wireServer(async (stream) => {
      if (server.streams.length % 2 === 1) {
        while (stream.bodyBytes < 6) await pause(1)
        stream.refuse(H2.refused)
      } else {
        await stream.read
        stream.answer(200, String(stream.bodyBytes))
      }
    })
    const mesh = meshOf({ endpoints: [server.address] })
    const small = await mesh.request('http://orders/', { method: 'POST', body: Readable.from([Buffer.from('abc'), Buffer.from('def')]) })
    expect([await small.body.text(), statsOf(mesh).transparent]).toEqual(['6', 1])
    server.behave(async (stream) => {
      while (stream.bodyBytes < 100_000) await pause(1)
      stream.refuse(H2.refused)
    })
    const pieces = Array.from({ length: 20 }, () => Buffer.alloc(8_192))
    const error = await failure(mesh.request('http://orders/', { method: 'POST', body: Readable.from(pieces) }))
    expect([error.code, error.tries, statsOf(mesh).transparent]).toEqual(['MESH_NOT_REPLAYABLE', 1, 1])
  })

  it('nobody is blamed for going away', async () => {
    const first = await wireServer((stream) => stream.wire.goaway(Math.max(0, stream.id - 2)))
    const second = await wireServer()
    const mesh = meshOf({ endpoints: [first.address, second.address] })
    for (let call = 0; call < 20; call++) expect((await mesh.fetch('http://orders/', POST)).status).toBe(200)
    expect(statsOf(mesh).endpoints.map(({ failures, state }) => [failures, state])).toEqual([
      [0, 'healthy'],
      [0, 'healthy'],
    ])
  })
})

describe('a goodbye', () => {
  it('lets the streams below its last one come to their end, and new calls take a new connection', async () => {
    const server = await wireServer(async (stream) => {
      if (stream.connection > 1) return stream.answer(200, 'new')
      stream.wire.goaway(stream.id)
      stream.head(200)
      stream.data('begun ')
      await pause(50)
      stream.end('and ended')
    })
    const mesh = meshOf({ endpoints: [server.address] })
    const first = await mesh.request('http://orders/', POST)
    expect(await (await mesh.fetch('http://orders/', POST)).text()).toBe('new')
    expect(await first.body.text()).toBe('begun and ended')
    expect(statsOf(mesh)).toMatchObject({ tries: 2, transparent: 0, retries: 0 })
    await expect.poll(() => server.openSockets).toBe(1)
  })

  it('with an error ends what is under way: that may have been executed, and only what may be repeated is', async () => {
    const server = await wireServer((stream) => {
      if (stream.connection % 2 === 0) return stream.answer()
      stream.wire.goaway(stream.id, H2.calm)
      stream.wire.socket.end()
    })
    const mesh = meshOf({ endpoints: [server.address], retry: { attempts: 1, backoff: { base: 1, max: 2 } } })
    const error = await failure(mesh.fetch('http://orders/', POST))
    expect(error).toMatchObject({ code: 'MESH_RESET', tries: 1 })
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(statsOf(mesh).transparent).toBe(0)
  })

  it('before anything was sent on an idle connection costs nothing', async () => {
    const server = await wireServer()
    const mesh = meshOf({ endpoints: [server.address] })
    for (let call = 0; call < 10; call++) {
      expect((await mesh.fetch('http://orders/', POST)).status).toBe(200)
      server.wires.at(-1)?.goaway(0x7fffffff)
    }
    expect(statsOf(mesh)).toMatchObject({ calls: 10, failures: 0, retries: 0 })
  })
})

/** node's own HTTP/2 server on a port that it keeps over its restarts. */
class Restarting {
  port = 0
  private server: Http2Server | undefined
  private readonly sessions = new Set<ServerHttp2Session>()

  async start(): Promise<void> {
    const server = createServer((_, response) => {
      setTimeout(() => response.end('ok'), 5)
    })
    server.on('session', (session) => {
      this.sessions.add(session)
      session.on('close', () => this.sessions.delete(session))
    })
    server.on('sessionError', () => {})
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
    this.port = (server.address() as AddressInfo).port
    this.server = server
  }

  /** As one is told to by SIGTERM: lets nobody new in, says goodbye, and goes when the last answer was given. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve))
    for (const session of this.sessions) session.close()
    await closed
  }
}

describe('a rolling restart', () => {
  it('of three servers under load loses no call, a POST as little as a GET', async () => {
    const servers = [new Restarting(), new Restarting(), new Restarting()]
    for (const server of servers) {
      await server.start()
      keep(() => server.stop())
    }
    const mesh = meshOf({ endpoints: servers.map(({ port }) => `127.0.0.1:${port}`) })
    await mesh.ready()
    let running = true
    const calls: Promise<Record<string, number>>[] = []
    const load = (async () => {
      while (running) {
        for (let each = 0; each < 10; each++) calls.push(tally([mesh.fetch('http://orders/', POST).then((answer) => answer.text())]))
        await pause(2)
      }
    })()
    for (const server of servers) {
      await pause(40)
      await server.stop()
      await pause(20)
      await server.start()
    }
    await pause(40)
    running = false
    await load
    const lost = (await Promise.all(calls)).filter((call) => !('answered' in call))
    expect(lost).toEqual([])
    expect(calls.length).toBeGreaterThan(100)
  })
})

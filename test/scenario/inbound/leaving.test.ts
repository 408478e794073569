import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2'
import { get as httpsGet, type RequestOptions } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, it, vi } from 'vitest'
import { decodeHealthStatus } from '../../../src/health/grpc-health.ts'
import { createMesh, type InboundGate, type Mesh, type MeshOptions, type Source } from '../../../src/index.ts'
import { failureOf } from '../../support/failure.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get } from '../../support/raw-request.ts'
import { CertificateAuthority, type Credentials } from '../../support/tls.ts'

const { keep, serverOf } = lifetimes()

function meshWith(options: MeshOptions = {}): Mesh {
  const mesh = createMesh(options)
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A source that answers when it is told to. */
function lateSource(): { source: Source; answer: () => void } {
  let answer = (): void => {}
  const source: Source = {
    name: 'registry',
    watch(sink) {
      answer = () => sink.update({ version: '1', upserts: [], removals: [], complete: true })
      return () => {}
    },
  }
  return { source, answer: () => answer() }
}

const REFUSE_ALL: InboundGate = { name: 'nobody', admit: () => ({ refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'no' }) }

describe('mesh.close()', () => {
  it('lets what has begun go on to call others, and ends the server and the calls after that', async () => {
    const orders = await serverOf('ok')
    const mesh = meshWith({ services: { orders: { endpoints: [orders.address] } } })
    let goOn = (): void => {}
    const server = createServer(
      mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
        response.end(await (await mesh.fetch('http://orders/')).text())
      }),
    )
    const port = await listen(server)
    const answer = get(port, '/')
    await vi.waitFor(() => expect(mesh.stats().inbound.inflight).toBe(1))
    const closed = mesh.close()
    expect(mesh.close()).toBe(closed)
    expect([mesh.health().state, mesh.stats().closed]).toEqual(['draining', false])
    await vi.waitFor(() => expect(server.listening).toBe(false))
    goOn()
    expect(await answer).toMatchObject({ status: 200, body: 'ok', headers: { connection: 'close' } })
    await closed
    expect([mesh.health(), mesh.stats().closed]).toEqual([{ ready: false, state: 'closed', missing: ['closed'] }, true])
    expect(await failureOf(mesh.fetch('http://orders/'))).toMatchObject({ cause: { code: 'MESH_CLOSED' } })
    expect(await failureOf(get(port, '/'))).toBeDefined()
  })

  it('closes at once where nothing came in', async () => {
    const mesh = meshWith()
    const closed = mesh.close()
    expect(mesh.stats().closed).toBe(true)
    await closed
  })

  it('ends Express and Fastify alike, and those may close themselves as well', async () => {
    const mesh = meshWith()
    const app = express()
    app.use(mesh.express())
    app.get('/', (_, response) => void response.send('express'))
    const first = app.listen(0, '127.0.0.1')
    const second = fastify()
    await second.register(mesh.fastify())
    second.get('/', () => 'fastify')
    await second.listen({ port: 0, host: '127.0.0.1' })
    const ports = [first, second.server].map((server) => (server.address() as AddressInfo).port)
    expect((await Promise.all(ports.map((port) => get(port, '/')))).map(({ body }) => body)).toEqual(['express', 'fastify'])
    await Promise.all([mesh.close(), second.close()])
    expect([first.listening, second.server.listening]).toEqual([false, false])
  })

  it('cuts off, when its time is up, what nobody answers and what was upgraded', async () => {
    const mesh = meshWith()
    const server = mesh.protect(createServer(() => {}))
    server.on('upgrade', (_, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'))
    const port = await listen(server)
    const upgraded = connect(port, '127.0.0.1')
    upgraded.on('error', () => {})
    upgraded.write('GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const unanswered = failureOf(get(port, '/'))
    await new Promise((resolve) => upgraded.once('data', resolve))
    const gone = new Promise((resolve) => upgraded.once('close', resolve))
    await mesh.close({ timeout: 400 })
    expect(await unanswered).toBeDefined()
    await gone
  })

  it('withdraws from registries before anything else', async () => {
    const mesh = meshWith()
    const order: string[] = []
    const stop = mesh.onDrain(() => order.push('not this one'))
    stop()
    mesh.onDrain(() => void order.push(mesh.health().state))
    await mesh.close()
    expect(order).toEqual(['draining'])
  })
})

describe('readiness', () => {
  it('waits for the sources; the first question starts them; strangers do not hear what is missing', async () => {
    const { source, answer } = lateSource()
    // A proxy hands on to strangers what it hears.
    const mesh = meshWith({ sources: [source], inbound: { trustedProxies: ['127.0.0.1'] } })
    const port = await listen(createServer(mesh.readinessHandler()))
    expect(mesh.health()).toEqual({ ready: false, state: 'starting', missing: ['registry'] })
    const first = await get(port, '/')
    expect([first.status, JSON.parse(first.body)]).toEqual([503, { state: 'starting' }])
    answer()
    await mesh.ready()
    const later = await get(port, '/')
    expect([later.status, JSON.parse(later.body), mesh.health()]).toEqual([
      200,
      { state: 'ready' },
      { ready: true, state: 'ready', missing: [] },
    ])
  })

  it.each(['path', 'handler'])('tells a peer of the mesh what is missing, by %s', async (door) => {
    const ca = new CertificateAuthority('example.org CA')
    const [ours, theirs] = ['orders', 'web'].map((name) =>
      ca.issue({ names: [`spiffe://example.org/ns/shop/sa/${name}`, 'orders.internal'] }),
    )
    const mesh = meshWith({
      identity: ours as Credentials,
      trust: { 'example.org': { ca: ca.cert } },
      sources: [lateSource().source],
      inbound: { tls: { mode: 'strict' }, health: { readiness: '/readyz' } },
    })
    const port = await listen(mesh.server(door === 'path' ? mesh.handler(() => {}) : mesh.readinessHandler()))
    const body = await new Promise<string>((resolve, reject) => {
      const options = { ...theirs, host: '127.0.0.1', port, path: '/readyz', ca: ca.cert, servername: 'orders.internal', agent: false }
      httpsGet(options as RequestOptions, (response) => response.setEncoding('utf8').on('data', resolve)).on('error', reject)
    })
    expect(JSON.parse(body)).toEqual({ state: 'starting', missing: ['registry'] })
  })

  it('is answered by the guard itself, before any gate, and to strangers in one word', async () => {
    const { source } = lateSource()
    const mesh = meshWith({ sources: [source], inbound: { gates: [REFUSE_ALL], health: { liveness: '/livez', readiness: '/readyz' } } })
    const port = await listen(createServer(mesh.handler(() => {})))
    const answers = await Promise.all(['/livez', '/readyz', '/readyz?x', '/%72eadyz', '/'].map((path) => get(port, path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 503, 403, 403, 403])
    expect(answers.slice(0, 2).map(({ body }) => JSON.parse(body))).toEqual([{ state: 'live' }, { state: 'starting' }])
  })

  it.each<[string, (mesh: Mesh) => Promise<number>]>([
    [
      'Express',
      async (mesh) => {
        const app = express()
        app.get('/livez', mesh.livenessHandler())
        app.get('/readyz', mesh.readinessHandler())
        const server = app.listen(0, '127.0.0.1')
        keep(() => server.close())
        await new Promise((resolve) => server.once('listening', resolve))
        return (server.address() as AddressInfo).port
      },
    ],
    [
      'Fastify',
      async (mesh) => {
        const app = fastify()
        app.get('/livez', mesh.livenessHandler())
        app.get('/readyz', mesh.readinessHandler())
        await app.listen({ port: 0, host: '127.0.0.1' })
        keep(() => app.close())
        return (app.server.address() as AddressInfo).port
      },
    ],
  ])('as a route of %s, from start to end', async (_, routes) => {
    const mesh = meshWith()
    const port = await routes(mesh)
    const ask = async (): Promise<unknown> => [await get(port, '/livez'), await get(port, '/readyz')].map(({ status }) => status)
    await mesh.ready()
    expect(await ask()).toEqual([200, 200])
    await mesh.close()
    expect(await ask()).toEqual([200, 503])
  })

  it('over gRPC behind the guard, and GOAWAY when the mesh leaves', async () => {
    const { source, answer } = lateSource()
    const mesh = meshWith({ service: 'web', sources: [source], inbound: { gates: [REFUSE_ALL], health: { grpc: true } } })
    const server = mesh.protect(createHttp2())
    const port = await listen(server)
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    keep(() => client.close())
    const seen: string[] = []
    const call = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      () => Buffer.alloc(0),
      (message: Buffer) => decodeHealthStatus(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])) ?? '?',
      {},
    )
    call.on('data', (status: string) => seen.push(status))
    call.on('error', () => {})
    await vi.waitFor(() => expect(seen).toEqual(['NOT_SERVING']))
    // The question itself has started the source.
    answer()
    await vi.waitFor(() => expect(seen).toEqual(['NOT_SERVING', 'SERVING']))
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    const goaway = new Promise((resolve) => session.once('goaway', resolve))
    await new Promise((resolve) => session.once('connect', resolve))
    await Promise.all([mesh.close(), goaway])
    expect(seen).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING'])
    expect(server.listening).toBe(false)
  })
})

import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect as connectHttp2, constants, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { FREE_PERMIT, type Permit } from '../../../src/core/gate.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { createMesh, type InboundGate, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2, sendRaw } from '../../support/raw-request.ts'

const { keep, listen } = lifetimes()

/** Forbids what has `no` in its path, and writes down how each call ended that it let through. */
class Recorder implements InboundGate {
  readonly name = 'recorder'
  readonly paths: string[] = []
  readonly outcomes: Outcome[] = []
  later = false

  admit(call: { path: string }): Permit | ReturnType<InboundGate['admit']> {
    this.paths.push(call.path)
    const verdict = call.path.includes('no')
      ? ({ refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'it says no' } as const)
      : { settle: (outcome: Outcome) => void this.outcomes.push({ ...outcome }) }
    return this.later ? new Promise((resolve) => setImmediate(resolve, verdict)) : verdict
  }
}

function meshWith(gate: InboundGate, options: MeshOptions = {}): Mesh {
  const mesh = createMesh({ ...options, inbound: { gates: [gate] } })
  keep(() => mesh.close())
  return mesh
}

const UPGRADE = ['Host: web', 'Connection: Upgrade', 'Upgrade: echo']

describe.each([false, true])('a protected server, whose gate answers later: %s', (later) => {
  const start = async (listeners: (server: Server) => void): Promise<{ port: number; gate: Recorder; mesh: Mesh }> => {
    const gate = new Recorder()
    gate.later = later
    const mesh = meshWith(gate)
    const server = mesh.protect(createServer((_, response) => response.end('request')))
    listeners(server)
    return { port: await listen(server), gate, mesh }
  }

  it('request', async () => {
    const { port, gate } = await start(() => {})
    expect([(await get(port, '/yes')).body, (await get(port, '/no')).status]).toEqual(['request', 403])
    expect(gate.outcomes).toMatchObject([{ verdict: 'success', status: 200 }])
  })

  it('upgrade, also the first thing that comes', async () => {
    const { port, gate } = await start((server) =>
      server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nupgraded')),
    )
    expect((await get(port, '/no', UPGRADE)).status).toBe(403)
    expect((await get(port, '/a/../no', UPGRADE)).status).toBe(403)
    expect(await sendRaw(port, `GET /yes HTTP/1.1\r\n${UPGRADE.join('\r\n')}\r\n\r\n`)).toMatchObject({ status: 101, body: 'upgraded' })
    expect(gate.paths).toEqual(['/no', '/no', '/yes'])
    await expect.poll(() => gate.outcomes).toMatchObject([{ verdict: 'success', status: 101 }])
  })

  it('connect', async () => {
    const hosts: string[] = []
    const { port } = await start((server) => {
      server.on('connect', (request: IncomingMessage, socket) => {
        hosts.push(request.url ?? '')
        socket.end('HTTP/1.1 200 Connected\r\n\r\ntunnel')
      })
    })
    expect((await sendRaw(port, 'CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n')).body).toBe('tunnel')
    expect((await sendRaw(port, 'CONNECT db:5432 HTTP/1.1\r\nHost: other\r\n\r\n')).status).toBe(400)
    expect(hosts).toEqual(['db:5432'])
  })

  it('checkContinue: nobody is asked for a body that would be refused', async () => {
    const post = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`
    const { port } = await start(() => {})
    const refused = await sendRaw(port, post('/no'))
    expect(refused).toMatchObject({ status: 403, headers: { connection: 'close' } })
    expect((await sendRaw(port, `${post('/yes')}ok`)).body).toBe('request')
  })

  it('checkContinue with a listener of its own', async () => {
    const { port } = await start((server) => server.on('checkContinue', (_, response) => response.end('asked')))
    const ask = (path: string): string => `POST ${path} HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`
    expect((await sendRaw(port, ask('/yes'))).body).toBe('asked')
    expect((await sendRaw(port, ask('/no'))).status).toBe(403)
  })

  it('checkExpectation', async () => {
    const { port } = await start((server) => server.on('checkExpectation', (_, response) => response.end('expected')))
    const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: web\r\nExpect: more\r\n\r\n`
    expect((await sendRaw(port, ask('/yes'))).body).toBe('expected')
    expect((await sendRaw(port, ask('/no'))).status).toBe(403)
  })

  it('stream of HTTP/2, and requests that follow from it are judged once', async () => {
    const gate = new Recorder()
    gate.later = later
    const server = meshWith(gate).protect(createHttp2Server())
    const seen: string[] = []
    server.on('stream', (_: ServerHttp2Stream, headers) => seen.push(String(headers[':path'])))
    server.on('request', (request, response) => response.end(request.url))
    const port = await listen(server)
    expect(await getHttp2(port, '/a/../yes?q')).toMatchObject({ status: 200, body: '/yes?q' })
    expect((await getHttp2(port, '/no')).headers['content-type']).toBe('application/problem+json')
    expect([seen, gate.paths]).toEqual([['/yes?q'], ['/yes?q', '/no']])
    await expect.poll(() => gate.outcomes).toMatchObject([{ verdict: 'success', status: 200 }])
  })

  it('a client that leaves is nobody to hold anything against', async () => {
    const gate = new Recorder()
    gate.later = later
    const mesh = meshWith(gate)
    let left = (): void => {}
    const gone = new Promise<void>((resolve) => {
      left = resolve
    })
    const server = createServer(
      mesh.handler((request, response) => {
        response.on('close', left)
        request.socket.destroy()
      }),
    )
    const port = await listen(server)
    await sendRaw(port, 'GET /yes HTTP/1.1\r\nHost: web\r\n\r\n').catch(() => {})
    await gone
    expect(gate.outcomes).toMatchObject([{ verdict: 'ignored' }])
    expect(mesh.stats().inbound).toMatchObject({ requests: 1, inflight: 0, refused: {} })
  })
})

it.each([constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR])(
  'a client of HTTP/2 that resets a stream before its end has left, also with code %d',
  async (code) => {
    const gate = new Recorder()
    const mesh = meshWith(gate)
    const server = mesh.protect(createHttp2Server())
    let signal: AbortSignal | undefined
    server.on('stream', (stream: ServerHttp2Stream) => {
      signal = mesh.current()?.signal
      stream.on('error', () => {})
      stream.respond({ ':status': 200 })
      stream.write('one event')
    })
    const session = connectHttp2(`http://127.0.0.1:${await listen(server)}`)
    keep(() => session.destroy())
    const stream = session.request({ ':path': '/yes' })
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('data', resolve))
    stream.close(code)
    await expect.poll(() => gate.outcomes).toMatchObject([{ verdict: 'ignored' }])
    expect(signal?.aborted).toBe(true)
  },
)

describe('mesh.handler', () => {
  it('protects the whole server from its first request on', async () => {
    const mesh = meshWith(new Recorder())
    const server = createServer(mesh.handler((_, response) => void response.end('request')))
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n'))
    const port = await listen(server)
    await get(port, '/yes')
    expect((await get(port, '/no', UPGRADE)).status).toBe(403)
  })
})

describe('what goes wrong', () => {
  it.each<[string, InboundGate['admit']]>([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['answers nothing', () => undefined as never],
    ['answers nonsense', () => ({}) as never],
    ['answers nothing later', () => Promise.resolve(undefined as never)],
  ])('a gate that %s refuses, and those before it are told', async (_, admit) => {
    const errors: unknown[] = []
    const refused: unknown[] = []
    const told: Outcome[] = []
    const gates: InboundGate[] = [
      { name: 'free', admit: () => FREE_PERMIT },
      { name: 'before', admit: () => ({ settle: (outcome) => void told.push(outcome) }) },
      { name: 'broken', admit },
    ]
    const mesh = createMesh({ service: 'web', inbound: { gates }, logger: { warn() {}, error: (...all) => void errors.push(all) } })
    keep(() => mesh.close())
    mesh.on('refused', (event) => refused.push(event))
    const port = await listen(createServer(mesh.handler((_request, response) => void response.end())))
    expect((await get(port, '/')).status).toBe(500)
    expect(told.map(({ verdict }) => verdict)).toEqual(['ignored'])
    expect(refused).toEqual([{ service: 'web', gate: 'broken', code: 'MESH_CONFIG', flags: [], reason: 'a gate failed' }])
    expect(errors).toHaveLength(1)
    expect(mesh.stats().inbound.refused).toEqual({ broken: { MESH_CONFIG: 1 } })
  })

  it('a mesh that is closed lets nobody in', async () => {
    const mesh = meshWith(new Recorder())
    const port = await listen(createServer(mesh.handler((_, response) => void response.end())))
    await mesh.close()
    expect((await get(port, '/')).status).toBe(503)
  })
})

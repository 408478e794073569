import { createServer, type Server } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Server as NetServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import type { Permit } from '../../../src/core/gate.ts'
import { createMesh, type InboundGate, type Mesh } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2 } from '../../support/raw-request.ts'

const { keep } = lifetimes()
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Lets in at once, and counts what came back. */
class First implements InboundGate {
  readonly name = 'first'
  settled = 0
  admit(): Permit {
    return { settle: () => void this.settled++ }
  }
}

/** Answers when it is told to. */
class Late implements InboundGate {
  readonly name = 'late'
  readonly answers: ((permit: Permit) => void)[] = []
  settled = 0
  admit(): Promise<Permit> {
    return new Promise((resolve) => this.answers.push(resolve))
  }
  answer(): void {
    for (const resolve of this.answers) resolve({ settle: () => void this.settled++ })
  }
}

interface Guarded {
  port: number
  mesh: Mesh
  first: First
  late: Late
  served: string[]
}

async function guarded(make: () => NetServer = createServer): Promise<Guarded> {
  const [first, late] = [new First(), new Late()]
  const mesh = createMesh({ inbound: { gates: [first, late], trustedProxies: ['127.0.0.1'] } })
  const server = mesh.protect(make()) as Server
  const served: string[] = []
  server.on('request', (request, response) => {
    served.push(request.url ?? '')
    response.end('ok')
  })
  server.on('upgrade', (request, socket) => {
    served.push(request.url ?? '')
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => mesh.close({ timeout: 0 }))
  return { port: (server.address() as AddressInfo).port, mesh, first, late, served }
}

const HEADS = {
  'a request': 'GET / HTTP/1.1\r\nHost: web\r\n\r\n',
  'an upgrade': 'GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
  'a tunnel': 'CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n',
}

describe('a gate that takes its time', () => {
  it.each(Object.entries(HEADS))('%s whose client leaves gives its permits back at once, and reaches nobody', async (_, head) => {
    const { port, mesh, first, late, served } = await guarded(() => createServer().on('connect', () => {}))
    const socket = connect(port, '127.0.0.1', () => socket.write(head))
    socket.on('error', () => {})
    while (late.answers.length === 0) await pause(1)
    socket.resetAndDestroy()
    await vi.waitFor(() => expect([first.settled, mesh.stats().inbound.inflight]).toEqual([1, 0]))
    late.answer()
    await pause(5)
    expect([first.settled, late.settled, mesh.stats().inbound.inflight, served]).toEqual([1, 1, 0, []])
  })

  it('over HTTP/2: a stream that is reset gives its permits back at once', async () => {
    const { port, mesh, first, late, served } = await guarded(createHttp2Server as unknown as () => NetServer)
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    keep(() => session.destroy())
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    while (late.answers.length === 0) await pause(1)
    stream.close(8)
    await vi.waitFor(() => expect([first.settled, mesh.stats().inbound.inflight]).toEqual([1, 0]))
    late.answer()
    await pause(5)
    expect([first.settled, late.settled, served]).toEqual([1, 1, []])
  })

  it.each(['HTTP/1', 'HTTP/2'])('%s: nobody waits for it longer than the client does', async (version) => {
    const old = version === 'HTTP/1'
    const { port, mesh, first, late, served } = await guarded(old ? createServer : (createHttp2Server as unknown as () => NetServer))
    const answer = old
      ? await get(port, '/', ['Host: web', 'x-envoy-expected-rq-timeout-ms: 50'])
      : await getHttp2(port, '/', { 'x-envoy-expected-rq-timeout-ms': '50' })
    expect(answer.status).toBe(504)
    expect(mesh.stats().inbound).toMatchObject({ inflight: 0, refused: { late: { MESH_DEADLINE: 1 } } })
    late.answer()
    await pause(5)
    expect([first.settled, late.settled, served]).toEqual([1, 1, []])
  })

  it('a mesh that closes meanwhile gives permits back and lets nobody in', async () => {
    const { port, mesh, first, late, served } = await guarded()
    const answer = get(port, '/').catch(() => undefined)
    while (late.answers.length === 0) await pause(1)
    await mesh.close({ timeout: 50 })
    await answer
    await pause(5)
    expect([first.settled, mesh.stats().inbound.inflight]).toEqual([1, 0])
    late.answer()
    await pause(5)
    expect([first.settled, late.settled, served]).toEqual([1, 1, []])
  })
})

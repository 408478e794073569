import { createServer as createPlain, type RequestListener } from 'node:http'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { Agent, createServer, request as httpsRequest } from 'node:https'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { createMesh, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get } from '../../support/raw-request.ts'
import { CertificateAuthority } from '../../support/tls.ts'

const { keep, listen } = lifetimes()
const ca = new CertificateAuthority('example.org CA')
const ours = ca.issue({ names: ['spiffe://example.org/ns/shop/sa/orders', 'orders.internal'] })
const WEB = 'spiffe://example.org/ns/shop/sa/web'
const theirs = ca.issue({ names: [WEB] })
const MINUTE = 60_000

/** The system's clock, whose wall can be turned. */
function turned(): { clock: NonNullable<MeshOptions['clock']>; by: { ms: number } } {
  const by = { ms: 0 }
  const clock = Object.assign(Object.create(systemClock) as typeof systemClock, { wallTime: () => Date.now() + by.ms })
  return { clock, by }
}

function meshOf(options: MeshOptions): Mesh {
  const mesh = createMesh({ identity: ours, trust: { 'example.org': { ca: ca.cert } }, ...options })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

/** Asks over the one connection of `agent`. */
function ask(port: number, agent: Agent): Promise<{ status: number; socket: object }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: '127.0.0.1', port, agent, servername: 'orders.internal', headers: { host: 'orders' } },
      (response) => {
        const { socket } = response
        response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, socket }))
      },
    )
    request.on('error', reject).end()
  })
}

const hello: RequestListener = (_, response) => void response.end('hello')
const webOnly = [{ name: 'web', rules: [{ from: [{ source: { principals: [WEB.slice('spiffe://'.length)] } }] }] }]

describe('mode strict', () => {
  const strict: MeshOptions = { inbound: { tls: { mode: 'strict' }, health: { liveness: '/livez' } } }

  it('serves nobody in clear text but those who ask for health', async () => {
    const mesh = meshOf(strict)
    const port = await listen(createPlain(mesh.handler(hello)))
    const answer = await get(port, '/')
    expect(answer.status).toBe(403)
    expect(answer.body).not.toContain('strict')
    expect((await get(port, '/livez')).status).toBe(200)
  })

  it('takes the word of a trusted proxy for nothing, where it comes in clear text', async () => {
    const mesh = meshOf({ inbound: { ...strict.inbound, trustedProxies: ['127.0.0.1'] } })
    const port = await listen(createPlain(mesh.handler(hello)))
    expect((await get(port, '/', ['Host: web', `x-forwarded-client-cert: URI=${WEB}`])).status).toBe(403)
  })

  it('holds for a server of another certificate that asks nobody who he is', async () => {
    const mesh = meshOf(strict)
    const port = await listen(createServer(ours, mesh.handler(hello)))
    const agent = new Agent({ ca: ca.cert, keepAlive: true })
    keep(() => agent.destroy())
    expect((await ask(port, agent)).status).toBe(403)
  })

  it('is not asked of a server that was asked for in another mode', async () => {
    const mesh = meshOf(strict)
    const clear = await listen(mesh.server(mesh.handler(hello), { mode: 'off' }))
    const both = await listen(mesh.server(mesh.handler(hello), { mode: 'permissive' }))
    expect([(await get(clear, '/')).status, (await get(both, '/')).status]).toEqual([200, 200])
  })

  it('lets peers in that prove who they are', async () => {
    const mesh = meshOf(strict)
    const port = await listen(createServer(mesh.tls(), mesh.handler(hello)))
    const agent = new Agent({ ca: ca.cert, ...theirs })
    expect((await ask(port, agent)).status).toBe(200)
  })
})

describe('a certificate that ends while its connection goes on', () => {
  it('proves nothing any more, over HTTP/1', async () => {
    const { clock, by } = turned()
    const mesh = meshOf({ clock, inbound: { authorization: webOnly } })
    const port = await listen(createServer(mesh.tls(), mesh.handler(hello)))
    const agent = new Agent({
      ca: ca.cert,
      keepAlive: true,
      maxSockets: 1,
      ...ca.issue({ names: [WEB], notAfter: new Date(Date.now() + MINUTE) }),
    })
    keep(() => agent.destroy())
    const before = await ask(port, agent)
    by.ms = 2 * MINUTE
    const after = await ask(port, agent)
    expect([before.status, after.status, after.socket === before.socket]).toEqual([200, 403, true])
  })

  it('proves nothing any more, over HTTP/2', async () => {
    const { clock, by } = turned()
    const mesh = meshOf({ clock, inbound: { authorization: webOnly } })
    const port = await listen(
      createSecureServer(
        mesh.tls(),
        mesh.handler((_request, response) => void response.end('hello')),
      ),
    )
    const credentials = ca.issue({ names: [WEB], notAfter: new Date(Date.now() + MINUTE) })
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: ca.cert, servername: 'orders.internal', ...credentials })
    keep(() => session.destroy())
    const status = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/', ':authority': 'orders' })
        stream.on('response', (head) => resolve(head[':status'])).on('error', reject)
        stream.resume()
      })
    const before = await status()
    by.ms = 2 * MINUTE
    expect([before, await status()]).toEqual([200, 403])
  })

  it('of a server that is not made from our options, too', async () => {
    const { clock, by } = turned()
    const mesh = meshOf({ clock, inbound: { authorization: webOnly } })
    const port = await listen(createServer({ ...ours, ca: ca.cert, requestCert: true }, mesh.handler(hello)))
    const agent = new Agent({
      ca: ca.cert,
      keepAlive: true,
      maxSockets: 1,
      ...ca.issue({ names: [WEB], notAfter: new Date(Date.now() + MINUTE) }),
    })
    keep(() => agent.destroy())
    const before = await ask(port, agent)
    by.ms = 2 * MINUTE
    expect([before.status, (await ask(port, agent)).status]).toEqual([200, 403])
  })
})

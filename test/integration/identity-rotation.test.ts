import { createSecureServer, connect as http2Connect } from 'node:http2'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { meshErrorIn } from '../support/scenario.ts'
import { TempDir } from '../support/temp-dir.ts'
import { CertificateAuthority, type Credentials } from '../support/tls.ts'
import { tlsRequest } from '../support/tls-client.ts'

const { keep, listen } = lifetimes()
const WEB = 'spiffe://example.org/ns/shop/sa/web'
const ORDERS = 'spiffe://example.org/ns/shop/sa/orders'
const oldCa = new CertificateAuthority('old root')
const newCa = new CertificateAuthority('new root')

/** The files of one identity, as an issuer writes them. */
class Workload {
  readonly directory = new TempDir()
  readonly id: string

  constructor(id: string, ca = oldCa) {
    this.id = id
    keep(() => this.directory.remove())
    this.rotate(ca)
    this.believe(ca)
  }

  rotate(ca = oldCa): Credentials {
    const made = ca.issue({ names: [this.id] })
    this.directory.replace('cert.pem', made.cert)
    this.directory.replace('key.pem', made.key)
    return made
  }

  believe(...cas: CertificateAuthority[]): void {
    this.directory.replace('ca.pem', cas.map(({ cert }) => cert).join(''))
  }

  mesh(options: MeshOptions = {}): Mesh {
    const mesh = createMesh({
      identity: { certFile: this.directory.at('cert.pem'), keyFile: this.directory.at('key.pem') },
      trust: { 'example.org': { caFile: this.directory.at('ca.pem') } },
      ...options,
    })
    keep(() => mesh.close({ timeout: 0 }))
    return mesh
  }
}

function once(mesh: Mesh, event: Parameters<Mesh['on']>[0], wanted: (payload: never) => boolean = () => true): Promise<unknown> {
  return new Promise((resolve) => {
    const off = mesh.on(event, (payload) => {
      if (!wanted(payload as never)) return
      off()
      resolve(payload)
    })
  })
}

/** A server of the orders and a client of them, both with files. */
async function pair() {
  const orders = new Workload(ORDERS)
  const web = new Workload(WEB)
  const server = orders.mesh()
  const port = await listen(createServer(server.tls(), (_, response) => response.end('ok')))
  const client = web.mesh({
    services: { orders: { endpoints: [`127.0.0.1:${port}`], tls: { mode: 'mutual', sans: [ORDERS] }, retry: false } },
  })
  await client.ready()
  return { orders, web, server, client, port }
}

describe('rotation', () => {
  it('of both sides while calls go on loses none of them', async () => {
    const { orders, web, server, client } = await pair()
    const failures: string[] = []
    let calls = 0
    let running = true
    const load = Array.from({ length: 8 }, async () => {
      while (running) {
        const error = await failureOf(client.fetch('http://orders/', { method: 'POST', body: 'x' }).then((answer) => answer.text()))
        if (error !== undefined) failures.push(String(meshErrorIn(error)?.message ?? error))
        calls++
      }
    })
    for (let round = 0; round < 8; round++) {
      const turned = Promise.all([once(server, 'identityRotated'), once(client, 'identityRotated')])
      orders.rotate()
      web.rotate()
      await turned
      const before = calls
      while (calls < before + 20 && failures.length === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    running = false
    await Promise.all(load)
    expect(failures).toEqual([])
    expect(server.stats().identity.generation).toBeGreaterThanOrEqual(10)
  })

  it('of a certificate and a key that are written apart waits until both fit', async () => {
    const { orders, server, client, port } = await pair()
    const { generation } = server.stats().identity
    const rejected = once(server, 'identityRejected')
    const made = oldCa.issue({ names: [ORDERS] })
    orders.directory.replace('cert.pem', made.cert)
    // Told when it does not fit for long; the old pair serves on.
    expect(await rejected).toEqual({ what: 'identity', reason: 'key is not the key of cert' })
    expect(server.stats().identity.generation).toBe(generation)
    expect((await client.fetch('http://orders/')).status).toBe(200)
    const rotated = once(server, 'identityRotated')
    orders.directory.replace('key.pem', made.key)
    await rotated
    const shown = await tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) })
    expect(shown.text).toContain('ok')
    expect(shown.server).toBe(made.cert)
  })

  it('of a Kubernetes volume, whose one link changes everything', async () => {
    const directory = new TempDir()
    keep(() => directory.remove())
    const volume = (): Record<string, string> => {
      const { cert, key } = oldCa.issue({ names: [ORDERS] })
      return { 'tls.crt': cert, 'tls.key': key, 'ca.crt': oldCa.cert }
    }
    directory.mountVolume(volume())
    const at = (name: string): string => directory.at(name)
    const mesh = createMesh({ identity: { certFile: at('tls.crt'), keyFile: at('tls.key'), caFile: at('ca.crt') } })
    keep(() => mesh.close({ timeout: 0 }))
    const port = await listen(createServer(mesh.tls(), (_, response) => response.end('ok')))
    const credentials = { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) }
    for (let round = 0; round < 3; round++) {
      const next = volume()
      const rotated = once(mesh, 'identityRotated')
      directory.swapVolume(next)
      await rotated
      expect((await tlsRequest(port, credentials)).server).toBe(next['tls.crt'])
    }
  })

  it('of the root passes through a time in which both are believed', async () => {
    const { orders, web, server, client } = await pair()
    const call = async (): Promise<number> => (await client.fetch('http://orders/')).status
    const believed = (mesh: Mesh, authorities: number) =>
      once(mesh, 'trustChanged', (payload: { authorities: number }) => payload.authorities === authorities)
    expect(await call()).toBe(200)
    let changed = Promise.all([believed(server, 2), believed(client, 2)])
    orders.believe(oldCa, newCa)
    web.believe(oldCa, newCa)
    await changed
    expect(await call()).toBe(200)
    for (const [workload, mesh] of [
      [orders, server],
      [web, client],
    ] as const) {
      const rotated = once(mesh, 'identityRotated')
      workload.rotate(newCa)
      await rotated
      expect(await call()).toBe(200)
    }
    changed = Promise.all([believed(server, 1), believed(client, 1)])
    orders.believe(newCa)
    web.believe(newCa)
    await changed
    expect(await call()).toBe(200)
    // Who still shows a certificate of the former root is nobody now.
    web.rotate(oldCa)
    await once(client, 'identityRotated')
    expect(await failureOf(client.fetch('http://orders/'))).toBeDefined()
  })

  it('keeps what was good when a bundle holds no authority', async () => {
    const { orders, server, client } = await pair()
    const rejected = once(server, 'identityRejected')
    orders.directory.replace('ca.pem', oldCa.issue({ names: [ORDERS] }).cert)
    expect(await rejected).toEqual({ what: 'trust.example.org', reason: 'certificate 1 is not that of an authority' })
    expect((await client.fetch('http://orders/')).status).toBe(200)
  })
})

describe('what is believed no more', () => {
  it('a connection whose certificate was revoked is closed, and none is taken up again', async () => {
    const orders = new Workload(ORDERS)
    orders.directory.replace('crl.pem', oldCa.revoke([]))
    const server = orders.mesh({
      trust: { 'example.org': { caFile: orders.directory.at('ca.pem'), crlFile: orders.directory.at('crl.pem') } },
    })
    const port = await listen(createServer(server.tls(), (_, response) => response.end('ok')))
    const good = oldCa.issue({ names: [WEB] })
    const bad = oldCa.issue({ names: [WEB] })
    const as = (who: Credentials, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3') =>
      tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, maxVersion, ...who })
    expect((await as(bad)).text).toContain('ok')
    const open = tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...bad }, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const rejected = once(server, 'peerRejected')
    const changed = once(server, 'trustChanged')
    // The revocation may come before the connection that is to be closed has come.
    await new Promise((resolve) => setTimeout(resolve, 100))
    orders.directory.replace('crl.pem', oldCa.revoke([bad.cert]))
    await changed
    expect(await rejected).toMatchObject({ reason: 'it was revoked' })
    await open
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      expect((await as(bad, version)).text).toBe('')
      expect((await as(good, version)).text).toContain('ok')
    }
  })

  it('a revocation list that has ended, or of another issuer, lets nobody in', async () => {
    for (const crl of [oldCa.revoke([], new Date(Date.now() - 1_000)), newCa.revoke([])]) {
      const mesh = createMesh({ identity: oldCa.issue({ names: [ORDERS] }), trust: { 'example.org': { ca: oldCa.cert, crl } } })
      keep(() => mesh.close({ timeout: 0 }))
      const port = await listen(createServer(mesh.tls(), (_, response) => response.end('ok')))
      const rejected = once(mesh, 'peerRejected')
      const answer = await tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) })
      expect(answer.text).toBe('')
      expect(await rejected).toMatchObject({ reason: 'there is no valid revocation list of its issuer' })
    }
  })

  it('no session is resumed under mutual TLS', async () => {
    const { port } = await pair()
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let session: Buffer | undefined
      const options = { ca: oldCa.cert, checkServerIdentity: () => undefined, maxVersion, ...oldCa.issue({ names: [WEB] }) }
      const first = await tlsRequest(port, options, undefined, (ticket) => {
        session = ticket
      })
      const second = await tlsRequest(port, { ...options, session })
      expect([first.text, second.text].every((text) => text.includes('ok'))).toBe(true)
      expect(second.reused).toBe(false)
    }
  })
})

describe('every server of Node', () => {
  it('that was made before a rotation and took no connection yet shows the new certificate, without SNI too', async () => {
    const orders = new Workload(ORDERS)
    const mesh = orders.mesh()
    const server = createServer(mesh.tls(), (_, response) => response.end('ok'))
    const rotated = once(mesh, 'identityRotated')
    const made = orders.rotate()
    await rotated
    const port = await listen(server)
    const answer = await tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) })
    expect(answer.server).toBe(made.cert)
    expect(answer.text).toContain('ok')
  })

  it('old connections end after their answer, over HTTP/1 and HTTP/2', async () => {
    const orders = new Workload(ORDERS)
    const mesh = orders.mesh()
    const options = { maxConnectionAge: 100 }
    const port = await listen(createServer(mesh.tls(options), (_, response) => response.end('ok')))
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
    const credentials = { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) }
    // The second request comes when the connection is old; the third would not be answered.
    const answer = await tlsRequest(port, credentials, request, undefined, { after: 200, request })
    expect(answer.text.match(/HTTP\/1.1 200/g)).toHaveLength(2)
    expect(answer.text.split('HTTP/1.1 200')[1]).toContain('keep-alive')
    expect(answer.text.split('HTTP/1.1 200')[2]).toMatch(/connection: close/i)

    const secure = createSecureServer(mesh.tls(options))
    const principals: unknown[] = []
    secure.on('stream', (stream) => {
      principals.push(mesh.principalOf(stream.session?.socket ?? {})?.id)
      stream.respond()
      stream.end('ok')
    })
    const session = http2Connect(`https://127.0.0.1:${await listen(secure)}`, credentials)
    const closed = new Promise((resolve) => session.once('close', resolve))
    const goaway = new Promise((resolve) => session.once('goaway', resolve))
    const text = await new Promise((resolve) => session.request({ ':path': '/' }).setEncoding('utf8').once('data', resolve).end())
    expect([text, principals]).toEqual(['ok', [WEB]])
    await Promise.all([goaway, closed])
    // Of somebody else neither a session nor a socket is heard of.
    const heard: string[] = []
    for (const event of ['session', 'stream', 'secureConnection']) secure.on(event, () => heard.push(event))
    const stranger = http2Connect(`https://127.0.0.1:${(secure.address() as AddressInfo).port}`, {
      ...credentials,
      ...oldCa.issue({ names: ['spiffe://other.org/web'] }),
    })
    stranger.on('error', () => {})
    await new Promise((resolve) => stranger.once('close', resolve))
    expect(heard).toEqual([])
  })

  it.each(['https', 'serverFactory'] as const)('Fastify, by its option %s', async (way) => {
    const orders = new Workload(ORDERS)
    const mesh = orders.mesh({ inbound: { tls: { mode: way === 'https' ? 'strict' : 'permissive' } } })
    const app = way === 'https' ? Fastify({ https: mesh.tls() }) : Fastify({ serverFactory: (handler) => mesh.server(handler) })
    ;(app as FastifyInstance).get('/hello', (request) => mesh.principalOf(request.raw.socket)?.id ?? 'nobody')
    await app.listen({ port: 0, host: '127.0.0.1' })
    keep(() => app.close())
    const { port } = app.server.address() as AddressInfo
    const who = async (ca: CertificateAuthority, id: string): Promise<string> =>
      (await tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...ca.issue({ names: [id] }) })).text
    expect(await who(oldCa, WEB)).toContain(WEB)
    expect(await who(oldCa, 'spiffe://other.org/web')).toBe('')
    expect(await who(newCa, WEB)).toBe('')
    if (way === 'serverFactory') expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).toBe('nobody')
    const rotated = once(mesh, 'identityRotated')
    orders.rotate()
    await rotated
    expect(await who(oldCa, WEB)).toContain(WEB)
  })

  it('a handshake that hangs and clear text on the TLS port end, and disturb nobody', async () => {
    const orders = new Workload(ORDERS)
    const mesh = orders.mesh()
    const port = await listen(createServer(mesh.tls({ handshakeTimeout: 100 }), (_, response) => response.end('ok')))
    const silent = connect(port, '127.0.0.1')
    const ended = new Promise((resolve) => silent.once('close', resolve))
    silent.on('error', () => {})
    const plain = await failureOf(fetch(`http://127.0.0.1:${port}/`))
    expect(plain).toBeDefined()
    expect(
      (await tlsRequest(port, { ca: oldCa.cert, checkServerIdentity: () => undefined, ...oldCa.issue({ names: [WEB] }) })).text,
    ).toContain('ok')
    await ended
  })
})

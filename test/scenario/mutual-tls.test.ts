import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions, type TlsOptions } from '../../src/index.ts'
import { failureOf } from '../support/failure.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { meshErrorIn } from '../support/scenario.ts'
import { CertificateAuthority, type Credentials, tlsFront } from '../support/tls.ts'

const { keep, serverOf } = lifetimes()
const ca = new CertificateAuthority('example.org CA')
const otherCa = new CertificateAuthority('other.org CA')
const strangerCa = new CertificateAuthority('stranger CA')
const HOUR = 3_600_000
const WEB = 'spiffe://example.org/ns/shop/sa/web'
const ORDERS = 'spiffe://example.org/ns/shop/sa/orders'
const web = ca.issue({ names: [WEB] })
const trust = { 'example.org': { ca: ca.cert }, 'other.org': { ca: otherCa.cert } }

function meshOf(options: MeshOptions): Mesh {
  const mesh = createMesh({ identity: web, trust, ...options })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

function client(endpoint: string, tls: TlsOptions = {}, options: MeshOptions = {}): Mesh {
  return meshOf({
    services: { orders: { endpoints: [endpoint], tls: { mode: 'mutual', ...tls }, retry: false, connectTimeout: '2s' } },
    ...options,
  })
}

/** A TLS server with this certificate before a plain one. */
async function front(credentials: Credentials, clientCa?: string) {
  const plain = await serverOf('ok')
  const made = await tlsFront(plain.address, credentials, clientCa)
  keep(() => made.close())
  return made
}

describe('a mutual call', () => {
  it('shows our certificate and takes the id of our own trust domain', async () => {
    const server = await front(ca.issue({ names: [ORDERS] }), ca.cert)
    const mesh = client(server.address)
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(server.clients).toHaveLength(1)
    expect(mesh.explain({ url: 'http://orders/' }).tls).toBe('mutual TLS, SPIFFE id of our own trust domain')
  })

  it.each<[string, string, string[]]>([
    ['the exact id', ORDERS, [ORDERS]],
    ['one of several', ORDERS, ['spiffe://example.org/x', ORDERS]],
    ['anybody of a trust domain', ORDERS, ['spiffe://example.org/*']],
    ['a path below', ORDERS, ['spiffe://example.org/ns/shop/*']],
    ['an ending', ORDERS, ['*/sa/orders']],
    ['anybody of ours', ORDERS, ['*']],
  ])('matches %s', async (_, id, sans) => {
    const server = await front(ca.issue({ names: [id] }), ca.cert)
    expect((await client(server.address, { sans }).fetch('http://orders/')).status).toBe(200)
  })

  it('reaches another trust domain that is named and believed', async () => {
    const server = await front(otherCa.issue({ names: ['spiffe://other.org/orders'] }), ca.cert)
    expect((await client(server.address, { sans: ['spiffe://other.org/orders'] }).fetch('http://orders/')).status).toBe(200)
    expect((await client(server.address, { sans: ['spiffe://other.org/*'] }).fetch('http://orders/')).status).toBe(200)
  })

  const spiffe = { names: [ORDERS] }
  it.each<[string, () => Credentials, TlsOptions, RegExp]>([
    ['another id', () => ca.issue({ names: ['spiffe://example.org/ns/shop/sa/evil'] }), { sans: [ORDERS] }, /none of the names/],
    ['a longer id', () => ca.issue({ names: [`${ORDERS}-evil`] }), { sans: [ORDERS] }, /none of the names/],
    ['another trust domain', () => otherCa.issue({ names: ['spiffe://other.org/orders'] }), {}, /another trust domain/],
    [
      'another trust domain than the one named',
      () => otherCa.issue({ names: ['spiffe://other.org/orders'] }),
      { sans: [ORDERS] },
      /another trust domain/,
    ],
    [
      'an ending in another trust domain',
      () => otherCa.issue({ names: ['spiffe://other.org/sa/orders'] }),
      { sans: ['*/sa/orders'] },
      /another trust domain/,
    ],
    ['our id by the authority of another', () => otherCa.issue(spiffe), {}, /issuer is unknown/],
    [
      'the id of another by our authority',
      () => ca.issue({ names: ['spiffe://other.org/orders'] }),
      { sans: ['spiffe://other.org/*'] },
      /issuer is unknown/,
    ],
    ['an unknown authority', () => strangerCa.issue(spiffe), {}, /local issuer/],
    ['an expired certificate', () => ca.issue({ ...spiffe, notAfter: new Date(Date.now() - HOUR) }), {}, /expired/],
    ['one not valid yet', () => ca.issue({ ...spiffe, notBefore: new Date(Date.now() + HOUR) }), {}, /not yet valid/],
    ['a name only', () => ca.issue({ names: ['orders'] }), {}, /no SPIFFE id/],
    ['no names', () => ca.issue({ names: [] }), {}, /no SPIFFE id/],
    ['two ids', () => ca.issue({ names: [ORDERS, 'spiffe://example.org/b'] }), {}, /2 URIs/],
    ['an encoded path', () => ca.issue({ names: ['spiffe://example.org/a%2fb'] }), {}, /letters/],
    ['the id of the trust domain', () => ca.issue({ names: ['spiffe://example.org'] }), {}, /no path/],
    ['an authority', () => ca.issue({ ...spiffe, authority: true }), {}, /./],
    ['a key for certificates', () => ca.issue({ ...spiffe, keyUsage: ['digitalSignature', 'keyCertSign'] }), {}, /signing certificates/],
    ['a certificate for clients', () => ca.issue({ ...spiffe, purposes: ['client'] }), {}, /./],
    [
      'a name in mode simple',
      () => ca.issue({ names: ['evil.internal'] }),
      { mode: 'simple', ca: ca.cert, sans: ['orders.internal'] },
      /none of the names/,
    ],
  ])('does not send a byte to: %s', async (_, credentials, tls, reason) => {
    const server = await front(credentials())
    const mesh = client(server.address, tls)
    const error = meshErrorIn(await failureOf(mesh.fetch('http://orders/secret', { method: 'POST', body: 'secret' })))
    expect(error?.code).toBe('MESH_TLS')
    expect(error?.message).toMatch(reason)
    expect(server.bytesIn).toBe(0)
  })

  it.each<[string, string[], string[]]>([
    ['a name that sans give in place of the host', ['orders.internal'], ['orders.internal']],
    ['a wildcard in the certificate', ['*.internal'], ['orders.internal']],
    ['a SPIFFE id', [ORDERS], [ORDERS]],
  ])('mode simple matches %s', async (_, names, sans) => {
    const server = await front(ca.issue({ names }))
    expect((await client(server.address, { mode: 'simple', ca: ca.cert, sans }).fetch('http://orders/')).status).toBe(200)
  })

  it('moves on from an endpoint that is somebody else', async () => {
    const good = await front(ca.issue({ names: [ORDERS] }), ca.cert)
    const bad = await front(ca.issue({ names: ['spiffe://example.org/evil'] }))
    const mesh = meshOf({ services: { orders: { endpoints: [bad.address, good.address], tls: { mode: 'mutual', sans: [ORDERS] } } } })
    for (let call = 0; call < 6; call++) expect((await mesh.fetch('http://orders/', { method: 'POST', body: 'x' })).status).toBe(200)
    expect(bad.bytesIn).toBe(0)
  })

  it('ends when a handshake hangs, and when clear text answers', async () => {
    const silent = createTcpServer(() => {})
    const plain = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
    for (const server of [silent, plain]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      keep(() => server.close())
      const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`
      const mesh = meshOf({ services: { orders: { endpoints: [endpoint], tls: { mode: 'mutual' }, retry: false, connectTimeout: 200 } } })
      expect(meshErrorIn(await failureOf(mesh.fetch('http://orders/')))?.code).toBe('MESH_TLS')
    }
  })

  it('fails without an identity that has come, and blames no endpoint', async () => {
    const server = await front(ca.issue({ names: [ORDERS] }))
    const mesh = client(server.address, {}, { identity: { certFile: '/nowhere/cert.pem', keyFile: '/nowhere/key.pem' } })
    const error = meshErrorIn(await failureOf(mesh.fetch('http://orders/')))
    expect([error?.code, error?.message]).toEqual(['MESH_TLS', expect.stringContaining('there is no certificate yet')])
    expect(server.handshakes).toBe(0)
    expect(mesh.stats().services['orders']?.endpoints[0]?.failures).toBe(0)
    expect(meshErrorIn(await failureOf(mesh.ready({ timeout: 50 })))?.message).toContain('identity')
  })

  it('health checks are as particular as calls', async () => {
    const good = await front(ca.issue({ names: [ORDERS] }), ca.cert)
    const bad = await front(ca.issue({ names: ['spiffe://example.org/evil'] }))
    const mesh = meshOf({
      services: {
        orders: {
          endpoints: [good.address, bad.address],
          tls: { mode: 'mutual', sans: [ORDERS] },
          healthCheck: { type: 'http', path: '/', noTrafficInterval: 50, interval: 50, unhealthyAfter: 1 },
        },
      },
    })
    const unhealthy = new Promise<{ endpoint: string; reason: string }>((resolve) => mesh.on('endpointUnhealthy', resolve))
    await mesh.ready()
    expect(await unhealthy).toMatchObject({ endpoint: bad.address, reason: expect.stringContaining('none of the names') })
    expect(bad.bytesIn).toBe(0)
    await expect.poll(() => mesh.stats().services['orders']?.endpoints.map(({ state }) => state)).toEqual(['healthy', 'unhealthy'])
  })

  it('works from mesh to mesh, and each knows the other', async () => {
    const orders = createMesh({ identity: ca.issue({ names: [ORDERS] }), trust })
    keep(() => orders.close({ timeout: 0 }))
    const seen: unknown[] = []
    const server = createHttpsServer(orders.tls(), (request, response) => {
      seen.push(orders.principalOf(request.socket))
      response.end('ok')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    keep(() => server.close())
    const mesh = client(`127.0.0.1:${(server.address() as AddressInfo).port}`, { sans: [ORDERS] })
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    expect(seen).toEqual([{ id: WEB, trustDomain: 'example.org', namespace: 'shop', serviceAccount: 'web' }])
    expect(mesh.stats().identity).toMatchObject({ id: WEB, trust: { 'example.org': 1, 'other.org': 1 } })
    expect(JSON.stringify([mesh.snapshot(), mesh.stats()])).not.toContain('PRIVATE')
  })
})

describe('a permissive server', () => {
  it('takes TLS and clear text on one port, and knows who is who', async () => {
    const orders = createMesh({ identity: ca.issue({ names: [ORDERS] }), trust, inbound: { tls: { mode: 'permissive' } } })
    keep(() => orders.close({ timeout: 0 }))
    const server = orders.server((request, response) => {
      response.end(orders.principalOf(request.socket)?.id ?? 'nobody')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    keep(() => {
      server.closeAllConnections()
      server.close()
    })
    const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const mesh = meshOf({
      services: {
        mutual: { endpoints: [endpoint], tls: { mode: 'mutual' } },
        clear: { endpoints: [endpoint] },
        simple: { endpoints: [endpoint], tls: { ca: ca.cert, sans: ['*'] } },
        evil: { endpoints: [endpoint], tls: { ca: ca.cert, sans: ['*'], ...strangerCa.issue({ names: [WEB] }) }, retry: false },
      },
    })
    const text = async (url: string, init?: RequestInit): Promise<string> => (await mesh.fetch(url, init)).text()
    for (let round = 0; round < 3; round++) {
      expect(await text('http://mutual/')).toBe(WEB)
      expect(await text('http://clear/')).toBe('nobody')
      expect(await text('http://clear/', { method: 'POST', body: 'x'.repeat(200_000) })).toBe('nobody')
      expect(await text('http://simple/')).toBe('nobody')
    }
    expect(meshErrorIn(await failureOf(mesh.fetch('http://evil/')))).toBeDefined()
    // A client that says nothing, and one that goes away, disturb nobody.
    const silent = connect(Number(endpoint.split(':')[1]), '127.0.0.1')
    await new Promise<void>((resolve) => silent.once('connect', resolve))
    silent.destroy()
    expect(await text('http://clear/')).toBe('nobody')
  })
})

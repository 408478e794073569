import { createServer, type Server } from 'node:http'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type ServiceOptions, staticSource } from '../../src/index.ts'
import { FaultServer } from '../support/fault-server.ts'
import { meshErrorIn } from '../support/scenario.ts'
import { CertificateAuthority, tlsFront } from '../support/tls.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function meshOf(services: Record<string, ServiceOptions>, options: object = {}): Mesh {
  const mesh = createMesh({ unknownHosts: 'refuse', ...options, services })
  cleanups.push(() => mesh.close({ timeout: 0 }))
  return mesh
}

async function serverOf(...script: Parameters<typeof FaultServer.start>): Promise<FaultServer> {
  const server = await FaultServer.start(...script)
  cleanups.push(() => server.close())
  return server
}

/** `answered`, or the code of the refusal. */
async function outcome(mesh: Mesh, url: string): Promise<string> {
  try {
    const response = await mesh.fetch(url)
    await response.text()
    return 'answered'
  } catch (error) {
    return meshErrorIn(error)?.code ?? String(error)
  }
}

describe('a service answers to', () => {
  it('its name, its qualified names and its hosts, whatever their case, with and without a trailing dot, and to nothing else', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({
      orders: {
        namespace: 'shop',
        endpoints: [server.address],
        hosts: ['Orders.Example.com', '*.wild.example.com', 'only.example.com:81'],
      },
    })
    const ours = [
      'http://orders/',
      'http://ORDERS/',
      'http://orders./',
      'http://orders:1234/',
      'http://orders.shop/',
      'http://orders.shop.svc/',
      'http://orders.shop.svc.cluster.local/',
      'http://Orders.Shop.SVC.cluster.LOCAL./',
      'http://orders.example.com/',
      'http://orders.example.com:8443/',
      'http://a.wild.example.com/',
      'http://a.b.wild.example.com./',
      'http://only.example.com:81/',
      'http://user:secret@orders.example.com/',
    ]
    const theirs = [
      'http://orders.default/',
      'http://orders.svc/',
      'http://example.com/',
      'http://wild.example.com/',
      'http://only.example.com/',
      'http://only.example.com:82/',
      'http://xorders.example.com/',
    ]
    // Through fetch userinfo in a URL is refused by the platform itself.
    for (const url of ours.filter((each) => !each.includes('@'))) expect([url, await outcome(mesh, url)]).toEqual([url, 'answered'])
    for (const url of ours) {
      const { statusCode, body } = await mesh.request(url)
      await body.dump()
      expect([url, statusCode]).toEqual([url, 200])
    }
    for (const url of theirs) expect([url, await outcome(mesh, url)]).toEqual([url, 'MESH_UNKNOWN_SERVICE'])
    const hosts = server.requests.map(({ headers }) => headers['host'])
    expect(hosts).toContain('orders.example.com:8443')
    expect(hosts).toContain('orders:1234')
    expect(server.requests.some(({ headers }) => JSON.stringify(headers).includes('secret'))).toBe(false)
  })

  it('its ports only, when it has some; and the port of the URL is not dialled', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ one: { port: 8080, endpoints: [server.address] }, two: { ports: [80, 81], endpoints: [server.address] } })
    expect(await outcome(mesh, 'http://one:8080/')).toBe('answered')
    expect(await outcome(mesh, 'http://one/')).toBe('MESH_UNKNOWN_SERVICE')
    expect(await outcome(mesh, 'http://two/')).toBe('answered')
    expect(await outcome(mesh, 'http://two:81/')).toBe('answered')
    expect(await outcome(mesh, 'http://two:8080/')).toBe('MESH_UNKNOWN_SERVICE')
  })

  it('an exact host before a wildcard, and the longer wildcard before the shorter', async () => {
    const [exact, long, short] = (await Promise.all([serverOf('ok'), serverOf('ok'), serverOf('ok')])) as [
      FaultServer,
      FaultServer,
      FaultServer,
    ]
    const mesh = meshOf({
      short: { hosts: ['*.example.com'], endpoints: [short.address] },
      long: { hosts: ['*.api.example.com'], endpoints: [long.address] },
      exact: { hosts: ['a.api.example.com'], endpoints: [exact.address] },
    })
    for (const host of ['a.api', 'b.api', 'c']) expect(await outcome(mesh, `http://${host}.example.com/`)).toBe('answered')
    expect([exact, long, short].map(({ requests }) => requests[0]?.headers['host'])).toEqual([
      'a.api.example.com',
      'b.api.example.com',
      'c.example.com',
    ])
  })

  it('no name that DNS could not have, though it exists', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ 'DEFAULT_GROUP@@orders': { hosts: ['orders.example.com'], endpoints: [server.address] }, 'outbound|80||x': {} })
    expect(await outcome(mesh, 'http://orders.example.com/')).toBe('answered')
    expect(Object.keys(mesh.stats().services)).toEqual(['DEFAULT_GROUP@@orders', 'outbound|80||x'])
  })

  it('international names as URLs write them', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ buecher: { hosts: ['xn--bcher-kva.example'], endpoints: [server.address] } })
    expect(await outcome(mesh, 'http://bücher.example/')).toBe('answered')
  })
})

describe('endpoints', () => {
  it('may be names, which the system resolves', async () => {
    const server = await serverOf('ok')
    expect(await outcome(meshOf({ orders: { endpoints: [`localhost:${server.port}`] } }), 'http://orders/')).toBe('answered')
  })

  it('that are names of nothing are passed over', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ orders: { endpoints: ['no-such-name.invalid:80', server.address] } })
    for (let call = 0; call < 5; call++) expect(await outcome(mesh, 'http://orders/')).toBe('answered')
  })

  const ipv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'))
  it.runIf(ipv6)('may be IPv6 addresses', async () => {
    const server: Server = createServer((_, response) => response.end('ok'))
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
    cleanups.push(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as { port: number }
    const mesh = meshOf({ orders: { endpoints: [`[0:0:0:0:0:0:0:1]:${port}`] } })
    expect(await outcome(mesh, 'http://orders/')).toBe('answered')
    expect(mesh.stats().services['orders']?.endpoints[0]?.address).toBe(`[::1]:${port}`)
  })

  it('left out: the first host is dialled by name, on the port of the URL', async () => {
    const server = await serverOf('ok')
    const mesh = meshOf({ orders: { hosts: ['localhost'] } })
    expect(await outcome(mesh, `http://localhost:${server.port}/`)).toBe('answered')
  })

  it.each([
    ['an empty list', { endpoints: [] }, 'no endpoint is configured'],
    ['neither endpoints nor hosts', {}, 'no endpoint is configured'],
  ])('%s: a clear refusal', async (_, service, reason) => {
    const mesh = meshOf({ orders: service })
    const error = await mesh.request('http://orders/').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'MESH_NO_ENDPOINT', reason, tries: 0, service: 'orders', retryable: true })
    expect((error as { from: string }).from).toMatch(/^options\/(endpoints|service)\/default\/orders$/)
  })

  it('all ejected: used all the same in panic, and without panic a refusal that says so', async () => {
    const servers = await Promise.all([serverOf(503), serverOf(503)])
    const orders = {
      endpoints: servers.map(({ address }) => address),
      circuitBreaker: false as const,
      retry: false as const,
      outlierDetection: { consecutiveFailures: 1, maxEjectedPercent: 100 },
    }
    const [panics, refuses] = [meshOf({ orders }), meshOf({ orders: { ...orders, panicPercent: 0 } })]
    for (const mesh of [panics, refuses])
      for (let call = 0; call < 2; call++) expect((await mesh.request('http://orders/')).statusCode).toBe(503)
    for (const server of servers) server.behave('ok')
    expect(panics.stats().services['orders']).toMatchObject({ panic: true, endpoints: [{ state: 'ejected' }, { state: 'ejected' }] })
    expect((await panics.request('http://orders/')).statusCode).toBe(200)
    await expect(refuses.request('http://orders/')).rejects.toMatchObject({ code: 'MESH_NO_ENDPOINT', reason: /ejected/ })
  })
})

describe('TLS by the URL', () => {
  const authority = new CertificateAuthority()

  it('https is TLS without any tls section, and judged by the roots of the system', async () => {
    const plain = await serverOf('ok')
    const front = await tlsFront(plain.address, authority.issue({ names: ['orders'] }))
    cleanups.push(() => front.close())
    expect(await outcome(meshOf({ orders: { endpoints: [front.address], retry: false } }), 'https://orders/')).toBe('MESH_TLS')
    expect([front.bytesIn, plain.requests.length]).toEqual([0, 0])
  })

  it('https is TLS even where tls is off', async () => {
    const plain = await serverOf('ok')
    const mesh = meshOf({ orders: { endpoints: [plain.address], retry: false, connectTimeout: 300, tls: { mode: 'off' } } })
    expect(await outcome(mesh, 'https://orders/')).toBe('MESH_TLS')
    expect(plain.requests.length).toBe(0)
    expect(await outcome(mesh, 'http://orders/')).toBe('answered')
  })

  it('a wrong name stays wrong at the second call, whatever sessions were kept', async () => {
    const plain = await serverOf('ok')
    const front = await tlsFront(plain.address, authority.issue({ names: ['payments'] }))
    cleanups.push(() => front.close())
    const mesh = meshOf({ orders: { endpoints: [front.address], tls: { ca: authority.cert }, outlierDetection: false } })
    for (let call = 0; call < 4; call++) expect(await outcome(mesh, 'https://orders/')).toBe('MESH_TLS')
    expect([front.bytesIn, plain.requests.length]).toEqual([0, 0])
  })

  it('each host is checked under its own name, and no connection of one serves the other', async () => {
    const plain = await serverOf('ok')
    const front = await tlsFront(plain.address, authority.issue({ names: ['a.example'] }))
    cleanups.push(() => front.close())
    const mesh = meshOf({
      orders: { hosts: ['a.example', 'b.example'], endpoints: [front.address], retry: false, tls: { ca: authority.cert } },
    })
    for (let round = 0; round < 2; round++) {
      expect(await outcome(mesh, 'https://a.example/')).toBe('answered')
      expect(await outcome(mesh, 'https://b.example/')).toBe('MESH_TLS')
    }
  })
})

describe('a name once served stays ours', () => {
  it('when its service leaves and when only the name leaves', async () => {
    const server = await serverOf('ok')
    const stranger = await serverOf('ok')
    const orders = { endpoints: [server.address] }
    const source = staticSource({ services: { orders: { ...orders, hosts: [stranger.address.replace('127.0.0.1', 'localhost')] } } })
    const mesh = createMesh({ sources: [source] })
    cleanups.push(() => mesh.close({ timeout: 0 }))
    const url = `http://localhost:${stranger.port}/`
    expect(await outcome(mesh, url)).toBe('answered')
    expect(source.update({ services: { orders } })).toEqual([])
    expect(await outcome(mesh, url)).toBe('MESH_NO_ENDPOINT')
    expect(source.update({ services: {} })).toEqual([])
    expect([await outcome(mesh, url), await outcome(mesh, 'http://orders/')]).toEqual(['MESH_NO_ENDPOINT', 'MESH_NO_ENDPOINT'])
    expect(stranger.requests.length).toBe(0)
    expect(source.update({ services: { orders: { ...orders, hosts: [`localhost:${stranger.port}`] } } })).toEqual([])
    expect(await outcome(mesh, url)).toBe('answered')
  })
})

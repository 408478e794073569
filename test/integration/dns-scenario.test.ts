import { pbkdf2 } from 'node:crypto'
import { getServers, setServers, lookup as systemLookup } from 'node:dns'
import { createServer, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMesh, dnsSource, type Mesh, type MeshEvents, type MeshOptions } from '../../src/index.ts'
import { DnsServer } from '../support/dns-server.ts'
import { meshErrorIn } from '../support/scenario.ts'

const NAME = 'orders.example.com'

/** A server on one loopback address that answers with this address. */
async function serve(address: string, port: number): Promise<Server> {
  const server = createServer((_, response) => response.end(address))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  return server
}

describe('names as endpoints', () => {
  let dns: DnsServer
  let servers: Server[]
  let port: number
  let mesh: Mesh | undefined
  const system = getServers()
  const failures: string[] = []

  beforeAll(async () => {
    const first = await serve('127.0.0.1', 0)
    port = (first.address() as { port: number }).port
    servers = [first, await serve('127.0.0.2', port), await serve('127.0.0.3', port)]
  })
  afterAll(() => {
    for (const server of servers) server.close()
    setServers(system)
  })
  beforeEach(async () => {
    dns = await DnsServer.start()
    // The mesh asks whom the process asks.
    setServers([dns.address])
  })
  afterEach(async () => {
    await mesh?.close({ timeout: 0 })
    await dns.stop()
  })

  function meshOf(options: MeshOptions): Mesh {
    mesh = createMesh({ unknownHosts: 'refuse', ...options })
    failures.length = 0
    mesh.on('sourceFailed', ({ source, error }: MeshEvents['sourceFailed']) => failures.push(`${source}: ${(error as Error).message}`))
    return mesh
  }
  const ask = async (url = 'http://orders/'): Promise<string> => (await (mesh as Mesh).fetch(url)).text()
  /** Everybody who answers, of a hundred calls. */
  const answering = async (url?: string): Promise<string[]> => {
    const seen = new Set<string>()
    for (let call = 0; call < 100; call++) seen.add(await ask(url))
    return [...seen].sort()
  }
  const candidates = (): string[] => (mesh as Mesh).explain({ url: 'http://orders/' }).candidates.map(({ address }) => address)

  it('an endpoint by name is all of its addresses, each with what was written about it', async () => {
    dns.addresses(NAME, ['127.0.0.1', '127.0.0.2'])
    meshOf({
      services: {
        orders: {
          endpoints: [
            { address: `${NAME}:${port}`, weight: 2 },
            { address: `127.0.0.3:${port}`, weight: 2 },
          ],
        },
      },
    })
    await mesh?.ready()
    expect(candidates()).toEqual([`127.0.0.1:${port}`, `127.0.0.2:${port}`, `127.0.0.3:${port}`])
    expect(await answering()).toEqual(['127.0.0.1', '127.0.0.2', '127.0.0.3'])
  })

  it('a service of which nothing but a host is known is that host, on the port of the URL', async () => {
    dns.addresses(NAME, ['127.0.0.1', '127.0.0.2'])
    meshOf({ services: { orders: { hosts: [NAME, '*.orders.example.com'] } } })
    expect(await answering(`http://${NAME}:${port}/`)).toEqual(['127.0.0.1', '127.0.0.2'])
  })

  it('the first call waits for the name, within its deadline, and no call waits for the name of another service', async () => {
    dns.reply(NAME, 'A', { delayMs: 300, answers: [{ name: NAME, type: 'A', data: '127.0.0.1', ttl: 60 }] })
    dns.reply(NAME, 'AAAA', { delayMs: 300 })
    dns.fail('silent.example.com', { silent: true })
    meshOf({ services: { orders: { endpoints: [`${NAME}:${port}`] }, silent: { hosts: ['silent.example.com'], timeout: '200ms' } } })
    const since = performance.now()
    const late = mesh?.fetch('http://silent/').catch((error: unknown) => meshErrorIn(error)?.code)
    expect(await ask()).toBe('127.0.0.1')
    expect(performance.now() - since).toBeLessThan(1_500)
    expect(await late).toBe('MESH_DEADLINE')
  })

  it('a name that does not exist is an error that says so, and one event', async () => {
    meshOf({ services: { orders: { endpoints: ['nowhere.example.com:80'] } } })
    await mesh?.ready()
    for (let call = 0; call < 3; call++) {
      const error = meshErrorIn(await ask().catch((thrown: unknown) => thrown))
      expect(error?.code).toBe('MESH_NO_ENDPOINT')
      expect(error?.reason).toContain('nowhere.example.com: the name does not exist (ENOTFOUND)')
    }
    expect(failures).toEqual(['names: nowhere.example.com: the name does not exist (ENOTFOUND)'])
  })

  it('a name that leads to a metadata address leads nowhere', async () => {
    dns.addresses(NAME, ['169.254.169.254'])
    meshOf({ services: { orders: { endpoints: [`${NAME}:${port}`] } } })
    const error = meshErrorIn(await ask().catch((thrown: unknown) => thrown))
    expect(error?.reason).toContain('metadata address')
  })

  it('one address that refuses is passed over, whatever its family', async () => {
    dns.addresses(NAME, ['127.0.0.1', '::1'])
    meshOf({ services: { orders: { endpoints: [`${NAME}:${port}`] } } })
    for (let call = 0; call < 30; call++) expect(await ask()).toBe('127.0.0.1')
  })

  it('an address that cannot be connected is asked about at once', async () => {
    // Nobody listens there.
    dns.addresses(NAME, ['127.0.0.9'], 300)
    meshOf({ services: { orders: { endpoints: [`${NAME}:${port}`] } } })
    await mesh?.ready()
    dns.addresses(NAME, ['127.0.0.2'], 300)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await ask().catch(() => {})
    const since = performance.now()
    await expect.poll(() => ask().catch(() => ''), { interval: 50 }).toBe('127.0.0.2')
    expect(performance.now() - since).toBeLessThan(1_500)
  })

  it('dnsSource: a change is in use within its TTL and a second', async () => {
    dns.addresses(NAME, ['127.0.0.1'], 2)
    meshOf({ sources: [dnsSource({ services: { orders: `${NAME}:${port}` }, servers: [dns.address], minTtl: '1s' })] })
    expect(await ask()).toBe('127.0.0.1')
    dns.addresses(NAME, ['127.0.0.2'], 2)
    const since = performance.now()
    await expect.poll(ask, { interval: 20, timeout: 5_000 }).toBe('127.0.0.2')
    expect(performance.now() - since).toBeLessThan(3_000)
    console.log(`DNS change to first use: ${Math.round(performance.now() - since)} ms at a TTL of 2 s`)
  })

  it('dnsSource: a DNS server that is dead from now on loses no call', async () => {
    dns.addresses(NAME, ['127.0.0.1', '127.0.0.2'], 0)
    const source = dnsSource({ services: { orders: { host: NAME, port } }, servers: [dns.address], minTtl: '100ms' })
    meshOf({ sources: [source] })
    await mesh?.ready()
    dns.dead = true
    let calls = 0
    // Until the source has noticed, and some seconds more.
    for (const since = performance.now(); failures.length === 0 || performance.now() - since < 5_000; calls++)
      expect(await ask()).toMatch(/^127/)
    expect(failures).toHaveLength(1)
    expect(mesh?.stats().sources['dns']?.state).toBe('failed')
    console.log(`dead DNS server: 0 of ${calls} calls lost`)
  })

  it('dnsSource: one name that fails spoils nothing for the others, and says so once', async () => {
    dns.addresses(NAME, ['127.0.0.1'], 0)
    const services = { orders: `${NAME}:${port}`, gone: 'gone.example.com:80' }
    meshOf({ sources: [dnsSource({ name: 'corp', services, servers: [dns.address], minTtl: '100ms' })] })
    await mesh?.ready()
    dns.addresses(NAME, ['127.0.0.2'], 0)
    await expect.poll(ask).toBe('127.0.0.2')
    expect(failures).toEqual(['corp: gone.example.com: the name does not exist (ENOTFOUND)'])
    const error = meshErrorIn(await ask('http://gone/').catch((thrown: unknown) => thrown))
    expect([error?.code, error?.reason]).toEqual(['MESH_NO_ENDPOINT', 'gone.example.com: the name does not exist (ENOTFOUND)'])
    expect(mesh?.snapshot().services['default/gone']?.from['endpoints']?.source).toBe('corp')
  })

  it('dnsSource: nothing at all means not ready, and an error that says why', async () => {
    meshOf({ sources: [dnsSource({ services: { orders: 'gone.example.com:80' }, servers: [dns.address] })] })
    await expect(mesh?.ready({ timeout: 300 })).rejects.toThrow('no answer within 300 ms from: dns')
    expect(meshErrorIn(await ask().catch((thrown: unknown) => thrown))?.reason).toContain('ENOTFOUND')
  })

  it('dnsSource: ready when the first of its names is found, although others still are not', async () => {
    const services = { orders: `${NAME}:${port}`, gone: 'gone.example.com:80' }
    meshOf({ sources: [dnsSource({ services, servers: [dns.address] })] })
    const ready = mesh?.ready({ timeout: 5_000 })
    await expect.poll(() => failures.length).toBe(1)
    dns.addresses(NAME, ['127.0.0.1'])
    await ready
    expect(await ask()).toBe('127.0.0.1')
  })

  it('dnsSource: SRV records name ports', async () => {
    const srv = '_http._tcp.orders.example.com'
    dns.reply(srv, 'SRV', { answers: [{ name: srv, type: 'SRV', ttl: 60, data: { target: NAME, port, priority: 1, weight: 0 } }] })
    dns.addresses(NAME, ['127.0.0.3'])
    meshOf({ sources: [dnsSource({ services: { orders: { host: srv, type: 'srv' } }, servers: [dns.address] })] })
    expect(await ask()).toBe('127.0.0.3')
    expect(mesh?.snapshot().services['default/orders']?.endpoints[0]?.id).toBe(`${srv}#127.0.0.3:${port}`)
  })

  it('no name waits in the thread pool', async () => {
    dns.addresses(NAME, ['127.0.0.1'])
    meshOf({
      services: { orders: { endpoints: [`${NAME}:${port}`] }, local: { endpoints: [`localhost:${port}`] } },
      sources: [dnsSource({ services: { found: `${NAME}:${port}` }, servers: [dns.address] })],
    })
    // Loads what a first call loads; the names below are new to it.
    await (await mesh?.fetch('http://local/'))?.text()
    const late = createMesh({ services: { late: { hosts: [NAME] } } })
    let blocked = 8
    const busy = Promise.all(
      Array.from(
        { length: blocked },
        () =>
          new Promise<void>((resolve) =>
            pbkdf2('a', 'b', 400_000, 64, 'sha512', () => {
              blocked--
              resolve()
            }),
          ),
      ),
    )
    let systemAnswered = false
    systemLookup('localhost', () => {
      systemAnswered = true
    })
    const since = performance.now()
    expect(await (await late.fetch(`http://${NAME}:${port}/`)).text()).toBe('127.0.0.1')
    const took = performance.now() - since
    // All of it was over before the first of the threads was free.
    expect(blocked).toBe(8)
    // Where the system's own look-up still waits: the threads really were all taken.
    expect(systemAnswered).toBe(false)
    await busy
    console.log(
      `a name resolved and called in ${Math.round(took)} ms while every thread was busy for ${Math.round(performance.now() - since)} ms`,
    )
    await late.close()
  })

  it('asks nothing and holds nothing before the first call, and nothing after the end', async () => {
    dns.addresses(NAME, ['127.0.0.1'], 0)
    meshOf({
      services: { orders: { endpoints: [`${NAME}:${port}`] } },
      sources: [dnsSource({ services: { found: NAME }, servers: [dns.address], minTtl: '50ms' })],
    })
    expect(dns.asked).toEqual([])
    await ask()
    await mesh?.close()
    const asked = dns.asked.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(dns.asked).toHaveLength(asked)
  })

  it.each([
    [{ services: { orders: 5 } }, 'services.orders: expected an object, got 5'],
    [{ services: { orders: { host: '10.0.0.1:80' } } }, 'services.orders.host: expected a name'],
    [{ services: { orders: 'a b' } }, 'services.orders: expected a name'],
    [{ services: { orders: { host: 'a', type: 'srv', port: 80 } } }, 'services.orders.port: SRV records name the port'],
    [{ services: { orders: { host: 'a:80', port: 80 } } }, 'services.orders.port: the host names a port already'],
    [{ services: {}, servers: ['dns.example.com'] }, 'servers[0]: expected the address of a DNS server'],
    [{ services: {}, servers: [] }, 'servers: expected at least one'],
    [{ services: {}, minTtl: '1m', maxTtl: '1s' }, 'maxTtl: expected at least minTtl'],
    [{ services: {}, ttl: 5 }, 'ttl: unknown key'],
  ])('dnsSource refuses %j', (options, problem) => {
    expect(() => dnsSource(options as never)).toThrow(`dnsSource options: ${problem}`)
  })
})

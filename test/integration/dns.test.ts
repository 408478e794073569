import { getServers, setServers } from 'node:dns'
import { createServer, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createMesh, dnsSource, type Mesh } from '../../src/index.ts'
import { installed, startBind, startDnsmasq, type ZoneServer } from '../support/daemons.ts'
import { meshErrorIn } from '../support/scenario.ts'

const named = installed('named')
const dnsmasq = installed('dnsmasq')
const system = getServers()

let servers: Server[] = []
let port = 0
let mesh: Mesh | undefined
let dns: ZoneServer | undefined

beforeAll(async () => {
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) {
    const server = createServer((_, response) => response.end(address))
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    port = (server.address() as { port: number }).port
    servers.push(server)
  }
})
afterAll(() => {
  setServers(system)
  for (const server of servers) server.close()
  servers = []
})
afterEach(async () => {
  await mesh?.close({ timeout: 0 })
  await dns?.stop()
  dns = undefined
})

const ask = async (url = 'http://orders/'): Promise<string> => (await (mesh as Mesh).fetch(url)).text()

/** Calls until only `wanted` answers any more; gives what was lost on the way, and how long it took. */
async function until(wanted: string, url?: string): Promise<{ lost: number; calls: number; tookMs: number }> {
  let lost = 0
  let calls = 0
  let inARow = 0
  const since = performance.now()
  let changedAt = since
  while (inARow < 50 && performance.now() - since < 20_000) {
    calls++
    const answer = await ask(url).catch(() => {
      lost++
      return ''
    })
    if (answer === wanted) {
      if (inARow++ === 0) changedAt = performance.now()
    } else inARow = 0
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(inARow).toBe(50)
  return { lost, calls, tookMs: changedAt - since }
}

describe.skipIf(named === undefined)('BIND', () => {
  it('a zone that changes while calls run: the new address within TTL and a second, no call lost', async () => {
    dns = await startBind(named as string, 'orders A 127.0.0.1')
    mesh = createMesh({
      sources: [dnsSource({ services: { orders: `orders.example.test:${port}` }, servers: [dns.address], minTtl: '1s' })],
    })
    expect(await ask()).toBe('127.0.0.1')
    await dns.write('orders A 127.0.0.2')
    const { lost, calls, tookMs } = await until('127.0.0.2')
    expect(lost).toBe(0)
    // The TTL of the zone is one second, and BIND takes a moment to read it.
    expect(tookMs).toBeLessThan(2_500)
    console.log(`BIND: change to use ${Math.round(tookMs)} ms at a TTL of 1 s, 0 of ${calls} calls lost`)
  })

  it('killed for ten seconds and started again: no call lost', async () => {
    dns = await startBind(named as string, 'orders A 127.0.0.1\norders A 127.0.0.2')
    const source = dnsSource({ services: { orders: `orders.example.test:${port}` }, servers: [dns.address], minTtl: '1s' })
    mesh = createMesh({ sources: [source] })
    const events: string[] = []
    mesh.on('sourceFailed', ({ source }) => events.push(`${source} failed`))
    mesh.on('sourceRecovered', ({ source }) => events.push(`${source} recovered`))
    await mesh.ready()
    await dns.kill()
    let calls = 0
    for (const since = performance.now(); performance.now() - since < 10_000; calls++) {
      expect(await ask()).toMatch(/^127/)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await dns.restart()
    await dns.write('orders A 127.0.0.3')
    expect((await until('127.0.0.3')).lost).toBe(0)
    expect(events).toEqual(['dns failed', 'dns recovered'])
    console.log(`BIND dead: 0 of ${calls} calls lost`)
  })

  it('SRV records, an alias, both families, and an answer too large for UDP', async () => {
    // More than an answer over UDP holds, and no more than BIND takes for one name.
    const many = Array.from({ length: 100 }, (_, index) => `many A 10.0.1.${index + 1}`).join('\n')
    const records = `a A 127.0.0.1\nb A 127.0.0.2\nb AAAA ::1\nalias CNAME b\nloop CNAME loop\n${many}
_http._tcp.orders SRV 10 5 ${port} a\n_http._tcp.orders SRV 20 5 ${port} b`
    dns = await startBind(named as string, records)
    mesh = createMesh({
      sources: [
        dnsSource({
          servers: [dns.address],
          services: {
            orders: { host: '_http._tcp.orders.example.test', type: 'srv' },
            alias: `alias.example.test:${port}`,
            many: 'many.example.test:80',
            loop: 'loop.example.test:80',
          },
        }),
      ],
    })
    await mesh.ready()
    const endpoints = (name: string) => mesh?.snapshot().services[`default/${name}`]?.endpoints ?? []
    expect(endpoints('orders').map(({ address, priority, weight }) => [address, priority, weight])).toEqual([
      [`127.0.0.1:${port}`, 0, 5],
      [`[::1]:${port}`, 1, 5],
      [`127.0.0.2:${port}`, 1, 5],
    ])
    expect(endpoints('alias').map(({ address }) => address)).toEqual([`127.0.0.2:${port}`, `[::1]:${port}`])
    expect(endpoints('many')).toHaveLength(100)
    expect(await ask('http://alias/')).toBe('127.0.0.2')
    const error = meshErrorIn(await ask('http://loop/').catch((thrown: unknown) => thrown))
    expect(error?.code).toBe('MESH_NO_ENDPOINT')
    expect(error?.reason).toContain('loop.example.test')
  })
})

describe.skipIf(dnsmasq === undefined)('dnsmasq', () => {
  it('hosts of a service by name follow it', async () => {
    dns = await startDnsmasq(dnsmasq as string, '127.0.0.1 orders.example.test')
    setServers([dns.address])
    mesh = createMesh({ services: { orders: { hosts: ['orders.example.test'] } } })
    const url = `http://orders.example.test:${port}/`
    expect(await ask(url)).toBe('127.0.0.1')
    await dns.write('127.0.0.2 orders.example.test')
    const { lost, tookMs } = await until('127.0.0.2', url)
    expect(lost).toBe(0)
    // The least that an answer holds here is five seconds.
    expect(tookMs).toBeLessThan(6_500)
    console.log(`dnsmasq: change to use ${Math.round(tookMs)} ms at the floor of 5 s`)
  })
})

describe('servers that are not installed', () => {
  it.skipIf(named !== undefined && dnsmasq !== undefined)(
    `skipped: ${named === undefined ? 'named (bind9) ' : ''}${dnsmasq === undefined ? 'dnsmasq' : ''}`,
    () => {},
  )
})

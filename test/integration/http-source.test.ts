import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMesh, type HttpSourceOptions, httpSource, type Mesh } from '../../src/index.ts'
import { meshErrorIn } from '../support/scenario.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const json =
  (document: unknown, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(document))
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end('no')

describe('httpSource', () => {
  let registry: Server
  let backends: Server[]
  let base: string
  let answer: Answer
  let requests: { at: number; path: string; headers: IncomingMessage['headers'] }[]
  let mesh: Mesh | undefined
  let events: string[]
  const addresses: string[] = []

  beforeEach(async () => {
    requests = []
    events = []
    addresses.length = 0
    answer = status(500)
    registry = createServer((request, response) => {
      requests.push({ at: performance.now(), path: request.url ?? '', headers: request.headers })
      answer(request, response)
    })
    backends = [0, 1].map((index) => createServer((_, response) => response.end(String(index))))
    for (const server of [registry, ...backends]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${portOf(registry)}`
    addresses.push(...backends.map((backend) => `127.0.0.1:${portOf(backend)}`))
  })
  afterEach(async () => {
    await mesh?.close({ timeout: 0 })
    for (const server of [registry, ...backends]) {
      server.closeAllConnections()
      server.close()
    }
  })

  const portOf = (server: Server): number => (server.address() as { port: number }).port
  const orders = (...endpoints: (string | undefined)[]): object => ({ services: { orders: { endpoints } } })

  function poll(options: Partial<HttpSourceOptions> = {}): Mesh {
    const source = httpSource({ url: `${base}/config`, interval: '50ms', timeout: '300ms', ...options })
    mesh = createMesh({ sources: [source], unknownHosts: 'refuse' })
    mesh.on('sourceFailed', ({ error }) => events.push(`failed: ${(error as Error).message}`))
    mesh.on('sourceRecovered', () => events.push('recovered'))
    mesh.on('configRejected', ({ rejections }) => events.push(`rejected: ${rejections[0]?.problems[0]}`))
    mesh.on('configChanged', ({ services }) => events.push(`changed: ${services.join()}`))
    return mesh
  }
  const ask = async (service = 'orders'): Promise<string> => {
    try {
      return await (await (mesh as Mesh).fetch(`http://${service}/`)).text()
    } catch (error) {
      return meshErrorIn(error)?.code ?? String(error)
    }
  }

  it('takes a document in the short form, and follows it', async () => {
    answer = json(orders(addresses[0]))
    poll()
    expect(await ask()).toBe('0')
    answer = json(orders(addresses[1]))
    await expect.poll(ask, { interval: 10 }).toBe('1')
    expect(mesh?.snapshot().services['default/orders']?.from['endpoints']?.source).toBe('http')
  })

  it('takes what Prometheus takes, by service or by label', async () => {
    const groups = [
      { targets: [addresses[0]], labels: { job: 'orders', zone: 'a' } },
      { targets: [addresses[1], addresses[1]], labels: { job: 'stock' } },
    ]
    answer = json(groups)
    poll({ format: 'http_sd', serviceLabel: 'job' })
    expect([await ask(), await ask('stock')]).toEqual(['0', '1'])
    expect(mesh?.snapshot().services['default/orders']?.endpoints[0]?.metadata).toEqual({ job: 'orders', zone: 'a' })
    await mesh?.close({ timeout: 0 })
    answer = json([{ targets: ['127.0.0.1'] }])
    poll({ format: 'http_sd', service: 'orders', port: portOf(backends[1] as Server) })
    expect(await ask()).toBe('1')
  })

  it('takes anything that `map` reads', async () => {
    answer = json({ nodes: [{ ip: '127.0.0.1', port: portOf(backends[0] as Server) }] })
    poll({
      map: (document) => ({
        orders: { endpoints: (document as { nodes: { ip: string; port: number }[] }).nodes.map(({ ip, port }) => `${ip}:${port}`) },
      }),
    })
    expect(await ask()).toBe('0')
  })

  it('takes routes and authorization too, in the document or from `map`, and rejects them with their place', async () => {
    const whole = (path: string, host: string): object => ({
      ...orders(addresses[0]),
      routes: [{ hosts: [host], rules: [{ backends: [{ service: 'orders' }] }] }],
      authorization: [{ name: 'readers', rules: [{ to: [{ operation: { paths: [path] } }] }] }],
    })
    answer = json(whole('/a', 'shop'))
    poll({ inbound: true })
    // Before the policies came nobody is let in.
    expect(mesh?.authorize({ path: '/a' })).toMatchObject({ action: 'deny', reason: expect.stringContaining('has not answered yet') })
    await mesh?.ready()
    expect([await ask('shop'), mesh?.authorize({ path: '/a' }).action, mesh?.authorize({ path: '/b' }).action]).toEqual([
      '0',
      'allow',
      'deny',
    ])
    events.length = 0
    answer = json(whole('no path', 'shop'))
    await expect.poll(() => events.join(), { timeout: 4_000 }).toContain('rejected: authorization[0].rules[0].to[0].operation.paths[0]')
    answer = json(whole('/a', 'shop'))
    await expect.poll(() => events.at(-1), { timeout: 4_000 }).toBe('recovered')
    answer = json({ ...whole('/b', 'shop'), authorization: undefined })
    await expect.poll(() => events.join(), { timeout: 4_000 }).toContain('names no authorization policy any more')
    expect([await ask('shop'), mesh?.authorize({ path: '/a' }).action]).toEqual(['0', 'allow'])
    answer = json(whole('/b', 'store'))
    await expect.poll(() => mesh?.authorize({ path: '/b' }).action, { timeout: 4_000 }).toBe('allow')
    expect([await ask('store'), mesh?.authorize({ path: '/a' }).action]).toEqual(['0', 'deny'])
    await mesh?.close({ timeout: 0 })
    answer = json({ nodes: whole('/c', 'other') })
    poll({ inbound: true, map: (document) => (document as { nodes: unknown }).nodes })
    await mesh?.ready()
    expect([await ask('other'), mesh?.authorize({ path: '/c' }).action]).toEqual(['0', 'allow'])
  })

  it('without `inbound` nobody waits for policies, and none are taken', async () => {
    answer = json({ ...orders(addresses[0]), authorization: [{ name: 'all', rules: [{}] }] })
    poll()
      .ready()
      .catch(() => {})
    expect(mesh?.authorize({}).action).toBe('allow')
    await expect.poll(() => events.join(), { timeout: 4_000 }).toContain('rejected: authorization: goes with inbound: true')
  })

  it('sends its headers, and asks for what changed since', async () => {
    answer = (request, response) => {
      if (request.headers['if-none-match'] === '"1"') status(304)(request, response)
      else json(orders(addresses[0]), { etag: '"1"' })(request, response)
    }
    poll({ headers: { authorization: 'Bearer token' } })
    await mesh?.ready()
    await expect.poll(() => requests.length).toBeGreaterThan(3)
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer token', accept: 'application/json' })
    expect(requests[0]?.headers['if-none-match']).toBeUndefined()
    expect(requests.slice(1).every(({ headers }) => headers['if-none-match'] === '"1"')).toBe(true)
    expect(events).toEqual(['changed: default/orders'])
  })

  const long = 'x'.repeat(9 * 1024 * 1024)
  it.each<[string, Answer, RegExp]>([
    ['500', status(500), /answered 500/],
    ['404', status(404), /answered 404/],
    ['garbage', (_, response) => response.end('<html>'), /no JSON/],
    ['nothing', (_, response) => response.end(''), /answered nothing/],
    ['null', json(null), /expected an object, got null/],
    ['no services', json({}), /services: expected an object, got undefined/],
    ['no service any more', json({ services: {} }), /names no service any more/],
    ['a service that is wrong', json({ services: { orders: { endpoints: ['x'] } } }), /services.orders.endpoints\[0\]/],
    ['a metadata address', json(orders('169.254.169.254:80')), /metadata/],
    ['silence', () => {}, /no complete answer from .* within 300 ms/],
    ['half an answer', (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('{'), /within 300 ms/],
    [
      'an answer that breaks off',
      (_, response) => {
        response.writeHead(200).write('{')
        response.destroy()
      },
      /.*/,
    ],
    ['more than 8 MiB', (_, response) => response.end(long), /longer than 8388608 bytes/],
    ['a loop of redirects', status(302, { location: '/config' }), /redirects more than 5 times/],
    [
      'a redirect to another host',
      status(302, { location: 'http://127.0.0.2:1/' }),
      /redirects to http:\/\/127.0.0.2:1, which is not followed/,
    ],
    ['a hang-up', (request) => request.socket.destroy(), /.*/],
  ])('%s: what was there stays, one event, no crash; then it recovers', async (_, broken, message) => {
    answer = json(orders(addresses[0]), { etag: '"1"' })
    // Megabytes take their time on a machine that is busy; only silence is meant to run out of it.
    poll(String(message).includes('300') ? {} : { timeout: '3s' })
    await mesh?.ready()
    events.length = 0
    answer = broken
    await expect.poll(() => events.length, { timeout: 4_000, interval: 5 }).toBeGreaterThan(0)
    const asked = requests.length
    await expect.poll(() => requests.length, { timeout: 4_000, interval: 5 }).toBeGreaterThan(asked + 1)
    expect(await ask()).toBe('0')
    expect(events.filter((event) => event.startsWith('failed'))).toHaveLength(1)
    expect(events.join()).toMatch(message)
    answer = json(orders(addresses[1]))
    await expect.poll(ask, { timeout: 4_000 }).toBe('1')
    expect(events).toContain('recovered')
  })

  it('a redirect on the same host is followed', async () => {
    answer = (request, response) =>
      (request.url === '/config' ? status(307, { location: '/other?a=1' }) : json(orders(addresses[0])))(request, response)
    poll()
    expect(await ask()).toBe('0')
    expect(requests.map(({ path }) => path).slice(0, 2)).toEqual(['/config', '/other?a=1'])
  })

  it('`allowEmpty` takes an empty document for what it says', async () => {
    answer = json(orders(addresses[0]))
    poll({ allowEmpty: true })
    expect(await ask()).toBe('0')
    answer = json({ services: {} })
    await expect.poll(ask).toBe('MESH_NO_ENDPOINT')
  })

  it('a `Retry-After` is waited for', async () => {
    answer = status(503, { 'retry-after': '1' })
    poll()
      .ready()
      .catch(() => {})
    await expect.poll(() => requests.length, { timeout: 4_000 }).toBe(2)
    expect((requests[1]?.at ?? 0) - (requests[0]?.at ?? 0)).toBeGreaterThan(990)
  })

  it('a registry that is not there keeps nobody from being told', async () => {
    poll({ url: 'http://127.0.0.1:1/' })
    await expect(mesh?.ready({ timeout: 200 })).rejects.toThrow('no answer within 200 ms from: http')
    expect(events[0]).toMatch(/ECONNREFUSED/)
  })

  it('refuses a URL that the address policy refuses', async () => {
    poll({ url: 'http://169.254.169.254/latest/meta-data' })
      .ready()
      .catch(() => {})
    await expect.poll(() => events.length).toBe(1)
    expect(events[0]).toContain('metadata')
  })

  it('holds nothing after close', async () => {
    answer = json(orders(addresses[0]))
    poll()
    await mesh?.ready()
    await mesh?.close()
    const asked = requests.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(requests).toHaveLength(asked)
    const open = await new Promise<number>((resolve) => registry.getConnections((_, count) => resolve(count)))
    expect(open).toBe(0)
    // The registry itself still answers.
    const socket = connect(portOf(registry), '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.destroy()
  })

  it.each([
    [{}, 'url: expected an http or https URL'],
    [{ url: 'ftp://a/' }, 'url: expected an http or https URL'],
    [{ url: 'http://user:secret@a/' }, 'url: expected an http or https URL without credentials'],
    [{ url: 'http://a/', format: 'xml' }, 'format: expected inmesh, http_sd'],
    [{ url: 'http://a/', format: 'http_sd' }, 'service: format http_sd needs either service or serviceLabel'],
    [{ url: 'http://a/', port: 80 }, 'port: goes with format http_sd'],
    [{ url: 'http://a/', map: 5 }, 'map: expected a function'],
    [{ url: 'http://a/', interval: 0 }, 'interval: expected a duration above 0'],
    [
      { url: 'http://a/', headers: { a: 'b\r\nc: d' } },
      'headers.a: expected a header of one line, without characters beyond Latin-1, got text',
    ],
    [{ url: 'http://a/', headers: { 'a b': 'c' } }, 'headers["a b"]: name: expected a header name'],
  ])('refuses %j', (options, problem) => {
    expect(() => httpSource(options as never)).toThrow(`httpSource options: ${problem}`)
  })
})

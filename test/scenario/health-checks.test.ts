import { once } from 'node:events'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type HealthChange, type HealthCheckOptions, type MeshOptions, type ServiceOptions } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'
import { CertificateAuthority } from '../support/tls.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Answers probes with one step and calls with another; both may change. */
async function server(script: { probe: Step; call: Step }): Promise<FaultServer> {
  const made = await FaultServer.start((exchange) => {
    const step = exchange.request.path.startsWith('/healthz') ? script.probe : script.call
    if (typeof step === 'function') return step(exchange)
    return exchange.answer(step as number)
  })
  closers.push(() => made.close())
  return made
}

function meshOver(endpoints: string[], healthCheck: HealthCheckOptions, more: ServiceOptions = {}, options: MeshOptions = {}) {
  const mesh = createMesh({
    ...options,
    services: {
      orders: { endpoints, healthCheck: { interval: '50ms', timeout: '1s', ...healthCheck }, ...more },
    },
  })
  closers.push(() => mesh.close({ timeout: 0 }))
  const states = (): string[] => mesh.stats().services['orders']?.endpoints.map(({ state }) => state) ?? []
  return { mesh, states }
}

/** Looks until it holds; fails after five seconds. */
async function until(holds: () => boolean, what = 'what was waited for'): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`never came: ${what}`)
}

describe('active health checks over real sockets', () => {
  it('take an endpoint out whose page fails, show why, and let it back in', async () => {
    const script = { probe: 503 as Step, call: 200 as Step }
    const bad = await server(script)
    const good = await server({ probe: 200, call: 200 })
    const told: HealthChange[] = []
    const broken = { report: () => Promise.reject(new Error('a reporter that fails')) }
    const throwing = {
      report() {
        throw new Error('a reporter that throws')
      },
    }
    const errors: unknown[] = []
    const { mesh, states } = meshOver(
      [bad.address, good.address],
      {},
      {},
      {
        healthReporters: [throwing, broken, { report: (change) => void told.push(change) }],
        logger: { warn() {}, error: (_, error) => errors.push(error) },
      },
    )
    const events: string[] = []
    mesh.on('endpointUnhealthy', ({ endpoint, reason }) => events.push(`${endpoint} ${reason}`))
    mesh.on('endpointHealthy', ({ endpoint, reason }) => events.push(`${endpoint} ${reason}`))
    await mesh.ready()
    await until(() => states()[0] === 'unhealthy')
    const [candidate] = mesh.explain({ url: 'http://orders/' }).candidates
    expect(candidate).toMatchObject({ state: 'unhealthy', taken: false })
    expect(candidate?.because).toContain('it answered 503')
    const calls = () => bad.requests.filter(({ path }) => path === '/').length
    const before = calls()
    for (let call = 0; call < 20; call++) await mesh.fetch('http://orders/').then((answer) => answer.text())
    expect(calls()).toBe(before)
    script.probe = 200
    await until(() => states()[0] === 'healthy')
    expect(events).toEqual([`${bad.address} it answered 503`, `${bad.address} it passed its check`])
    expect(told.map(({ at, ...change }) => [change, at > 1e12])).toEqual([
      [{ service: 'orders', endpoint: bad.address, state: 'unhealthy', reason: 'it answered 503', source: 'active' }, true],
      [{ service: 'orders', endpoint: bad.address, state: 'healthy', reason: 'it passed its check', source: 'active' }, true],
    ])
    expect(errors).toHaveLength(4)
    const probe = good.requests.find(({ path }) => path === '/healthz')
    expect(probe).toMatchObject({ method: 'GET', headers: { host: 'orders', 'user-agent': 'inmesh-health-check' } })
    await mesh.close()
    const seen = good.requests.length
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect(good.requests).toHaveLength(seen)
    expect(good.openSockets).toBe(0)
  })

  const silent: Step = () => {}
  const answers =
    (status: number, body: string, headers: string[] = []): Step =>
    ({ answer }) =>
      answer(status, body, headers)
  const rows: readonly (readonly [what: string, step: Step, options: HealthCheckOptions, reason: RegExp | undefined])[] = [
    ['a status in a range', 299, { expectedStatuses: [204, [290, 299]] }, undefined],
    ['a status outside', 204, {}, /it answered 204/],
    ['a body with the text', answers(200, 'status: fine'), { expectedBody: 'fine' }, undefined],
    ['a body without it', answers(200, 'status: bad'), { expectedBody: 'fine' }, /no "fine"/],
    ['a body with it too late', answers(200, `${'x'.repeat(1_024)}fine`), { expectedBody: 'fine' }, /no "fine"/],
    ['silence', silent, { timeout: '40ms' }, /no answer within 40 ms/],
    ['a reset', ({ socket }) => void socket.resetAndDestroy(), {}, /ECONNRESET|socket hang up/],
    ['garbage', ({ write }) => write('hello\r\n\r\n'), {}, /Parse Error/],
    [
      'the wish to be taken out',
      answers(200, '', ['x-envoy-immediate-health-check-fail: true']),
      { unhealthyAfter: 100 },
      /asked to be taken out/,
    ],
  ]
  it.each(rows)('http: %s', async (_, probe, options, reason) => {
    const one = await server({ probe, call: 200 })
    const { mesh, states } = meshOver([one.address], { interval: '20ms', ...options })
    await mesh.ready()
    await until(() => one.requests.length >= 4)
    if (reason === undefined) {
      expect(states()).toEqual(['healthy'])
      return
    }
    await until(() => states()[0] === 'unhealthy')
    expect(mesh.stats().services['orders']?.endpoints[0]?.reason).toMatch(reason)
    // The only endpoint there is: in panic it is called all the same.
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
  })

  it('tcp: whoever lets connect is in order; nobody there is not', async () => {
    const up = await server({ probe: 500, call: 200 })
    const down = await FaultServer.start()
    await down.close()
    const { mesh, states } = meshOver([up.address, down.address], { type: 'tcp' })
    await mesh.ready()
    await until(() => states()[1] === 'unhealthy')
    expect(states()[0]).toBe('healthy')
    await until(() => up.connections > 2)
    expect(states()[0]).toBe('healthy')
    expect(up.requests).toHaveLength(0)
  })

  it('a probe may go to another port, with headers and a host of its own', async () => {
    const admin = await server({ probe: 200, call: 200 })
    const one = await server({ probe: 500, call: 200 })
    const { mesh } = meshOver([one.address], {
      port: admin.port,
      path: '/healthz/live?deep=1',
      method: 'HEAD',
      host: 'orders.internal',
      headers: { 'X-Probe': 'mesh' },
    })
    await mesh.ready()
    await until(() => admin.requests.length > 0)
    expect(admin.requests[0]).toMatchObject({
      method: 'HEAD',
      path: '/healthz/live?deep=1',
      headers: { host: 'orders.internal', 'x-probe': 'mesh' },
    })
    expect(one.requests).toHaveLength(0)
    expect(mesh.snapshot().services['default/orders']?.policy.healthCheck).toMatchObject({ headers: { 'x-probe': '[redacted]' } })
  })

  it('degraded endpoints are a reserve', async () => {
    const degraded = await server({ probe: answers(200, '', ['x-envoy-degraded: true']), call: 200 })
    const script = { probe: 200 as Step, call: 200 as Step }
    const good = [await server(script), await server({ probe: 200, call: 200 }), await server({ probe: 200, call: 200 })]
    const { mesh, states } = meshOver([degraded.address, ...good.map(({ address }) => address)], {})
    await mesh.ready()
    await until(() => states()[0] === 'degraded')
    const calls = (): number => degraded.requests.filter(({ path }) => path === '/').length
    // Three of four are enough for all calls; two carry 70 % of them.
    for (let call = 0; call < 20; call++) await mesh.fetch('http://orders/').then((answer) => answer.text())
    expect(calls()).toBe(0)
    script.probe = 503
    await until(() => states()[1] === 'unhealthy')
    for (let call = 0; call < 60; call++) await mesh.fetch('http://orders/').then((answer) => answer.text())
    expect([calls() > 4, calls() < 34]).toEqual([true, true])
  })

  it('an answer to a call may ask to be taken out; the next check that passes heals', async () => {
    const leaving = await server({ probe: 200, call: answers(200, 'bye', ['x-envoy-immediate-health-check-fail: true']) })
    const good = await server({ probe: 200, call: 200 })
    const { mesh } = meshOver([leaving.address, good.address], { interval: '60s' }, { balancing: { policy: 'round-robin' } })
    const events: string[] = []
    mesh.on('endpointUnhealthy', ({ endpoint }) => events.push(endpoint))
    for (let call = 0; call < 10; call++) await mesh.fetch('http://orders/').then((answer) => answer.text())
    expect(events).toEqual([leaving.address])
    expect(leaving.requests).toHaveLength(1)
  })

  it('grpc: only SERVING is in order, in clear text and under TLS', async () => {
    const statuses = { clear: 1, secure: 1 }
    const seen: string[] = []
    const ca = new CertificateAuthority()
    const leaf = ca.issue({ names: ['orders.test'] })
    const clear = createHttp2()
    const secure = createSecureServer({ cert: leaf.cert, key: leaf.key })
    for (const [name, each] of [
      ['clear', clear],
      ['secure', secure],
    ] as const) {
      each.on('stream', (stream, headers) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          seen.push(`${headers[':path']} ${headers['content-type']} ${Buffer.concat(chunks).subarray(7).toString()}`)
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
          stream.end(Buffer.from([0, 0, 0, 0, 2, 8, statuses[name]]))
        })
        stream.on('error', () => {})
      })
      each.on('sessionError', () => {})
      each.listen(0, '127.0.0.1')
      await once(each, 'listening')
      closers.push(() => each.close())
    }
    const address = (each: typeof clear | typeof secure): string => `127.0.0.1:${(each.address() as AddressInfo).port}`
    const mesh = createMesh({
      defaults: { healthCheck: { type: 'grpc', serviceName: 'shop.Orders', interval: '50ms' } },
      services: {
        clear: { endpoints: [address(clear)] },
        secure: { endpoints: [address(secure)], tls: { ca: ca.cert, serverName: 'orders.test' } },
      },
    })
    closers.push(() => mesh.close({ timeout: 0 }))
    const states = (): string[] => Object.values(mesh.stats().services).flatMap(({ endpoints }) => endpoints.map(({ state }) => state))
    await mesh.ready()
    await until(() => seen.length > 8)
    expect(new Set(seen)).toEqual(new Set(['/grpc.health.v1.Health/Check application/grpc shop.Orders']))
    expect(states()).toEqual(['healthy', 'healthy'])
    statuses.clear = 2
    statuses.secure = 3
    await until(() => states().every((state) => state === 'unhealthy'))
    expect(mesh.stats().services['clear']?.endpoints[0]?.reason).toBe('NOT_SERVING')
  })

  it('under TLS a certificate of somebody else fails the check, and no request is sent', async () => {
    const ca = new CertificateAuthority()
    const leaf = ca.issue({ names: ['somebody.test'] })
    let requests = 0
    const { createServer } = await import('node:https')
    const other = createServer({ cert: leaf.cert, key: leaf.key }, (_, response) => {
      requests++
      response.end()
    }).listen(0, '127.0.0.1')
    await once(other, 'listening')
    closers.push(() => other.close())
    const { mesh, states } = meshOver(
      [`127.0.0.1:${(other.address() as AddressInfo).port}`],
      {},
      {
        tls: { ca: ca.cert, serverName: 'orders.test' },
      },
    )
    await mesh.ready()
    await until(() => states()[0] === 'unhealthy')
    expect(requests).toBe(0)
  })
})

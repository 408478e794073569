import { type ClientRequest, createServer, get, type IncomingMessage, request } from 'node:http'
import { get as getSecure } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import axios from 'axios'
import got from 'got'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { isMeshError, type Mesh, type ServiceOptions } from '../../src/index.ts'
import { testMeshes } from '../support/mesh-with.ts'
import { CertificateAuthority, tlsFront } from '../support/tls.ts'

const { server, mesh: meshOf } = testMeshes()
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function meshOver(endpoints: string[], options: ServiceOptions = {}): Mesh {
  return meshOf({ services: { orders: { endpoints, ...options } } })
}

interface Answer {
  status: number
  body: string
}

function read(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response: IncomingMessage) => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
      response.on('aborted', () => reject(new Error('the answer broke off')))
    })
  })
}

const getBy = (mesh: Mesh, url = 'http://orders/a?b'): Promise<Answer> => read(get(url, { agent: mesh.httpAgent() }))

async function failureOf(work: Promise<unknown>): Promise<{ code?: string; from?: string; endpoint?: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(isMeshError(error)).toBe(true)
  return error as object
}

const answering =
  (text: string, status = 200) =>
  async ({ bodyRead, answer }: { bodyRead: Promise<unknown>; answer: (status: number, body: string) => void }) => {
    await bodyRead
    answer(status, text)
  }

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  return `127.0.0.1:${port}`
}

describe('requests of node:http', () => {
  it('go to the endpoints of a service in turns, over sockets that are kept', async () => {
    const one = await server(answering('one'))
    const two = await server(answering('two'))
    const mesh = meshOver([one.address, two.address], { balancing: { policy: 'round-robin' } })
    const bodies: string[] = []
    for (let call = 0; call < 6; call++) bodies.push((await getBy(mesh)).body)
    expect(bodies.filter((body) => body === 'one')).toHaveLength(3)
    expect(one.connections + two.connections).toBe(2)
    expect(mesh.stats().services['orders']).toMatchObject({ calls: 6, successes: 6, failures: 0, tries: 6, inflight: 0 })
  })

  it('send method, headers and body as they are, with the host of the URL', async () => {
    const one = await server(answering('made', 201))
    const mesh = meshOver([one.address])
    const sent = request('http://orders/things', { method: 'POST', agent: mesh.httpAgent(), headers: { 'x-a': 'b' } })
    sent.end('hello')
    expect(await read(sent)).toEqual({ status: 201, body: 'made' })
    const [seen] = one.requests
    expect(seen).toMatchObject({ method: 'POST', path: '/things' })
    expect(seen?.headers).toMatchObject({ host: 'orders', 'x-a': 'b' })
  })

  it('move on to the next endpoint where no connection comes about', async () => {
    const up = await server(answering('up'))
    const mesh = meshOver([await nobody(), await nobody(), up.address], { balancing: { policy: 'round-robin' } })
    for (let call = 0; call < 6; call++) expect((await getBy(mesh)).body).toBe('up')
    expect(mesh.stats().services['orders']?.movedOn).toBeGreaterThan(0)
  })

  it('end with MESH_CONNECT where no endpoint can be reached, and with MESH_NO_ENDPOINT where there is none', async () => {
    expect((await failureOf(getBy(meshOver([await nobody(), await nobody()])))).code).toBe('MESH_CONNECT')
    expect((await failureOf(getBy(meshOver([])))).code).toBe('MESH_NO_ENDPOINT')
  })

  it('teach outlier detection, which takes a failing endpoint out', async () => {
    const bad = await server(answering('bad', 500))
    const good = await server(answering('good'))
    const mesh = meshOver([bad.address, good.address], { balancing: { policy: 'round-robin' } })
    const ejected: string[] = []
    mesh.on('endpointEjected', ({ endpoint }) => ejected.push(endpoint))
    for (let call = 0; call < 12; call++) await getBy(mesh)
    expect(ejected).toEqual([bad.address])
    expect((await getBy(mesh)).body).toBe('good')
  })

  it('are turned away by an open breaker and by limits', async () => {
    const bad = await server(answering('bad', 503))
    const mesh = meshOver([bad.address], { circuitBreaker: { minRequests: 3 }, outlierDetection: false })
    for (let call = 0; call < 3; call++) expect((await getBy(mesh)).status).toBe(503)
    expect((await failureOf(getBy(mesh))).code).toBe('MESH_CIRCUIT_OPEN')
    const limited = meshOver([bad.address], { rateLimit: { requests: 1, per: '1h' } })
    await getBy(limited)
    expect((await failureOf(getBy(limited))).code).toBe('MESH_RATE_LIMITED')
  })

  it('run out of time at the deadline of the service, and at a silence in the body', async () => {
    const silent = await server(async () => {})
    const late = meshOver([silent.address], { timeout: 120 })
    const startedAt = performance.now()
    expect((await failureOf(getBy(late))).code).toBe('MESH_DEADLINE')
    expect(performance.now() - startedAt).toBeGreaterThan(115)
    const half = await server(({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'))
    const mesh = meshOver([half.address], { idleTimeout: 100 })
    await expect(getBy(mesh)).rejects.toThrow()
    expect(mesh.stats().services['orders']).toMatchObject({ inflight: 0, errors: { MESH_DEADLINE: 1 } })
  })

  it('that their caller gives up are held against nobody', async () => {
    const silent = await server(async () => {})
    const mesh = meshOver([silent.address])
    const sent = get('http://orders/', { agent: mesh.httpAgent() })
    const ended = new Promise((resolve) => sent.on('close', resolve))
    sent.on('error', () => {})
    setTimeout(() => sent.destroy(), 50)
    await ended
    expect(mesh.stats().services['orders']).toMatchObject({ inflight: 0, failures: 0, endpoints: [{ failures: 0, inflight: 0 }] })
  })

  it.each([
    ['closes instead of answering', (socket: Socket): void => void socket.end()],
    ['resets instead of answering', (socket: Socket): void => void socket.resetAndDestroy()],
    ['closes in the body', (socket: Socket): void => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello')],
    [
      'resets in the body',
      (socket: Socket): void =>
        void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', () => setTimeout(() => socket.resetAndDestroy(), 10)),
    ],
  ] as const)('to an endpoint that %s fail, and are held against it', async (_, step) => {
    const bad = await server(({ socket }) => step(socket))
    const mesh = meshOver([bad.address])
    await expect(getBy(mesh)).rejects.toThrow()
    // The answer breaks off a moment before its end is told.
    await vi.waitFor(() => expect(mesh.stats().services['orders']?.inflight).toBe(0))
    expect(mesh.stats().services['orders']).toMatchObject({ failures: 1, endpoints: [{ failures: 1, inflight: 0 }] })
  })

  it('take TLS from the service or from the URL', async () => {
    const plain = await server(answering('secret'))
    const ca = new CertificateAuthority()
    const front = await tlsFront(plain.address, ca.issue({ names: ['orders.internal'] }))
    cleanups.push(() => front.close())
    const tls = { ca: ca.cert, serverName: 'orders.internal' }
    expect((await getBy(meshOver([front.address], { tls }))).body).toBe('secret')
    const mesh = meshOver([front.address], { tls })
    expect((await read(getSecure('https://orders/', { agent: mesh.httpAgent({ protocol: 'https:' }) }))).body).toBe('secret')
    const stranger = meshOver([front.address], { tls: { ca: new CertificateAuthority().cert, serverName: 'orders.internal' } })
    expect((await failureOf(getBy(stranger))).code).toBe('MESH_TLS')
    expect(front.bytesIn).toBeGreaterThan(0)
  })

  it('to hosts that are no service go to the platform, or are refused', async () => {
    const other = await server(answering('other'))
    expect((await getBy(meshOver([]), `http://${other.address}/`)).body).toBe('other')
    const strict = meshOf({ unknownHosts: 'refuse', services: {} })
    expect((await failureOf(getBy(strict, `http://${other.address}/`))).code).toBe('MESH_UNKNOWN_SERVICE')
  })

  it('obey mesh.with, wait for names, and end when the mesh closes', async () => {
    const silent = await server(async () => {})
    const mesh = meshOver([silent.address])
    expect((await failureOf(mesh.with({ timeout: 80 }, () => getBy(mesh)))).code).toBe('MESH_DEADLINE')
    const waiting = failureOf(getBy(mesh))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await mesh.close({ timeout: 0 })
    expect((await waiting).code).toBe('MESH_CLOSED')
    expect((await failureOf(getBy(mesh))).code).toBe('MESH_CLOSED')
    const named = await server(answering('named'))
    const byName = meshOf({ services: { orders: { endpoints: [`localhost:${named.address.split(':')[1]}`] } } })
    expect((await getBy(byName)).body).toBe('named')
  })
})

describe('clients that stand on node:http', () => {
  it('axios', async () => {
    const one = await server(answering('{"by":"axios"}'))
    const mesh = meshOver([await nobody(), one.address])
    const client = axios.create({ httpAgent: mesh.httpAgent() })
    for (let call = 0; call < 4; call++) expect((await client.get('http://orders/')).data).toEqual({ by: 'axios' })
  })

  it('got', async () => {
    const one = await server(answering('by got'))
    const mesh = meshOver([await nobody(), one.address])
    for (let call = 0; call < 4; call++)
      expect(await got('http://orders/', { agent: { http: mesh.httpAgent() }, retry: { limit: 0 } }).text()).toBe('by got')
  })
})

import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { request as requestSecure } from 'node:https'
import { createServer as createNetServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { expect, it } from 'vitest'
import { createMesh, type MeshOptions } from '../../src/index.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure } from '../support/mesh-with.ts'
import { CertificateAuthority } from '../support/tls.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const { keep, serverOf, listen } = lifetimes()
nothingUncaught()
const authority = new CertificateAuthority()
const credentials = { ...authority.issue({ names: ['orders'] }) }

function meshOf(options: MeshOptions): ReturnType<typeof createMesh> {
  const mesh = createMesh(options)
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

/** Accepts connections and holds each back until `shake` begins its TLS handshake, with a server that speaks HTTP/1.1. */
async function handshakes(): Promise<{ address: string; opened: Socket[]; shake: () => Promise<void> }> {
  const opened: Socket[] = []
  const secure = createTlsServer({ ...credentials, ALPNProtocols: ['http/1.1'] }, (socket) => socket.on('error', () => {}))
  const front = createNetServer({ pauseOnConnect: true }, (socket) => void opened.push(socket.on('error', () => {})))
  const port = await listen(front)
  keep(() => {
    for (const socket of opened) socket.destroy()
  })
  const shake = async (): Promise<void> => {
    const done = new Promise<void>((resolve) => secure.once('secureConnection', () => resolve()))
    secure.emit('connection', opened[0])
    await done
  }
  return { address: `127.0.0.1:${port}`, opened, shake }
}

const tls = { mode: 'simple', ca: authority.cert } as const

it.each([
  ['cannot be reached', 'http://nobody/'],
  ['gives no answer', 'http://silent/'],
  ['is outside the mesh', undefined],
])('an answer that redirects and does not end is let go of when the place it leads to %s', async (_, leadsTo) => {
  const outside = await serverOf('ok')
  const silent = await serverOf('silent')
  const location = leadsTo ?? `http://${outside.address}/`
  const server = await serverOf(({ write }) => write(`HTTP/1.1 302 Found\r\nlocation: ${location}\r\ncontent-length: 9\r\n\r\nnot`))
  const mesh = meshOf({
    services: { orders: { endpoints: [server.address] }, nobody: { endpoints: ['127.0.0.1:1'] }, silent: { endpoints: [silent.address] } },
  })
  const aborter = new AbortController()
  const answer = mesh.fetch('http://orders/', { signal: aborter.signal }).then(
    ({ status }) => status,
    () => 'failed',
  )
  if (leadsTo?.includes('silent') === true) {
    await expect.poll(() => silent.requests.length).toBe(1)
    aborter.abort()
  }
  expect(await answer).toBe(leadsTo === undefined ? 200 : 'failed')
  const { inflight, endpoints } = mesh.stats().services['orders'] as { inflight: number; endpoints: { inflight: number }[] }
  expect([inflight, endpoints[0]?.inflight]).toEqual([0, 0])
})

it.each([
  ['is aborted', 'silent'],
  ['was answered early', 413],
] as const)('the stream of a Request that waits for its next piece is cancelled when the call %s', async (_, step) => {
  const server = await serverOf(step === 'silent' ? step : ({ answer }) => answer(step, 'too long'))
  const mesh = meshOf({ services: { orders: { endpoints: [server.address] } } })
  const aborter = new AbortController()
  let cancelled = 0
  const body = new ReadableStream({ start: (source) => source.enqueue(Buffer.from('begun')), cancel: () => void cancelled++ })
  const { signal } = aborter
  const answer = mesh
    .fetch(new Request('http://orders/', { method: 'POST', body, duplex: 'half', signal } as RequestInit))
    .catch(() => undefined)
  if (step === 'silent') {
    await expect.poll(() => server.requests.length).toBe(1)
    aborter.abort()
  }
  await answer
  await expect.poll(() => cancelled).toBe(1)
})

/** A call over TLS whose caller leaves before the protocol is agreed on. */
async function leftDuringHandshake(): Promise<Pick<Awaited<ReturnType<typeof handshakes>>, 'opened' | 'shake'>> {
  const { address, opened, shake } = await handshakes()
  const mesh = meshOf({ services: { orders: { endpoints: [address], protocol: 'auto', tls } } })
  const aborter = new AbortController()
  const answer = mesh.fetch('https://orders/', { signal: aborter.signal }).catch(() => undefined)
  await expect.poll(() => opened.length).toBe(1)
  aborter.abort()
  await answer
  return { opened, shake }
}

it('a connection whose caller left before HTTP/1.1 was agreed on breaks without ending the process', async () => {
  const { opened, shake } = await leftDuringHandshake()
  const closed = new Promise((resolve) => opened[0]?.once('close', resolve))
  await shake()
  opened[0]?.resetAndDestroy()
  await closed
  await sleep(20)
})

it('a connection that nobody takes after HTTP/1.1 was agreed on is closed', async () => {
  const { opened, shake } = await leftDuringHandshake()
  await shake()
  await expect.poll(() => opened[0]?.destroyed).toBe(true)
})

it.each(['http1', 'http2', 'node:http'] as const)('a dial by %s that is under way ends with the mesh', async (by) => {
  const { address, opened } = await handshakes()
  const protocol = by === 'http2' ? by : 'http1'
  const mesh = createMesh({ services: { orders: { endpoints: [address], protocol, tls, connectTimeout: '15s' } } })
  await mesh.ready()
  if (by === 'node:http')
    requestSecure('https://orders/', { agent: mesh.httpAgent({ protocol: 'https:' }) })
      .on('error', () => {})
      .end()
  else mesh.fetch('https://orders/').catch(() => {})
  await expect.poll(() => opened.length).toBe(1)
  const closed = new Promise((resolve) => opened[0]?.once('close', resolve))
  opened[0]?.resume()
  await mesh.close({ timeout: 0 })
  await closed
})

it('a request of node:http whose time is over while it is dialled hears so once', async () => {
  const { address, opened, shake } = await handshakes()
  const mesh = meshOf({ services: { orders: { endpoints: [address], tls, timeout: '50ms' } } })
  await mesh.ready()
  const heard: unknown[] = []
  const sent = requestSecure('https://orders/', { agent: mesh.httpAgent({ protocol: 'https:' }) })
  sent.on('error', ({ code }: { code?: string }) => heard.push(code)).on('close', () => heard.push('close'))
  sent.end()
  await expect.poll(() => opened.length).toBe(1)
  await expect.poll(() => heard.at(-1)).toBe('close')
  void shake()
  await expect.poll(() => opened[0]?.destroyed).toBe(true)
  expect(heard).toEqual(['MESH_DEADLINE', 'close'])
})

it('a request of node:http to a host that a source may still name waits as long as for its answer', async () => {
  const mesh = meshOf({ services: {}, sources: [{ name: 'never', watch: () => () => {} }] })
  const sent = (): Promise<unknown> =>
    new Promise((_, reject) => request('http://elsewhere/', { agent: mesh.httpAgent() }).on('error', reject).end())
  const error = await failure(mesh.with({ timeout: '50ms' }, sent))
  expect([error.code, error.reason]).toEqual([
    'MESH_DEADLINE',
    'no source named http://elsewhere within 50 ms, and not all of them have answered',
  ])
})

it('an answer of node:http that falls silent ends for a loop over it', async () => {
  const server = await serverOf(({ write }) => write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnot'))
  const mesh = meshOf({ services: { orders: { endpoints: [server.address], idleTimeout: '50ms' } } })
  const broken = new Promise((resolve) => {
    request('http://orders/', { agent: mesh.httpAgent() }, async (response) => {
      try {
        for await (const _ of response);
        resolve('the end')
      } catch (error) {
        resolve((error as { code?: string }).code)
      }
    })
      .on('error', () => {})
      .end()
  })
  expect(await broken).toMatch(/ECONNRESET|MESH_DEADLINE/)
  await expect.poll(() => mesh.stats().inflight).toBe(0)
})

it('an upload that outgrows what is kept of it in the wait before the next try arrives whole', async () => {
  const pieces = [1, 2, 3, 4].map((each) => Buffer.alloc(30_000, each))
  const broken = await serverOf(async ({ request, socket }) => {
    while (request.bodyBytes < 60_000) await sleep(1)
    socket.resetAndDestroy()
  })
  const server = await serverOf(async ({ bodyRead, request, answer }) => {
    await bodyRead
    answer(200, request.bodyHash)
  })
  const mesh = meshOf({
    // Round robin from the first endpoint on, and a wait between the tries.
    random: () => 0.4,
    services: {
      orders: {
        balancing: { policy: 'round-robin' },
        endpoints: [broken.address, server.address],
        retry: { backoff: { base: 50, max: 50 } },
      },
    },
  })
  const failed = new Promise<void>((resolve) => mesh.on('retry', () => resolve()))
  async function* upload(): AsyncGenerator<Buffer> {
    yield* pieces.slice(0, 2)
    await failed
    yield* pieces.slice(2)
  }
  const { body } = await mesh.request('http://orders/', { method: 'PUT', body: upload() })
  expect(await body.text()).toBe(createHash('sha256').update(Buffer.concat(pieces)).digest('hex'))
})

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { DOORS, doors } from '../support/doors.ts'
import { H2, Http2WireServer, type StreamStep } from '../support/http2-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { failure } from '../support/mesh-with.ts'
import { CertificateAuthority } from '../support/tls.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const { keep, listen } = lifetimes()
nothingUncaught()
const authority = new CertificateAuthority()
const credentials = authority.issue({ names: ['orders', 'localhost'] })

type OnStream = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => unknown

/** node's own HTTP/2 server; `over` is what it lets itself be agreed with. */
async function http2Server(onStream: OnStream, over: 'clear' | 'tls' = 'clear'): Promise<{ address: string; server: Http2Server }> {
  const server = over === 'clear' ? createServer() : createSecureServer({ ...credentials })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    void onStream(stream, headers)
  })
  server.on('session', (session) => keep(() => session.destroy()))
  return { address: `127.0.0.1:${await listen(server)}`, server: server as Http2Server }
}

async function wireServer(step?: StreamStep, options: Parameters<typeof Http2WireServer.start>[1] = {}): Promise<Http2WireServer> {
  const server = await Http2WireServer.start(step, options)
  keep(() => server.close())
  return server
}

function meshOf(service: NonNullable<MeshOptions['services']>[string], more: MeshOptions = {}): Mesh {
  const mesh = createMesh({ services: { orders: { protocol: 'http2', ...service } }, ...more })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

const statsOf = (mesh: Mesh) => mesh.stats().services['orders'] as NonNullable<ReturnType<Mesh['stats']>['services'][string]>
const secured = { tls: { mode: 'simple', ca: authority.cert } } as const

describe('what is spoken', () => {
  it.each(DOORS)('HTTP/2 by prior knowledge, through %s', async (door) => {
    const { address } = await http2Server(async (stream, headers) => {
      let body = ''
      for await (const chunk of stream) body += chunk
      stream.respond({ ':status': 200, 'x-seen': `${headers[':method']} ${headers[':path']} ${headers[':authority']}` })
      stream.end(`got ${body}`)
    })
    const mesh = meshOf({ endpoints: [address] })
    const answer = await doors[door](mesh, 'http://orders/a?b=c', { method: 'POST', body: 'hello' })
    expect(answer).toMatchObject({ status: 200, body: 'got hello' })
    expect(new Headers(answer.headers as Record<string, string>).get('x-seen')).toBe('POST /a?b=c orders')
    await expect.poll(() => statsOf(mesh).endpoints[0]).toMatchObject({ protocol: 'h2', connections: 1, idleConnections: 1 })
    expect(mesh.explain({ url: 'http://orders/' }).protocol).toBe('HTTP/2 by prior knowledge')
  })

  it.each([
    ['auto', 'h2', 'h2'],
    ['http2', 'h2', 'h2'],
    ['http1', 'h2 or 1', 'http/1.1'],
    ['auto', '1', 'http/1.1'],
  ] as const)('over TLS %s with a server of %s is %s', async (protocol, server, spoken) => {
    const secure =
      server === '1'
        ? createHttpsServer(credentials, (_, response) => response.end('ok'))
        : createSecureServer({ ...credentials, allowHTTP1: server === 'h2 or 1' }, (_, response) => response.end('ok'))
    const port = await listen(secure)
    const mesh = meshOf({ endpoints: [`127.0.0.1:${port}`], protocol, ...secured })
    await mesh.ready()
    const startedAt = performance.now()
    const calls = await Promise.all(Array.from({ length: 20 }, () => mesh.fetch('http://orders/').then((answer) => answer.text())))
    expect(calls).toEqual(Array(20).fill('ok'))
    // A request that waits for nobody ends when the server tidies up, after five seconds.
    expect(performance.now() - startedAt).toBeLessThan(4_000)
    expect(statsOf(mesh).endpoints[0]?.protocol).toBe(spoken)
    expect(statsOf(mesh).endpoints[0]?.connections === 1).toBe(spoken === 'h2')
    await mesh.close({ timeout: 0 })
  })

  it('clear text without prior knowledge is HTTP/1.1', async () => {
    const mesh = meshOf({ endpoints: ['127.0.0.1:1'], protocol: 'auto' })
    expect(mesh.explain({ url: 'http://orders/' }).protocol).toBe('HTTP/1.1')
    expect(mesh.explain({ url: 'https://orders/' }).protocol).toBe('HTTP/2 or HTTP/1.1, as the server agrees')
    expect(mesh.snapshot().services['default/orders']?.protocol).toBe('auto')
  })

  it('a server that does not agree on HTTP/2 is a clear error, and not one byte of the request was sent', async () => {
    let requests = 0
    const port = await listen(createHttpsServer(credentials, () => requests++))
    const error = await failure(meshOf({ endpoints: [`127.0.0.1:${port}`], ...secured }).fetch('http://orders/'))
    expect(['MESH_PROTOCOL', 'MESH_TLS']).toContain(error.code)
    expect(error.reason).toMatch(/ALPN|no application protocol/i)
    expect(requests).toBe(0)
  })

  it.each(['closes', 'says nothing'])('a clear-text server that %s in place of HTTP/2 is a clear error', async (how) => {
    const server = await wireServer()
    server.stopListening()
    const { createServer: tcp } = await import('node:net')
    const plain = tcp((socket) => {
      socket.on('error', () => {})
      if (how === 'closes') socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    })
    const mesh = meshOf({ endpoints: [`127.0.0.1:${await listen(plain)}`], connectTimeout: 100, retry: false })
    const error = await failure(mesh.fetch('http://orders/', { method: 'POST', body: 'x' }))
    expect(error).toMatchObject({ code: 'MESH_PROTOCOL' })
    expect(error.reason).toMatch(how === 'closes' ? /no HTTP\/2 is spoken there/ : /no HTTP\/2 settings within 100 ms/)
  })
})

describe('one connection', () => {
  it('carries 1,000 calls at once', async () => {
    let now = 0
    let most = 0
    let sessions = 0
    const { address, server } = await http2Server(async (stream) => {
      most = Math.max(most, ++now)
      await pause(30)
      now--
      stream.respond({ ':status': 200 })
      stream.end('ok')
    })
    server.on('session', () => sessions++)
    const mesh = meshOf({ endpoints: [address] })
    await mesh.fetch('http://orders/')
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => mesh.fetch('http://orders/').then((answer) => answer.text())))
    expect(answers.every((answer) => answer === 'ok')).toBe(true)
    expect([sessions, most > 500]).toEqual([1, true])
    await expect.poll(() => statsOf(mesh).endpoints[0]).toMatchObject({ connections: 1, idleConnections: 1, inflight: 0 })
  })

  it('stays when a caller leaves, and the server hears of it', async () => {
    const server = await wireServer((stream) => (server.streams.length === 2 ? stream.answer() : undefined))
    const mesh = meshOf({ endpoints: [server.address] })
    await mesh.ready()
    const controller = new AbortController()
    const left = mesh.fetch('http://orders/', { signal: controller.signal })
    await expect.poll(() => server.streams.length).toBe(1)
    controller.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    await expect.poll(() => [server.streams[0]?.reset, server.connections]).toEqual([H2.cancel, 1])
  })

  it('bodies go both ways with backpressure, byte by byte the same', async () => {
    const size = 8 * 1024 * 1024
    const sent = Buffer.alloc(size, 'inmesh')
    const { address } = await http2Server((stream) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    })
    const mesh = meshOf({ endpoints: [address] })
    const pieces = Array.from({ length: 64 }, (_, index) => sent.subarray((index * size) / 64, ((index + 1) * size) / 64))
    const answer = await mesh.request('http://orders/', { method: 'POST', body: Readable.from(pieces) })
    const hash = createHash('sha256')
    let slow = 0
    for await (const chunk of answer.body) {
      hash.update(chunk as Buffer)
      if (slow++ < 5) await pause(10)
    }
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'))
  })

  it('a reader that pauses holds the server back, and nobody else', async () => {
    let written = 0
    const { address } = await http2Server(async (stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] === '/small') {
        stream.end('small')
        return
      }
      const closed = new AbortController()
      stream.once('close', () => closed.abort())
      for (let piece = 0; piece < 1_000 && !stream.destroyed; piece++) {
        written += 16_384
        if (!stream.write(Buffer.alloc(16_384))) await once(stream, 'drain', { signal: closed.signal }).catch(() => {})
      }
      stream.end()
    })
    const mesh = meshOf({ endpoints: [address] })
    const big = await mesh.request('http://orders/big', {})
    await pause(50)
    expect(await (await mesh.fetch('http://orders/small')).text()).toBe('small')
    expect(written).toBeLessThan(2 * 1024 * 1024)
    let read = 0
    for await (const chunk of big.body) read += (chunk as Buffer).length
    expect(read).toBe(16_384_000)
  })

  it('trailers reach the caller, and 103 comes before the answer', async () => {
    const { address } = await http2Server((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'] }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }))
      stream.end('x')
    })
    const mesh = meshOf({ endpoints: [address] })
    const infos: number[] = []
    const options = { method: 'POST', body: 'x', onInfo: ({ statusCode }: { statusCode: number }) => infos.push(statusCode) }
    const answer = await mesh.request('http://orders/', options as Parameters<Mesh['request']>[1])
    expect(await answer.body.text()).toBe('x')
    expect(answer.trailers).toEqual({ 'grpc-status': '0', 'grpc-message': 'fine' })
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(infos).toEqual([103])
  })

  it('an answer before the end of the upload is delivered, and the upload stops', async () => {
    const server = await wireServer((stream) => stream.answer(413, 'too much'))
    const mesh = meshOf({ endpoints: [server.address] })
    let stopped = false
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          yield Buffer.alloc(1_024)
          await pause(5)
        }
      } finally {
        stopped = true
      }
    }
    const answer = await mesh.request('http://orders/', { method: 'POST', body: endless() })
    expect([answer.statusCode, await answer.body.text()]).toEqual([413, 'too much'])
    await expect.poll(() => [stopped, server.streams[0]?.reset]).toEqual([true, H2.cancel])
  })
})

describe('an upload', () => {
  it.each(['caller', 'source'])('that its %s breaks off is reset, and never ended as if it were whole', async (who) => {
    const server = await wireServer(() => {})
    const mesh = meshOf({ endpoints: [server.address] })
    const controller = new AbortController()
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('half')
      await expect.poll(() => server.streams[0]?.bodyBytes).toBe(4)
      if (who === 'source') throw new Error('broke off')
      controller.abort(new Error('broke off'))
      await pause(1_000)
    }
    const sent = mesh.request('http://orders/', { method: 'POST', body: body(), signal: controller.signal })
    await expect(sent).rejects.toThrow('broke off')
    await expect.poll(() => server.streams[0]?.reset).toBe(H2.cancel)
    expect([server.streams[0]?.ended, server.streams.length]).toEqual([false, 1])
  })
})

describe('requests', () => {
  it('headers of one HTTP/1.1 connection are left out, and Host is the authority', async () => {
    let seen: Record<string, unknown> = {}
    const { address } = await http2Server((stream, headers) => {
      seen = { ...headers }
      stream.respond({ ':status': 204 }, { endStream: true })
    })
    const mesh = meshOf({ endpoints: [address] })
    const headers = { host: 'shop:8080', connection: 'close', te: 'trailers', 'X-Many': ['a', 'b'], cookie: 'a=1' }
    const { statusCode, body } = await mesh.request('http://orders/', { headers })
    await body.dump()
    expect(statusCode).toBe(204)
    expect(seen).toMatchObject({ ':authority': 'shop:8080', te: 'trailers', 'x-many': 'a, b', cookie: 'a=1' })
    expect(Object.keys(seen)).not.toContain('connection')
    expect(Object.keys(seen)).not.toContain('host')
  })

  it.each([
    ['expect', { expect: '100-continue' }, 'expect header not supported'],
    ['a header with a line break', { 'x-a': 'a\r\nb: c' }, 'invalid x-a header'],
    ['transfer-encoding', { 'transfer-encoding': 'chunked' }, 'invalid transfer-encoding header'],
  ])('%s is refused as over HTTP/1.1', async (_, headers, message) => {
    const server = await wireServer()
    const mesh = meshOf({ endpoints: [server.address] })
    await expect(mesh.request('http://orders/', { headers: headers as Record<string, string> })).rejects.toThrow(message)
    expect(statsOf(mesh)).toMatchObject({ failures: 0, inflight: 0 })
  })

  it('a body of another length than said is the mistake of its caller, and ends nothing else', async () => {
    const server = await wireServer(async (stream) => {
      await stream.read
      stream.answer()
    })
    const mesh = meshOf({ endpoints: [server.address] })
    const wrong = mesh.request('http://orders/', {
      method: 'POST',
      headers: { 'content-length': '5' },
      body: Readable.from([Buffer.from('abc')]),
    })
    await expect(wrong).rejects.toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' })
    expect((await mesh.fetch('http://orders/', { method: 'POST', body: 'abc' })).status).toBe(200)
    expect(server.connections).toBe(1)
  })

  it('an upgrade goes over HTTP/1.1 where there is one, and is a clear error where there is none', async () => {
    const secure = createSecureServer({ ...credentials, allowHTTP1: true }, (_, response) => response.end('ok'))
    secure.on('upgrade', (_, socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi')
    })
    const address = `127.0.0.1:${await listen(secure)}`
    const { upgrade } = await import('undici')
    const mesh = meshOf({ endpoints: [address], protocol: 'auto', ...secured })
    expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    const { socket } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher as never, protocol: 'echo' })
    expect(String((await socket.toArray())[0])).toBe('hi')
    expect(statsOf(mesh).endpoints[0]?.protocol).toBe('h2')
    const only = meshOf({ endpoints: [address], ...secured })
    const error = await failure(upgrade('http://orders/', { dispatcher: only.dispatcher as never, protocol: 'echo' }))
    expect(error).toMatchObject({ code: 'MESH_PROTOCOL', tries: 0 })
    await mesh.close({ timeout: 0 })
  })
})

describe('streams that break', () => {
  it.each([
    ['CANCEL', H2.cancel, /closed before the answer|CANCEL/],
    ['INTERNAL_ERROR', H2.internal, /INTERNAL_ERROR/],
    ['ENHANCE_YOUR_CALM', H2.calm, /ENHANCE_YOUR_CALM/],
    ['PROTOCOL_ERROR', H2.protocol, /PROTOCOL_ERROR/],
  ])('%s before the answer is MESH_RESET, retried where that does no harm', async (_, code, reason) => {
    const server = await wireServer((stream) => stream.refuse(code))
    const mesh = meshOf({ endpoints: [server.address], retry: { attempts: 1, backoff: { base: 1, max: 2 } } })
    const error = await failure(mesh.fetch('http://orders/', { method: 'POST', body: 'x' }))
    expect(error).toMatchObject({ code: 'MESH_RESET', tries: 1 })
    expect(error.reason).toMatch(reason)
    expect(await failure(mesh.fetch('http://orders/'))).toMatchObject({ code: 'MESH_RESET', tries: 2 })
    expect([server.streams.length, server.connections]).toEqual([3, 1])
  })

  it.each([
    ['CANCEL', H2.cancel],
    ['INTERNAL_ERROR', H2.internal],
  ])('%s in the body is never a short success', async (_, code) => {
    const server = await wireServer(async (stream) => {
      stream.head(200)
      stream.data('part')
      await pause(20)
      stream.refuse(code)
    })
    const mesh = meshOf({ endpoints: [server.address] })
    const answer = await mesh.request('http://orders/', {})
    expect(await failure(answer.body.text())).toMatchObject({ code: 'MESH_RESET' })
    expect(server.connections).toBe(1)
  })

  it('a body that is shorter than it says is one that broke', async () => {
    const server = await wireServer((stream) => {
      stream.head(200, { 'content-length': '10' })
      stream.end('short')
    })
    const answer = meshOf({ endpoints: [server.address] }).request('http://orders/', {})
    const error = await failure(answer.then(({ body }) => body.text()))
    expect(['MESH_PROTOCOL', 'MESH_RESET']).toContain(error.code)
  })

  it('a connection that breaks breaks its calls, and those that may be repeated are', async () => {
    const server = await wireServer((stream) => (stream.connection === 1 ? stream.wire.socket.resetAndDestroy() : stream.answer()))
    const mesh = meshOf({ endpoints: [server.address] })
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(statsOf(mesh)).toMatchObject({ retries: 1, transparent: 0, movedOn: 0 })
  })

  it('a connection on which nobody answers any more is found out by a PING, and replaced', async () => {
    const server = await wireServer((stream) => {
      if (stream.connection === 1) stream.wire.deaf = true
      else stream.answer()
    })
    const mesh = meshOf({ endpoints: [server.address], retry: { attempts: 2, perTryTimeout: 50, backoff: { base: 1, max: 2 } } })
    const stuck = failure(mesh.fetch('http://orders/', { method: 'POST', body: 'x' }))
    await expect.poll(() => server.streams.length).toBe(1)
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(server.wires[0]?.pings).toBe(1)
    expect(await stuck).toMatchObject({ code: 'MESH_DEADLINE', tries: 1 })
    await expect.poll(() => server.openSockets, { timeout: 3_000 }).toBe(1)
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
  })

  it('a slow call is no dead connection', async () => {
    const server = await wireServer((stream) => (server.streams.length === 1 ? undefined : stream.answer()))
    const mesh = meshOf({ endpoints: [server.address], retry: { attempts: 1, perTryTimeout: 50, backoff: { base: 1, max: 2 } } })
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(server.streams[0]?.reset).toBe(H2.cancel)
    await expect.poll(() => server.wires[0]?.pings).toBe(1)
    await pause(20)
    expect((await mesh.fetch('http://orders/')).status).toBe(200)
    expect(server.wires[0]?.socket.destroyed).toBe(false)
  })
})

describe('health checks', () => {
  it.each(['clear', 'tls'] as const)('ask a service that speaks HTTP/2 only: %s', async (over) => {
    const paths: unknown[] = []
    const { address } = await http2Server((stream, headers) => {
      paths.push(headers[':path'])
      stream.respond({ ':status': paths.length > 1 ? 503 : 200 })
      stream.end('ok')
    }, over)
    const healthCheck = { type: 'http', path: '/healthz', interval: 30, unhealthyAfter: 1, expectedBody: 'ok' } as const
    const mesh = meshOf({ endpoints: [address], healthCheck, ...(over === 'tls' ? secured : {}) })
    await mesh.ready()
    await expect.poll(() => statsOf(mesh).endpoints[0]).toMatchObject({ state: 'unhealthy', reason: expect.stringContaining('503') })
    expect(paths[0]).toBe('/healthz')
  })
})

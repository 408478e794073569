import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { doors } from '../support/doors.ts'
import { failureOf } from '../support/failure.ts'
import type { Step } from '../support/fault-server.ts'
import { oneService } from '../support/one-service.ts'
import { meshErrorIn, scenario } from '../support/scenario.ts'

const { start } = oneService()

function* repeated(piece: Buffer, times: number): Generator<Buffer> {
  for (let turn = 0; turn < times; turn++) yield piece
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('what happens to an answer', () => {
  it('a slow head arrives', () => scenario().upstream('slow-head').call().expect({ status: 200, body: 'ok' }))

  it.each(['endless-head', 'endless-103', 'head-then-stall', 'byte-by-byte', 'silent'] as const)('%s ends at the deadline', (fault) =>
    scenario()
      .upstream(fault)
      .call('/', { mesh: { timeout: 300 } })
      .expect({ error: 'MESH_DEADLINE', notBeforeMs: 300, withinMs: 450 }),
  )

  it('a body that falls silent ends after idleTimeout', () =>
    scenario()
      .upstream('head-then-stall')
      .options({ idleTimeout: 200 })
      .call()
      .expect({ error: 'MESH_DEADLINE', notBeforeMs: 200, withinMs: 400 }))

  it('a body that drips outlives idleTimeout and the default timeout alike', async () => {
    const { mesh } = await start({ idleTimeout: 300 }, 'byte-by-byte')
    const response = await mesh.fetch('http://orders/')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const startedAt = performance.now()
    while (performance.now() - startedAt < 800) await reader.read()
    await reader.cancel()
  })

  it('an event stream is not cut by a timeout that somebody wrote', () =>
    scenario()
      .upstream('event-stream')
      .options({ timeout: 200 })
      .call()
      .expect({ status: 200, body: 'data: 1\n'.repeat(6), notBeforeMs: 250 }))

  it.each(['rst-in-body', 'fin-in-body', 'truncated-chunk', 'missing-last-chunk'] as const)(
    '%s is an error, never a short success',
    (fault) => scenario().upstream(fault).call().expect({ error: 'MESH_RESET', attempts: 1 }),
  )

  it('a broken chunk is a protocol error', () => scenario().upstream('bad-chunk-size').call().expect({ error: 'MESH_PROTOCOL' }))
  it('garbage is a protocol error', () => scenario().upstream('garbage').call().expect({ error: 'MESH_PROTOCOL' }))
  it('5,000 headers are refused', () => scenario().upstream('many-headers').call().expect({ error: 'MESH_PROTOCOL' }))
  it('status 000 is refused', () =>
    scenario()
      .upstream('status-000')
      .call('/', { mesh: { timeout: 1_000 } })
      .expect({ error: 'MESH_PROTOCOL' }))

  it('TLS on a plain port fails in the handshake', () =>
    scenario()
      .upstream('ok')
      .options({ tls: { mode: 'simple' }, connectTimeout: 500 })
      .call()
      .expect({ error: 'MESH_TLS', attempts: 0 }))

  it('a truncated gzip body reaches request as it came', async () => {
    const { mesh } = await start({}, 'truncated-gzip')
    const { body, headers } = await mesh.request('http://orders/')
    expect((await body.bytes()).length).toBe(Number(headers['content-length']))
  })

  it('a gzip bomb is not inflated beyond what is read', async () => {
    // Made piece by piece: a server in this process that held the 64 MiB itself would be measured instead of the client.
    const bomb = await bytesOf(Readable.from(repeated(Buffer.alloc(65_536), 1_024)).pipe(createGzip()))
    expect(bomb.length).toBeLessThan(100_000)
    const { mesh } = await start({}, ({ write }) => {
      write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`)
      write(bomb)
    })
    const before = process.memoryUsage()
    const response = await mesh.fetch('http://orders/')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024)
    await reader.cancel()
  })

  it('bytes after the end never reach another call', async () => {
    const { mesh } = await start({}, 'bytes-after-end')
    for (let call = 0; call < 10; call++) {
      const { statusCode, body } = await mesh.request('http://orders/')
      expect([statusCode, await body.text()]).toEqual([200, 'ok'])
    }
  })

  it('Set-Cookie twice stays two', async () => {
    const { mesh } = await start({}, 'two-cookies')
    const cookies = ['a=1; Path=/', 'b=2, with comma']
    expect((await mesh.fetch('http://orders/')).headers.getSetCookie()).toEqual(cookies)
    const response = await fetch('http://orders/', { dispatcher: mesh.dispatcher })
    expect(response.headers.getSetCookie()).toEqual(cookies)
    expect((await mesh.request('http://orders/')).headers['set-cookie']).toEqual(cookies)
  })

  it('early hints pass and commit nothing', async () => {
    const { mesh } = await start({}, 'early-hints')
    const seen: number[] = []
    const { statusCode } = await mesh.request('http://orders/', {
      onInfo: ({ statusCode: status }: { statusCode: number }) => seen.push(status),
    })
    expect([seen, statusCode]).toEqual([[103], 200])
  })

  it('trailers arrive', async () => {
    const { mesh } = await start({}, 'trailers')
    const answer = await mesh.request('http://orders/')
    expect(await answer.body.text()).toBe('ok')
    expect(answer.trailers).toEqual({ 'x-checksum': 'abc' })
  })

  it('an answer before the upload is done is delivered, and the upload stops', async () => {
    const { mesh } = await start({}, 'early-answer')
    let sent = 0
    let stopped = false
    const upload = (async function* () {
      try {
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, 5))
          sent++
          yield Buffer.alloc(1_000)
        }
      } finally {
        stopped = true
      }
    })()
    const { statusCode, body } = await mesh.request('http://orders/', { method: 'POST', body: upload })
    expect([statusCode, await body.text()]).toEqual([413, 'too large'])
    await new Promise((resolve) => setTimeout(resolve, 100))
    const then = sent
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(sent).toBe(then)
    expect(stopped).toBe(true)
  })

  it('an answer before the upload is done is delivered by a server that goes on reading', async () => {
    const { mesh } = await start({}, ({ answer }) => answer(413, 'too large'))
    const upload = (async function* () {
      for (let piece = 0; piece < 20; piece++) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        yield Buffer.alloc(1_000)
      }
    })()
    const { statusCode, body } = await mesh.request('http://orders/', { method: 'POST', body: upload })
    expect([statusCode, await body.text()]).toEqual([413, 'too large'])
    expect((await mesh.request('http://orders/')).statusCode).toBe(413)
  })

  it('13 MB down with a slow reader stays in flat memory', async () => {
    const { mesh } = await start({}, 'large-body')
    const { body } = await mesh.request('http://orders/')
    let bytes = 0
    let most = 0
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length
      most = Math.max(most, body.readableLength)
      if (bytes % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(bytes).toBe(13 * 1024 * 1024)
    expect(most).toBeLessThan(1024 * 1024)
  })

  it('an endless body with a reader that stopped is not buffered', async () => {
    const { mesh } = await start({ idleTimeout: 100 }, 'endless-body')
    const { body } = await mesh.request('http://orders/')
    await new Promise((resolve) => body.once('readable', resolve))
    await new Promise((resolve) => setTimeout(resolve, 300))
    // Nobody is timed out for the reader's own pause.
    expect(body.destroyed).toBe(false)
    expect(body.readableLength).toBeLessThan(1024 * 1024)
    body.destroy()
  })

  it('an upgrade goes through, both ways', async () => {
    const { mesh } = await start({}, 503, 'upgrade-echo')
    const { socket } = (await mesh.dispatcher.upgrade({ origin: 'http://orders', path: '/', method: 'GET', protocol: 'echo' })) as {
      socket: import('node:net').Socket
    }
    socket.write('ping')
    expect(String(await new Promise((resolve) => socket.once('data', resolve)))).toBe('ping')
    socket.destroy()
  })

  it.each(['close', 'idleTimeout'] as const)('an upgraded socket ends with %s', async (how) => {
    const { mesh } = await start({ idleTimeout: how === 'close' ? '1m' : 60 }, 'upgrade-echo')
    const { socket } = (await mesh.dispatcher.upgrade({ origin: 'http://orders', path: '/', method: 'GET', protocol: 'echo' })) as {
      socket: import('node:net').Socket
    }
    const closed = new Promise((resolve) => socket.once('close', resolve))
    if (how === 'close') await mesh.close({ timeout: 0 })
    await closed
  })

  it('CONNECT goes through', async () => {
    const { mesh } = await start({}, 'connect-echo')
    const { socket, statusCode } = (await mesh.dispatcher.connect({ origin: 'http://orders', path: 'example.com:443' })) as {
      socket: import('node:net').Socket
      statusCode: number
    }
    expect(statusCode).toBe(200)
    socket.write('ping')
    expect(String(await new Promise((resolve) => socket.once('data', resolve)))).toBe('ping')
    socket.destroy()
  })

  it('Expect is refused as undici refuses it', async () => {
    const { mesh, server } = await start({}, 'ok')
    const error = await failureOf(mesh.request('http://orders/', { headers: { expect: '100-continue' } }))
    expect((error as { code?: string }).code).toBe('UND_ERR_NOT_SUPPORTED')
    expect(mesh.stats().services['orders']?.endpoints[0]?.failures).toBe(0)
    expect(server.requests.length).toBe(0)
  })

  it('a refused answer is read to its end, so that its socket serves the next try', async () => {
    const { mesh, server } = await start({}, 503, 200)
    expect((await mesh.request('http://orders/')).statusCode).toBe(200)
    expect(server.connections).toBeLessThanOrEqual(2)
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(mesh.stats().services['orders']?.endpoints[0]?.inflight).toBe(0)
  })

  it.each(['fetch', 'platform-fetch', 'undici-fetch', 'install'] as const)(
    'through %s an error is the TypeError that fetch throws, and its cause says the rest',
    async (door) => {
      const { mesh } = await start({ retry: false }, 'rst-after-request', 'silent')
      const reset = await failureOf(doors[door](mesh, 'http://orders/', {}))
      expect(reset).toBeInstanceOf(TypeError)
      expect(reset).toMatchObject({ message: 'fetch failed', cause: { code: 'MESH_RESET', service: 'orders', tries: 1 } })
      const late = await failureOf(doors[door](mesh, 'http://orders/', { mesh: { timeout: 60 } }))
      expect(late).toBeInstanceOf(TypeError)
      expect(late).toMatchObject({ message: 'fetch failed', cause: { code: 'MESH_DEADLINE', name: 'TimeoutError' } })
    },
  )

  it('Retry-After is waited for within the deadline, and beyond it the answer goes to the caller', async () => {
    const busy: Step = ({ answer }) => answer(503, 'busy', ['retry-after: 1'])
    const { mesh, server } = await start({}, busy, 'ok')
    const startedAt = performance.now()
    expect((await mesh.request('http://orders/')).statusCode).toBe(200)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(999)
    server.behave(busy, 'ok')
    const { statusCode, body } = await mesh.request('http://orders/', { mesh: { timeout: 500 } })
    expect([statusCode, await body.text()]).toEqual([503, 'busy'])
  })

  it('a MeshError is recognised wherever it surfaces', async () => {
    const { mesh } = await start({}, 'rst-in-body')
    const response = await mesh.fetch('http://orders/')
    const error = await failureOf(response.text())
    expect(meshErrorIn(error)).toMatchObject({ code: 'MESH_RESET', service: 'orders', tries: 1 })
  })
})

import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Server as NetServer } from 'node:net'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { sendHttp2, sendRaw } from '../../support/raw-http.ts'
import { nothingUncaught } from '../../support/uncaught.ts'

const { keep } = lifetimes()
nothingUncaught()

const OPTIONS: MeshOptions = {
  inbound: { authorization: [{ name: 'no', action: 'DENY', rules: [{ to: [{ operation: { paths: ['/no*', '/api/no*'] } }] }] }] },
}

async function serve(make: (mesh: Mesh) => NetServer, options = OPTIONS): Promise<{ port: number; mesh: Mesh }> {
  const mesh = createMesh(options)
  const server = make(mesh)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => {
    ;(server as Partial<Server>).closeAllConnections?.()
    server.close()
    return mesh.close({ timeout: 0 })
  })
  return { port: (server.address() as AddressInfo).port, mesh }
}

const plain = (mesh: Mesh): NetServer =>
  createHttp(
    mesh.handler((request, response) => {
      request.resume().on('end', () => response.end(`seen ${request.url}`))
    }),
  )

const statusesIn = (text: string): number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

describe('one connection with several requests', () => {
  it('each of a pipeline is judged by itself, and answered in order', async () => {
    const { port } = await serve(plain)
    const one = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`
    const { text } = await sendRaw(port, ['/a', '/no', '/b', '/no/x', '/c'].map(one).join(''), { quietMs: 50 })
    expect(statusesIn(text)).toEqual([200, 403, 200, 403, 200])
  })

  it.each<[string, string, string]>([
    ['a short body that comes along', 'Content-Length: 5\r\n\r\nhello', 'kept'],
    ['a short body that looks like a request', 'Content-Length: 42\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n12345', 'kept'],
    ['a chunked body', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', 'closed'],
    ['a body that it asks for', 'Expect: 100-continue\r\nContent-Length: 36\r\n\r\n', 'closed'],
    ['another expectation', 'Expect: tea\r\nContent-Length: 0\r\n\r\n', 'any'],
  ])('a refusal of %s leaves no bytes that pass for a request', async (_, rest, connection) => {
    const { port } = await serve(plain)
    const { text } = await sendRaw(port, `POST /no HTTP/1.1\r\nHost: web\r\n${rest}GET /after HTTP/1.1\r\nHost: web\r\n\r\n`, {
      quietMs: 50,
    })
    expect(text).not.toContain('smuggled')
    expect(text).not.toContain('100 Continue')
    const statuses = statusesIn(text)
    expect(statuses[0]).toBe(connection === 'any' ? 417 : 403)
    if (connection === 'kept') expect(statuses).toEqual([403, 200])
    if (connection === 'closed') expect(statuses).toEqual([403])
  })

  it('HTTP/1.0, with and without a host', async () => {
    const { port } = await serve(plain)
    expect((await sendRaw(port, 'GET /a HTTP/1.0\r\nHost: web\r\n\r\n')).status).toBe(200)
    expect((await sendRaw(port, 'GET /no HTTP/1.0\r\nHost: web\r\n\r\n')).status).toBe(403)
    expect((await sendRaw(port, 'GET /a HTTP/1.0\r\n\r\n')).status).toBe(400)
  })

  it.each(['Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nhello', 'Upgrade: x\r\nConnection: Upgrade\r\n\r\n'])(
    'a refused upgrade is told, and its socket closed: %j',
    async (rest) => {
      const { port, mesh } = await serve((mesh) => {
        const server = plain(mesh)
        server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
        return server
      })
      const startedAt = Date.now()
      const { status } = await sendRaw(port, `GET /no HTTP/1.1\r\nHost: web\r\n${rest}`, { quietMs: 2_000 })
      expect(status).toBe(403)
      expect(Date.now() - startedAt).toBeLessThan(1_500)
      expect(mesh.stats().inbound.inflight).toBe(0)
    },
  )

  it.each(['Host: web\r\nHost: web', 'Host: web\r\nAuthorization: Basic YQ==\r\nauthorization: Basic Yg=='])(
    'what stands there twice is refused: %j',
    async (heads) => {
      const { port } = await serve(plain)
      expect((await sendRaw(port, `GET /a HTTP/1.1\r\n${heads}\r\n\r\n`)).status).toBe(400)
    },
  )

  it('headers beyond what Node hands on are not overlooked', async () => {
    const { port } = await serve(plain, { inbound: { ...OPTIONS.inbound, headers: { maxCount: 999 } } })
    const heads = Array.from({ length: 1_500 }, (_, n) => `a${n}: 1\r\n`).join('')
    expect([400, 431]).toContain((await sendRaw(port, `GET /a HTTP/1.1\r\nHost: web\r\n${heads}x-last: 1\r\n\r\n`)).status)
  })
})

describe('middleware below a path of Express', () => {
  const mounted = (mesh: Mesh): NetServer => {
    const app = express()
    app.use('/api', mesh.express())
    const sub = express()
    sub.get('/no', (_, response) => void response.send('secret'))
    sub.get('/yes', (request, response) => void response.send(`${(request as { mesh?: { path: string } }).mesh?.path}`))
    app.use('/api', sub)
    return createHttp(app)
  }

  it.each([
    '/api/no',
    '/API/NO',
    '/api/no/',
    '/api//no',
    '/api/./no',
    '/api/x/../no',
    '/api/%6eo',
    '/api/no?x',
    '/%61pi/no',
    'http://web/api/no',
    '//api/no',
  ])('no spelling leads to what is forbidden: %s', async (target) => {
    const { port } = await serve(mounted)
    const { status, text } = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: web\r\n\r\n`)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(text).not.toContain('secret')
  })

  it('what is allowed knows its whole path', async () => {
    const { port } = await serve(mounted)
    expect((await sendRaw(port, 'GET /api/yes HTTP/1.1\r\nHost: web\r\n\r\n')).text).toContain('/api/yes')
  })
})

describe.each<[string, (mesh: Mesh) => NetServer]>([
  [
    'compatible',
    (mesh) => mesh.protect(createHttp2Server((request, response) => response.end(`seen ${request.url} ${request.authority}`))),
  ],
  [
    'stream',
    (mesh) => {
      const server = createHttp2Server()
      server.on('stream', (stream, headers) => {
        stream.respond({ ':status': 200 })
        stream.end(`seen ${headers[':path']} ${headers[':authority']}`)
      })
      return mesh.protect(server)
    },
  ],
  ['handler', (mesh) => createHttp2Server(mesh.handler((request, response) => void response.end(`seen ${request.url}`)))],
])('pseudo-headers of HTTP/2, %s', (_, make) => {
  it.each<[string, Record<string, string>, number[]]>([
    ['an authority and the same host', { ':path': '/a', ':authority': 'web', host: 'web' }, [200]],
    ['an authority and another host', { ':path': '/a', ':authority': 'web', host: 'admin' }, [400, 0]],
    ['a user in the authority', { ':path': '/a', ':authority': 'me@web' }, [400, 0]],
    ['an authority with a path', { ':path': '/a', ':authority': 'web/x' }, [400, 0]],
    ['an absolute path', { ':path': 'http://web/no', ':authority': 'web' }, [403, 400, 0]],
    ['an absolute path of another host', { ':path': 'http://admin/a', ':authority': 'web' }, [400, 0]],
    ['an asterisk', { ':path': '*', ':authority': 'web', ':method': 'GET' }, [400, 0]],
    ['a forbidden path in disguise', { ':path': '/a/../%6eo', ':authority': 'web' }, [403]],
    ['a fragment', { ':path': '/no#x', ':authority': 'web' }, [403, 400, 0]],
    ['a host alone', { ':path': '/a', host: 'web', ':authority': '' }, [200, 400, 0]],
    ['a header that only the mesh may say', { ':path': '/a', ':authority': 'web', 'x-forwarded-client-cert': 'URI=spiffe://a/b' }, [200]],
  ])('%s', async (_what, headers, expected) => {
    const { port, mesh } = await serve(make)
    const { status, text } = await sendHttp2(port, headers)
    expect(expected).toContain(status)
    if (status !== 200) expect(text).not.toContain('seen')
    expect(mesh.stats().inbound.inflight).toBe(0)
  })

  it('a session goes on after a refusal, whose body nobody reads', async () => {
    const { port, mesh } = await serve(make)
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    keep(() => session.destroy())
    const ask = (path: string, body?: Buffer): Promise<number> =>
      new Promise((resolve) => {
        const stream = session.request({ ':path': path, ':method': body ? 'POST' : 'GET', ':authority': 'web' }, { endStream: !body })
        let status = 0
        stream.on('response', (head) => {
          status = Number(head[':status'])
        })
        stream.on('error', () => {})
        stream.on('close', () => resolve(status))
        stream.resume()
        if (body) stream.write(body)
      })
    const big = Buffer.alloc(50_000)
    expect(await Promise.all(Array.from({ length: 5 }, () => ask('/no', big)))).toEqual([403, 403, 403, 403, 403])
    expect(await ask('/a')).toBe(200)
    expect(mesh.stats().inbound.inflight).toBe(0)
  })
})

describe('CONNECT', () => {
  it('over HTTP/1 is judged by its authority, and closed when nobody wants it', async () => {
    const { port } = await serve(plain)
    expect((await sendRaw(port, 'CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n')).statuses).toEqual([])
    expect((await sendRaw(port, 'CONNECT /no HTTP/1.1\r\nHost: web\r\n\r\n')).statuses).not.toContain(200)
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.resetAndDestroy())
      socket.on('close', () => resolve())
    })
  })
})

describe('what only the mesh may say', () => {
  it.each(['Upgrade: x\r\nConnection: Upgrade\r\n', 'Expect: 100-continue\r\nContent-Length: 0\r\n', 'Expect: tea\r\n', ''])(
    'nobody behind the guard hears from a stranger: %j',
    async (rest) => {
      const seen: string[] = []
      const see = ({ headers, rawHeaders, headersDistinct }: IncomingMessage): void =>
        void seen.push(JSON.stringify([headers, rawHeaders, headersDistinct]).toLowerCase())
      const { port } = await serve((mesh) => {
        const server = createHttp()
        const respond = (request: IncomingMessage, response: ServerResponse): void => {
          see(request)
          response.end()
        }
        server.on('request', respond).on('checkExpectation', respond)
        server.on('upgrade', (request, socket) => {
          see(request)
          socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        })
        return mesh.protect(server)
      })
      const forged = 'X-Forwarded-Client-Cert: URI=spiffe://a/b\r\nX-Envoy-Attempt-Count: 1\r\nX-MESH-priority: high\r\nx-inmesh-a: b\r\n'
      await sendRaw(port, `GET / HTTP/1.1\r\nHost: web\r\n${forged}${rest}\r\n`)
      expect(seen).toHaveLength(1)
      expect(seen[0]).not.toMatch(/client-cert|x-envoy|x-mesh|x-inmesh/)
    },
  )
})

import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { Refusal } from '../../../src/core/gate.ts'
import { FREE_PERMIT } from '../../../src/core/gate.ts'
import { Guard, type GuardParts } from '../../../src/inbound/guard.ts'
import { protect } from '../../../src/inbound/protect.ts'
import { createMesh, type InboundCall, type InboundGate, type InboundOptions, type Principal } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2, type RawAnswer, sendRaw } from '../../support/raw-request.ts'

const { keep, listen } = lifetimes()

/** A server whose one gate gives this answer to everybody; `principal` is who every peer proved to be. */
async function refusing(refusal: Refusal, { principal, http2 }: { principal?: Principal; http2?: boolean } = {}): Promise<number> {
  const parts: GuardParts = {
    service: 'web',
    clock: systemClock,
    settings: parseMeshOptions({}).inbound,
    gates: { shed: undefined, authenticate: [], authorize: [{ name: 'refusing', admit: () => refusal }], limit: [], fault: [], own: [] },
    identify: () => principal,
    emit: () => {},
    report: () => {},
    closed: false,
  }
  const server = http2 === true ? createHttp2Server() : createServer()
  protect(new Guard(parts), server, { coverage: 'all', routing: undefined })
  server.on('request', () => expect.unreachable())
  return listen(server)
}

/** A gate that lets everybody in, and looks. */
function noting(look: (call: InboundCall) => unknown): InboundGate {
  return {
    name: 'noting',
    admit(call) {
      look(call)
      return FREE_PERMIT
    },
  }
}

const FORBIDDEN: Refusal = { refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'web may not do that', from: 'options/x#rules[0]' }
const WEB: Principal = { id: 'spiffe://a/ns/b/sa/c', trustDomain: 'a', namespace: 'b', serviceAccount: 'c' }

describe('an answer in place of the application', () => {
  it('tells a stranger what, and not why', async () => {
    const { status, headers, body } = await get(await refusing(FORBIDDEN), '/')
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([403, 'application/problem+json', 'no-store'])
    expect(JSON.parse(body)).toEqual({ type: 'about:blank', title: 'Forbidden', status: 403, code: 'MESH_FORBIDDEN' })
  })

  it('tells a peer of the mesh why, and by which rule', async () => {
    const { body } = await get(await refusing(FORBIDDEN, { principal: WEB }), '/')
    expect(JSON.parse(body)).toMatchObject({ detail: 'web may not do that', rule: 'options/x#rules[0]' })
  })

  it.each<[string, Partial<Refusal>, Record<string, string>]>([
    ['rounds Retry-After up', { code: 'MESH_RATE_LIMITED', status: 429, retryAfterMs: 1_001 }, { 'retry-after': '2' }],
    ['bounds Retry-After', { code: 'MESH_OVERLOADED', status: 503, retryAfterMs: Number.POSITIVE_INFINITY }, { 'retry-after': '86400' }],
    ['bears nonsense', { code: 'MESH_OVERLOADED', status: 503, retryAfterMs: Number.NaN }, { 'retry-after': '0' }],
    ['asks for a token', { code: 'MESH_UNAUTHENTICATED', status: 401 }, { 'www-authenticate': 'Bearer' }],
    [
      'says how to prove oneself',
      { code: 'MESH_UNAUTHENTICATED', status: 401, challenge: 'Bearer realm="x"' },
      { 'www-authenticate': 'Bearer realm="x"' },
    ],
    ['adds what the gate wants said', { status: 429, headers: [['RateLimit', '"a";r=0']] }, { ratelimit: '"a";r=0' }],
  ])('%s', async (_, refusal, headers) => {
    const port = await refusing({ ...FORBIDDEN, ...refusal })
    expect((await get(port, '/')).headers).toMatchObject(headers)
    const http2 = await refusing({ ...FORBIDDEN, ...refusal }, { http2: true })
    expect((await getHttp2(http2, '/')).headers).toMatchObject(headers)
  })

  it('a token that was sent was not good', async () => {
    const port = await refusing({ ...FORBIDDEN, code: 'MESH_UNAUTHENTICATED', status: 401 })
    const { headers, body } = await get(port, '/', ['Host: web', 'Authorization: Bearer secret'])
    expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"')
    expect(body).not.toContain('secret')
  })

  it('has no body for HEAD, and says how long it would be', async () => {
    const { status, headers, body } = await sendRaw(await refusing(FORBIDDEN), 'HEAD / HTTP/1.1\r\nHost: web\r\n\r\n')
    expect([status, body, Number(headers['content-length']) > 50]).toEqual([403, '', true])
  })

  it('has none over HTTP/2 either', async () => {
    const answer = await getHttp2(await refusing(FORBIDDEN, { http2: true }), '/', { ':method': 'HEAD' })
    expect([answer.status, answer.body, answer.headers['content-type']]).toEqual([403, '', 'application/problem+json'])
  })

  it('leaves the connection in order, unless a long body would have to be read for nobody', async () => {
    const port = await refusing(FORBIDDEN)
    const short = 'POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nok'
    expect((await sendRaw(port, short)).headers['connection']).not.toBe('close')
    const long = `POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 1000000\r\n\r\n`
    expect((await sendRaw(port, long)).headers['connection']).toBe('close')
    const chunked = `POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n`
    expect((await sendRaw(port, chunked)).headers['connection']).toBe('close')
  })
})

describe('a request that can be read in two ways', () => {
  const start = async (inbound: InboundOptions = {}): Promise<number> => {
    const mesh = createMesh({ inbound })
    keep(() => mesh.close())
    return listen(
      createServer(mesh.handler((request, response) => response.end(JSON.stringify([request.url, request.headers, request.rawHeaders])))),
    )
  }
  const statusOf = async (port: number, text: string): Promise<number> => (await sendRaw(port, text)).status

  it.each([
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['two equal Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['no Host, HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
    ['a Host with a user', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n'],
    ['two Hosts in one', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
    ['an absolute target for another host', 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n'],
    ['an absolute target for another port', 'GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an absolute target of another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['two Authorizations', 'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n'],
    ['two Content-Lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n'],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an asterisk for GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an underscore', 'GET / HTTP/1.1\r\nHost: a\r\nx_y: z\r\n\r\n'],
    ['a NUL', 'GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('%s: 400', async (_, text) => expect(await statusOf(await start(), text)).toBe(400))

  it.each([
    ['an absolute target', 'GET http://A:80/b/../c?d HTTP/1.1\r\nHost: a\r\n\r\n', '/c?d'],
    ['a target without path', 'GET http://a HTTP/1.1\r\nHost: a\r\n\r\n', '/'],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', '*'],
  ])('%s is read as %s', async (_, text, url) => {
    const { body } = await sendRaw(await start(), text)
    expect(JSON.parse(body)[0]).toBe(url)
  })

  it('what a stranger may not say is in no list', async () => {
    const port = await start()
    const { body } = await get(port, '/', ['Host: Web.', 'X-Envoy-Internal: 1', 'X-Forwarded-Client-Cert: By=x', 'X-Other: a'])
    expect(JSON.parse(body)).toEqual(['/', { host: 'web', 'x-other': 'a' }, ['Host', 'web', 'X-Other', 'a']])
  })

  it('a trusted proxy may say it, and for whom it asks', async () => {
    const clients: string[] = []
    const gate = noting(({ remoteAddress, peerAddress }) => clients.push(remoteAddress, peerAddress))
    const port = await start({ trustedProxies: ['127.0.0.0/8'], gates: [gate] })
    const { body } = await get(port, '/', ['Host: web', 'X-Envoy-Internal: 1', 'X-Forwarded-For: 6.6.6.6, 9.9.9.9, 127.0.0.2'])
    expect(JSON.parse(body)[1]).toMatchObject({ 'x-envoy-internal': '1' })
    expect(clients).toEqual(['9.9.9.9', '127.0.0.1'])
  })

  it('X-Forwarded-For of a stranger is nobody', async () => {
    const clients: string[] = []
    const gate = noting(({ remoteAddress }) => clients.push(remoteAddress))
    await get(await start({ gates: [gate] }), '/', ['Host: web', 'X-Forwarded-For: 6.6.6.6'])
    expect(clients).toEqual(['127.0.0.1'])
  })

  it('a server that cuts headers off without a word', async () => {
    const mesh = createMesh()
    keep(() => mesh.close())
    const server = createServer(mesh.handler((_, response) => response.end()))
    server.maxHeadersCount = 5
    const port = await listen(server)
    const many = Array.from({ length: 10 }, (_, index) => `a${index}: b`)
    expect((await get(port, '/', ['Host: web', ...many])).status).toBe(431)
    expect((await get(port, '/', ['Host: web', 'a: b'])).status).toBe(200)
  })

  it('over HTTP/2 too', async () => {
    const mesh = createMesh()
    keep(() => mesh.close())
    const server = createHttp2Server(
      mesh.handler((request, response) => response.end(JSON.stringify([request.url, request.headers[':authority'], request.headers.host]))),
    )
    const port = await listen(server)
    const ask = async (path: string, headers: Record<string, string> = {}): Promise<unknown> => {
      const answer: RawAnswer = await getHttp2(port, path, headers)
      return answer.status === 200 ? JSON.parse(answer.body) : answer.status
    }
    expect(await ask('/a//b?c', { ':authority': 'Web.' })).toEqual(['/a/b?c', 'web', null])
    expect(await ask('/a', { ':authority': 'web', host: 'WEB' })).toEqual(['/a', 'web', 'web'])
    expect(await ask('/a', { ':authority': 'web', host: 'other' })).toBe(400)
    expect(await ask('/a%00')).toBe(400)
    // The protocol itself does not allow these.
    for (const path of ['/a b', 'http://web/a']) await expect(ask(path)).rejects.toThrow('NGHTTP2_PROTOCOL_ERROR')
  })
})

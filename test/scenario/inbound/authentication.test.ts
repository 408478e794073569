import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2'
import type { Server as NetServer } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { type AuthenticationOptions, createMesh, type InboundCall, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2, sendRaw } from '../../support/raw-request.ts'
import { ISSUER, TokenIssuer } from '../../support/tokens.ts'

const { keep, listen, serverOf } = lifetimes()
const issuer = new TokenIssuer()
const stranger = new TokenIssuer()
const claims = { exp: Math.floor(Date.now() / 1_000) + 600, email: 'ann@example.com' }
const token = issuer.token(claims)

const from: AuthenticationOptions['providers'][string]['from'] = [
  { header: 'authorization', prefix: 'Bearer ' },
  { cookie: 'token' },
  { query: 'access_token' },
]
const provider = {
  issuer: ISSUER,
  jwks: issuer.keySet(),
  from,
  claimsToHeaders: [
    { header: 'X-User', claim: 'sub' },
    { header: 'X-Email', claim: 'email' },
  ],
}

function meshWith(authentication: Partial<AuthenticationOptions> = {}, inbound: MeshOptions['inbound'] = {}): Mesh {
  const mesh = createMesh({
    service: 'web',
    inbound: { authentication: { providers: { auth0: provider }, ...authentication }, ...inbound },
  })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

/** What an application sees of a request, everywhere it may look. */
function seen(request: IncomingMessage | Http2ServerRequest): string {
  const { headers, rawHeaders, url } = request
  const raw = Object.fromEntries(rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]]] : [])))
  const { requestPrincipal } = (request as { mesh?: InboundCall }).mesh ?? {}
  const of = (names: Record<string, unknown>): unknown[] =>
    ['x-user', 'x-email', 'authorization', 'cookie'].map((name) => names[name] ?? null)
  return JSON.stringify({ headers: of(headers), raw: of(raw), url, who: requestPrincipal?.subject ?? null })
}

const echo: RequestListener = (request, response) => response.end(seen(request))

const APPLICATIONS: Readonly<Record<string, (mesh: Mesh) => Promise<number>>> = {
  'node:http': (mesh) => listen(createServer(mesh.handler(echo))),
  'node:http, protected': (mesh) => listen(mesh.protect(createServer(echo))),
  Express: (mesh) => {
    const app = express()
    app.use(mesh.express())
    app.use((request, response) => void response.send(seen(request)))
    return listen(createServer(app))
  },
  Fastify: async (mesh) => {
    const app = fastify()
    await app.register(mesh.fastify())
    app.all('/*', (request, reply) => reply.send(seen(request.raw)))
    await app.ready()
    keep(() => app.close())
    return listen(app.server)
  },
}

describe.each(Object.keys(APPLICATIONS))('behind a guard that knows tokens, %s', (name) => {
  const start = (mesh: Mesh): Promise<number> => (APPLICATIONS[name] as (mesh: Mesh) => Promise<number>)(mesh)
  const proved = { headers: ['ann', 'ann@example.com', null, null], raw: ['ann', 'ann@example.com', null, null], url: '/', who: 'ann' }

  it.each<[string, string, string[], object]>([
    ['the header', '/', [`Authorization: Bearer ${token}`], proved],
    ['the cookie', '/', [`Cookie: token=${token}`], proved],
    [
      'the cookie among others',
      '/',
      [`Cookie: a=1; token=${token}; b="2"`],
      { ...proved, headers: [...proved.headers.slice(0, 3), 'a=1; b="2"'], raw: [...proved.raw.slice(0, 3), 'a=1; b="2"'] },
    ],
    ['the query', `/?access_token=${token}`, [], proved],
    ['the query among others', `/x?a=1&access%5Ftoken=${token}&b=%20`, [], { ...proved, url: '/x?a=1&b=%20' }],
    [
      'the cookie, beside other credentials',
      '/',
      [`Cookie: token=${token}`, 'Authorization: Basic YTpi'],
      { ...proved, headers: ['ann', 'ann@example.com', 'Basic YTpi', null], raw: ['ann', 'ann@example.com', 'Basic YTpi', null] },
    ],
    ['what a client makes up', '/', [`Authorization: Bearer ${token}`, 'X-User: root', 'x-user: root', 'X-EMAIL: root'], proved],
  ])('the application sees who it is, and no token: %s', async (_, target, headers, expected) => {
    const port = await start(meshWith())
    // Twice: the second time the token is known.
    for (let time = 0; time < 2; time++) expect(JSON.parse((await get(port, target, ['Host: web', ...headers])).body)).toEqual(expected)
  })

  it('nobody makes himself somebody where no token is needed', async () => {
    const port = await start(meshWith({ require: [{ paths: ['/open/*'], require: 'optional' }] }))
    const { body } = await get(port, '/open/x', ['Host: web', 'X-User: root', 'x-email: root'])
    expect(JSON.parse(body)).toEqual({ headers: [null, null, null, null], raw: [null, null, null, null], url: '/open/x', who: null })
    expect((await get(port, '/closed')).status).toBe(401)
    expect((await get(port, '/open/../closed')).status).toBe(401)
  })

  it('without a token, or with a bad one, the answer says so and how to prove oneself', async () => {
    const port = await start(meshWith())
    expect(await get(port, '/')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="web"', 'content-type': 'application/problem+json' },
    })
    const bad = await get(port, '/', ['Host: web', `Authorization: Bearer ${stranger.token(claims)}`])
    expect(bad).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="web", error="invalid_token"' } })
    expect(JSON.parse(bad.body)).toEqual({ type: 'about:blank', title: 'Unauthorized', status: 401, code: 'MESH_UNAUTHENTICATED' })
    expect((await get(port, '/', ['Host: web', `Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`])).status).toBe(400)
  })
})

describe('behind a guard that knows tokens', () => {
  it('HTTP/2 is no way around', async () => {
    const mesh = meshWith()
    const port = await listen(
      mesh.protect(createHttp2Server((request, response) => void response.end(seen(request))) as unknown as NetServer),
    )
    expect((await getHttp2(port, '/')).status).toBe(401)
    const { body } = await getHttp2(port, `/?a=1&access_token=${token}`, { 'x-user': 'root' })
    expect(JSON.parse(body)).toMatchObject({ headers: ['ann', 'ann@example.com', null, null], url: '/?a=1', who: 'ann' })
  })

  it('nor is an upgrade', async () => {
    const mesh = meshWith()
    const server = mesh.protect(createServer(echo))
    server.on('upgrade', (request, socket) => {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n${request.headers['x-user']} ${request.url}`)
    })
    const port = await listen(server)
    const upgrade = (target: string): ReturnType<typeof sendRaw> =>
      sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-User: root\r\n\r\n`)
    expect((await upgrade('/')).status).toBe(401)
    expect(await upgrade(`/chat?access_token=${token}&v=1`)).toMatchObject({ status: 101, body: 'ann /chat?v=1' })
  })

  it('later gates see the same as the application', async () => {
    const calls: unknown[] = []
    const mesh = meshWith(
      {},
      {
        gates: [
          {
            name: 'look',
            admit: (call) => {
              calls.push([call.values('x-user'), call.values('authorization'), call.path, call.requestPrincipal?.id])
              return { settle: () => {} }
            },
          },
        ],
      },
    )
    const port = await listen(createServer(mesh.handler(echo)))
    await get(port, `/?access_token=${token}`, ['Host: web', 'x-user: root'])
    expect(calls).toEqual([[['ann'], [], '/', `${ISSUER}/ann`]])
  })

  it('keys that cannot be had are 503 with a time to come back, and an event', async () => {
    const server = await serverOf(500)
    const failed: unknown[] = []
    const mesh = meshWith({ providers: { auth0: { ...provider, jwks: { url: `http://${server.address}/`, allowHttp: true } } } })
    mesh.on('sourceFailed', ({ source, error }) => failed.push([source, (error as Error).message]))
    await mesh.ready()
    const port = await listen(createServer(mesh.handler(echo)))
    const answer = await get(port, '/', ['Host: web', `Authorization: Bearer ${token}`])
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect(answer.headers['www-authenticate']).toBe(undefined)
    expect(failed).toEqual([[expect.stringContaining('auth0'), "the key set's server answered 500"]])
    expect(mesh.stats().inbound.authentication).toMatchObject({ providers: { auth0: { keySet: 'missing', failures: 1 } } })
    expect(JSON.stringify([mesh.stats(), mesh.snapshot()])).not.toContain(token)
  })

  it('keys are fetched when the mesh gets ready, before anybody asks', async () => {
    const server = await serverOf(({ answer }) => answer(200, JSON.stringify(issuer.keySet())))
    const mesh = meshWith({ providers: { auth0: { ...provider, jwks: { url: `http://${server.address}/`, allowHttp: true } } } })
    expect(server.requests).toEqual([])
    await mesh.ready()
    await expect.poll(() => mesh.stats().inbound.authentication?.providers['auth0']?.keySet).toBe('fresh')
    const port = await listen(createServer(mesh.handler(echo)))
    expect((await get(port, '/', ['Host: web', `Authorization: Bearer ${token}`])).status).toBe(200)
    expect(server.requests).toHaveLength(1)
  })
})

describe('behind a proxy', () => {
  const ANN = 'spiffe://mesh/ns/web/sa/ann'
  const ask = async (trustedProxies: string[], ...headers: string[]): Promise<unknown> => {
    const mesh = createMesh({ inbound: { trustedProxies } })
    keep(() => mesh.close({ timeout: 0 }))
    const who: RequestListener = (request, response) => {
      const { principal } = (request as { mesh?: InboundCall }).mesh ?? {}
      response.end(JSON.stringify([principal?.id ?? null, request.headers['x-forwarded-client-cert'] !== undefined]))
    }
    const port = await listen(createServer(mesh.handler(who)))
    const { status, body } = await get(port, '/', ['Host: web', ...headers])
    return status === 200 ? JSON.parse(body) : status
  }

  it('its word on the certificate of a client is taken, if it is ours', async () => {
    const header = `X-Forwarded-Client-Cert: By=spiffe://mesh/x;Subject="CN=a, O=b;c";URI=${ANN}`
    expect(await ask(['127.0.0.1'], header)).toEqual([ANN, true])
    expect(await ask(['127.0.0.0/8'], `X-Forwarded-Client-Cert: URI=spiffe://evil/x`, header)).toEqual([ANN, true])
    expect(await ask(['127.0.0.1'])).toEqual([null, false])
    expect(await ask(['127.0.0.1'], 'X-Forwarded-Client-Cert: Hash=ab')).toEqual([null, true])
    expect(await ask(['127.0.0.1'], 'X-Forwarded-Client-Cert: URI="')).toBe(400)
    expect(await ask([], header)).toEqual([null, false])
    expect(await ask(['10.0.0.1', 'spiffe://mesh/gateway'], header)).toEqual([null, false])
  })
})

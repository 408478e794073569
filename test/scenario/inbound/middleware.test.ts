import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { FREE_PERMIT } from '../../../src/core/gate.ts'
import { createMesh, type InboundGate, type Mesh, type WithMesh } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, sendRaw } from '../../support/raw-request.ts'

const { keep, listen } = lifetimes()

/** Forbids what has `no` in its path; `paths` has what it was asked about. */
function gateAndPaths(): { gate: InboundGate; paths: string[] } {
  const paths: string[] = []
  const gate: InboundGate = {
    name: 'no',
    admit(call) {
      paths.push(call.path)
      return call.path.includes('no') ? { refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'no' } : FREE_PERMIT
    },
  }
  return { gate, paths }
}

function meshWith(...gates: InboundGate[]): Mesh {
  const mesh = createMesh({ inbound: { gates } })
  keep(() => mesh.close())
  return mesh
}

const UPGRADE = ['Host: web', 'Connection: Upgrade', 'Upgrade: echo']

describe.each([
  ['Express 4', express4],
  ['Express 5', express],
])('%s', (_, make) => {
  it('hands out the call as request.mesh, and the canonical path as its own', async () => {
    const app = make()
    app.use(meshWith().express())
    app.get('/a/:id', (request, response) => {
      const { mesh } = request as WithMesh<typeof request>
      response.json([request.url, request.originalUrl, request.path, request.params['id'], request.query['q'], mesh.path, mesh.hostname])
    })
    const port = await listen(createServer(app))
    const answer = await get(port, '/x/..//%61/b%20c?q=1', ['Host: WEB.:80'])
    expect(JSON.parse(answer.body)).toEqual(['/a/b%20c?q=1', '/a/b%20c?q=1', '/a/b%20c', 'b c', '1', '/a/b%20c?q=1', 'web'])
  })

  it('guards upgrades from the first connection on, and leaves alone what comes before it in the chain', async () => {
    const { gate, paths } = gateAndPaths()
    const app = make()
    app.get('/no-guard', (_request, response) => void response.send('alive'))
    app.use(meshWith(gate).express())
    app.use((_request, response) => void response.send('ok'))
    const server = createServer(app)
    const upgraded: unknown[] = []
    server.on('upgrade', (request: IncomingMessage, socket) => {
      upgraded.push(request.url)
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    })
    const port = await listen(server)
    expect((await get(port, '/no', UPGRADE)).status).toBe(403)
    expect((await get(port, '/no-guard')).body).toBe('alive')
    expect((await get(port, '/no')).status).toBe(403)
    expect((await get(port, '/yes')).body).toBe('ok')
    expect([upgraded, paths]).toEqual([[], ['/no', '/no', '/yes']])
  })

  it('below a mount path judges the whole path, and refuses to change what has been routed', async () => {
    const { gate, paths } = gateAndPaths()
    const app = make()
    app.use('/api', meshWith(gate).express())
    app.use((request, response) => void response.send(request.url))
    const port = await listen(createServer(app))
    expect((await get(port, '/api/x')).body).toBe('/api/x')
    expect((await get(port, '/api/no')).status).toBe(403)
    expect((await get(port, '/api/../no')).status).toBe(400)
    expect((await get(port, '/no')).body).toBe('/no')
    expect(paths).toEqual(['/api/x', '/api/no'])
  })

  it('within mesh.handler judges once', async () => {
    const { gate, paths } = gateAndPaths()
    const mesh = meshWith(gate)
    const app = make()
    app.use(mesh.express())
    app.use((_request, response) => void response.send('ok'))
    const port = await listen(createServer(mesh.handler(app)))
    expect([(await get(port, '/a')).body, paths]).toEqual(['ok', ['/a']])
  })
})

describe('Fastify', () => {
  it('is a plugin with a name, for the instance that registers it', async () => {
    const app = fastify()
    keep(() => app.close())
    await app.register(meshWith().fastify())
    app.get('/a/:id', async (request) => {
      const { mesh } = request as WithMesh<typeof request>
      return [request.url, request.params, mesh.path]
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    expect(app.hasPlugin('inmesh')).toBe(true)
    const { port } = app.server.address() as AddressInfo
    expect(JSON.parse((await get(port, '/x/..//%61/b%20c?q=1')).body)).toEqual(['/a/b%20c?q=1', { id: 'b c' }, '/a/b%20c?q=1'])
  })

  it('judges what is injected, where nothing can be rewritten', async () => {
    const { gate, paths } = gateAndPaths()
    const app = fastify()
    keep(() => app.close())
    await app.register(meshWith(gate).fastify())
    app.get('/*', async (request) => (request as WithMesh<typeof request>).mesh.path)
    const statusOf = async (url: string): Promise<unknown> => {
      const { statusCode, body, headers } = await app.inject({ url })
      return statusCode === 200 ? body : [statusCode, headers['content-type']]
    }
    expect(await statusOf('/a')).toBe('/a')
    expect(await statusOf('/no')).toEqual([403, 'application/problem+json'])
    expect(await statusOf('/a//b')).toEqual([400, 'application/problem+json'])
    expect(paths).toEqual(['/a', '/no'])
  })

  it('in a scope guards the routes of that scope', async () => {
    const { gate, paths } = gateAndPaths()
    const app = fastify()
    keep(() => app.close())
    await app.register(async (scope) => {
      await scope.register(meshWith(gate).fastify())
      scope.get('/no', async () => 'never')
      scope.get('/yes', async () => 'yes')
    })
    app.get('/no-guard', async () => 'alive')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    expect((await get(port, '/no-guard')).body).toBe('alive')
    expect((await get(port, '/no')).status).toBe(403)
    expect((await get(port, '/yes')).body).toBe('yes')
    expect(paths).toEqual(['/no', '/yes'])
  })

  it('goes by the pathname as written where its router does, and by any spelling where that does not', async () => {
    const seen: unknown[] = []
    const mesh = meshWith({
      name: 'seen',
      admit: ({ loosePathname }) => {
        seen.push(loosePathname)
        return FREE_PERMIT
      },
    })
    for (const options of [{}, { routerOptions: { caseSensitive: false } }, { routerOptions: { ignoreTrailingSlash: true } }]) {
      const app = fastify(options)
      keep(() => app.close())
      await app.register(mesh.fastify())
      app.get('/a', async () => 'a')
      await app.listen({ port: 0, host: '127.0.0.1' })
      await get((app.server.address() as AddressInfo).port, '/A/')
    }
    expect(seen).toEqual([undefined, '/a', '/a'])
  })

  it('waits for a gate that answers later', async () => {
    const app = fastify()
    keep(() => app.close())
    const later: InboundGate = { name: 'later', admit: () => new Promise((resolve) => setImmediate(resolve, FREE_PERMIT)) }
    await app.register(meshWith(later).fastify())
    app.post('/', async (request) => request.body)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const post = 'POST / HTTP/1.1\r\nHost: web\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'
    expect((await sendRaw(port, post)).body).toBe('ok')
    expect((await app.inject({ method: 'POST', url: '/', payload: 'in', headers: { 'content-type': 'text/plain' } })).body).toBe('in')
  })
})

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMesh, type InboundGate, type Mesh, type MeshOptions } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { sendHttp2, sendRaw } from '../../support/raw-http.ts'

const { keep } = lifetimes()
const UPGRADE = 'GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
const failures: unknown[] = []
const failed = (error: unknown): void => void failures.push(error)
let others: { uncaughtException: NodeJS.UncaughtExceptionListener[]; unhandledRejection: NodeJS.UnhandledRejectionListener[] }

// What these tests throw on purpose is theirs to see, not their runner's.
beforeEach(() => {
  failures.length = 0
  others = { uncaughtException: process.listeners('uncaughtException'), unhandledRejection: process.listeners('unhandledRejection') }
  process.removeAllListeners('uncaughtException').removeAllListeners('unhandledRejection')
  process.on('uncaughtException', failed)
  process.on('unhandledRejection', failed)
})

afterEach(() => {
  process.off('uncaughtException', failed)
  process.off('unhandledRejection', failed)
  for (const listener of others.uncaughtException) process.on('uncaughtException', listener)
  for (const listener of others.unhandledRejection) process.on('unhandledRejection', listener)
})

const boom = (): never => {
  throw new Error('boom')
}

async function serve(options: MeshOptions, make: () => NetServer = createServer): Promise<{ port: number; mesh: Mesh }> {
  const mesh = createMesh({ logger: { warn: boom, error: () => Promise.reject(new Error('log')) }, ...options } as MeshOptions)
  mesh.on('refused', boom)
  mesh.on('refused', (() => Promise.reject(new Error('listener'))) as never)
  const server = mesh.protect(make()) as Server
  if (server.listenerCount('request') === 0) server.on('request', (_request, response) => response.end('ok'))
  server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => {
    server.closeAllConnections?.()
    return mesh.close({ timeout: 0 })
  })
  return { port: (server.address() as AddressInfo).port, mesh }
}

const REFUSED = { refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'no' }

describe('gates of the application that', () => {
  it.each<[string, () => unknown, number]>([
    ['throw', boom, 500],
    ['throw nothing', () => Promise.reject(), 500],
    ['reject', () => Promise.reject(new Error('later')), 500],
    ['answer nothing', () => undefined, 500],
    ['answer nothing later', async () => undefined, 500],
    ['answer a number', () => 1, 500],
    ['have a thenable that throws', () => Object.defineProperty({}, 'then', { get: () => boom }), 500],
    ['give a permit that throws', () => ({ settle: boom }), 200],
    ['give a permit that rejects', () => ({ settle: () => Promise.reject(new Error('settle')) }), 200],
    ['want a header said that cannot be', () => ({ settle() {}, answerHeaders: [['x y', 'a\r\nb: c']] }), 200],
    ['refuse with a header that cannot be', () => ({ ...REFUSED, headers: [['x y', 'a\r\nb: c']] }), 500],
    ['refuse with a challenge of two lines', () => ({ ...REFUSED, challenge: 'a\r\nset-cookie: c' }), 500],
    ['refuse with a status that is none', () => ({ ...REFUSED, status: 0 }), 500],
    ['refuse later with a status that is none', async () => ({ ...REFUSED, status: Number.NaN }), 500],
  ])('%s end no process and leave no client waiting', async (_, admit, expected) => {
    const gates = [{ name: 'own', admit } as InboundGate]
    const { port, mesh } = await serve({ inbound: { gates } })
    const overHttp2 = await serve({ inbound: { gates } }, createHttp2Server as unknown as () => NetServer)
    const request = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: web\r\n\r\n', { timeoutMs: 1_000 })
    const upgrade = await sendRaw(port, UPGRADE, { timeoutMs: 1_000 })
    expect([request.status, (await sendHttp2(overHttp2.port, { ':path': '/', ':authority': 'web' }, 1_000)).status]).toEqual([
      expected,
      expected,
    ])
    expect(upgrade.statuses).toEqual([expected === 200 ? 101 : expected])
    expect(request.text + upgrade.text).not.toMatch(/\nb: c|set-cookie/)
    expect(request.text).not.toContain('boom')
    await vi.waitFor(() => expect([mesh.stats().inbound.inflight, overHttp2.mesh.stats().inbound.inflight]).toEqual([0, 0]))
    expect(failures).toEqual([])
  })
})

describe('an application that throws', () => {
  const withoutGuard = async (listener: RequestListener): Promise<string[]> => {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    keep(() => {
      server.closeAllConnections()
      server.close()
    })
    await sendRaw((server.address() as AddressInfo).port, 'GET / HTTP/1.1\r\nHost: web\r\n\r\n', { timeoutMs: 50 })
    return failures.splice(0).map(String)
  }

  it.each<[string, RequestListener]>([
    ['at once', boom],
    ['later', () => Promise.reject(new Error('later'))],
  ])('%s fails as it does without the guard, behind a gate that answers late as well', async (_, listener) => {
    const expected = await withoutGuard(listener)
    expect(expected).toHaveLength(1)
    for (const admit of [() => ({ settle() {} }), async () => ({ settle() {} })]) {
      const { port, mesh } = await serve({ inbound: { gates: [{ name: 'own', admit }] } }, () => createServer(listener))
      await sendRaw(port, 'GET / HTTP/1.1\r\nHost: web\r\n\r\n', { timeoutMs: 50 })
      expect(failures.splice(0).map(String)).toEqual(expected)
      await vi.waitFor(() => expect(mesh.stats().inbound.inflight).toBe(0))
    }
  })
})

import { spawn } from 'node:child_process'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh } from '../../src/index.ts'
import { FaultServer } from '../support/fault-server.ts'
import { meshErrorIn, scenario } from '../support/scenario.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A server that accepts and does `act` with each connection. */
async function accepting(act: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {})
    act(socket)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

/** An address whose connects are never answered: a stopped process with a full accept queue. */
async function blackHole(): Promise<string> {
  const child = spawn(process.execPath, [
    '-e',
    "const s=require('net').createServer();s.listen({port:0,host:'127.0.0.1',backlog:1},()=>process.stdout.write(String(s.address().port)))",
  ])
  cleanups.push(() => child.kill('SIGKILL'))
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))))
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  cleanups.push(() => {
    for (const filler of fillers) filler.destroy()
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  return `127.0.0.1:${port}`
}

describe('connecting', () => {
  it('1 of 2, 2 of 3 and 9 of 10 refusing: no call is lost', async () => {
    for (const refusing of [1, 2, 9]) {
      const good = await FaultServer.start('ok')
      const dead = await Promise.all(Array.from({ length: refusing }, () => FaultServer.start()))
      await Promise.all(dead.map((server) => server.close()))
      const mesh = createMesh({ services: { orders: { endpoints: [...dead.map(({ address }) => address), good.address] } } })
      for (let call = 0; call < 200; call++) {
        const response = await mesh.fetch('http://orders/')
        expect(await response.text()).toBe('ok')
      }
      await mesh.close()
      await good.close()
    }
  })

  it('a POST moves on from a refused endpoint: nothing of it was sent', () =>
    scenario()
      .refused()
      .upstream('ok')
      .call('/', { method: 'POST', body: 'order' })
      .expect({ status: 200, seen: [0, 1] }))

  it('retries switched off: a refused connect goes to the caller', () =>
    scenario()
      .refused()
      .upstream('ok')
      .options({ retry: false })
      .call()
      .expect({ error: 'MESH_CONNECT', seen: [0, 0] }))

  for (const [name, act] of [
    ['a reset', (socket: Socket) => socket.resetAndDestroy()],
    ['a close', (socket: Socket) => socket.end()],
  ] as const) {
    it(`accept, then ${name}: the next endpoint answers`, async () => {
      const bad = await accepting(act)
      const good = await FaultServer.start('ok')
      cleanups.push(() => good.close())
      const mesh = createMesh({ services: { orders: { endpoints: [bad, good.address] } } })
      cleanups.push(() => mesh.close())
      for (let call = 0; call < 20; call++) expect(await (await mesh.fetch('http://orders/')).text()).toBe('ok')
    })
  }

  it('a black hole times out as set, and the next endpoint answers', async () => {
    const good = await FaultServer.start('ok')
    cleanups.push(() => good.close())
    const mesh = createMesh({
      random: () => 0,
      services: { orders: { balancing: { policy: 'round-robin' }, connectTimeout: 300, endpoints: [await blackHole(), good.address] } },
    })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    expect(await (await mesh.fetch('http://orders/', { method: 'POST', body: 'x' })).text()).toBe('ok')
    const took = performance.now() - startedAt
    expect(took).toBeGreaterThanOrEqual(299)
    expect(took).toBeLessThan(450)
  })

  it('a TLS handshake that hangs times out as set', async () => {
    const bad = await accepting(() => {})
    const mesh = createMesh({ services: { orders: { connectTimeout: 200, retry: false, endpoints: [bad], tls: { mode: 'simple' } } } })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    const error = await mesh.fetch('http://orders/').catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toBe('MESH_TLS')
    const took = performance.now() - startedAt
    expect(took).toBeGreaterThanOrEqual(199)
    expect(took).toBeLessThan(400)
  })

  it('a call gives up connecting at its own deadline', async () => {
    const mesh = createMesh({ services: { orders: { connectTimeout: '5s', endpoints: [await blackHole()] } } })
    cleanups.push(() => mesh.close())
    const startedAt = performance.now()
    const error = await mesh.fetch('http://orders/', { mesh: { timeout: 200 } }).catch((thrown: unknown) => thrown)
    expect(meshErrorIn(error)?.code).toBe('MESH_DEADLINE')
    expect(meshErrorIn(error)?.name).toBe('TimeoutError')
    expect(performance.now() - startedAt).toBeLessThan(350)
  })
})

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions } from '../../src/index.ts'
import { installed } from '../support/daemons.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { tally } from '../support/mesh-with.ts'
import { TempDir } from '../support/temp-dir.ts'
import { CertificateAuthority } from '../support/tls.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const nghttpd = installed('nghttpd')
const { keep } = lifetimes()
nothingUncaught()
const authority = new CertificateAuthority()
const size = 4 * 1024 * 1024
const big = randomBytes(size)

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** nghttp2's own server, with `/small` and `/big`. */
async function start(over: 'clear' | 'tls', ...more: string[]): Promise<{ port: number; child: ChildProcess }> {
  const folder = new TempDir()
  keep(() => folder.remove())
  const { cert, key } = authority.issue({ names: ['orders'] })
  for (const [name, text] of Object.entries({ small: 'ok', big, 'cert.pem': cert, 'key.pem': key })) folder.write(name, text)
  const port = await freePort()
  const secure = over === 'clear' ? ['--no-tls', String(port)] : [String(port), folder.at('key.pem'), folder.at('cert.pem')]
  const child = spawn(nghttpd as string, ['-a', '127.0.0.1', '-d', folder.path, ...more, ...secure], { stdio: 'ignore' })
  keep(() => child.kill('SIGKILL'))
  await expect.poll(() => reachable(port), { timeout: 10_000 }).toBe(true)
  return { port, child }
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

function meshOf(service: NonNullable<MeshOptions['services']>[string]): Mesh {
  const mesh = createMesh({ services: { orders: { protocol: 'http2', ...service } } })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

const endpointOf = (mesh: Mesh) => mesh.stats().services['orders']?.endpoints[0]

describe.skipIf(nghttpd === undefined)('nghttpd', () => {
  it.each([
    ['clear', {}],
    ['tls', { tls: { mode: 'simple', ca: authority.cert } }],
    ['tls', { protocol: 'auto', tls: { mode: 'simple', ca: authority.cert } }],
  ] as const)('answers a thousand calls over one connection: %s', async (over, service) => {
    const { port } = await start(over)
    const mesh = meshOf({ endpoints: [`127.0.0.1:${port}`], ...service })
    const calls = Array.from({ length: 1_000 }, async () => expect(await (await mesh.fetch('http://orders/small')).text()).toBe('ok'))
    expect(await tally(calls)).toEqual({ answered: 1_000 })
    expect(endpointOf(mesh)).toMatchObject({ protocol: 'h2', tries: 1_000, failures: 0 })
    // It takes a hundred streams, unless told otherwise.
    expect(endpointOf(mesh)?.connections).toBeLessThanOrEqual(10)
  })

  it('sends a long answer as it is, and takes an upload', async () => {
    const { port } = await start('clear')
    const mesh = meshOf({ endpoints: [`127.0.0.1:${port}`] })
    const answers = await Promise.all(Array.from({ length: 8 }, async () => (await mesh.fetch('http://orders/big')).arrayBuffer()))
    const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
    for (const answer of answers) expect(hash(new Uint8Array(answer))).toBe(hash(big))
    const sent = await mesh.fetch('http://orders/small', { method: 'POST', body: big })
    expect([sent.status, await sent.text()]).toEqual([200, 'ok'])
  })

  it('takes as many streams as it says, and the rest wait', async () => {
    const { port } = await start('clear', '-m', '3')
    const mesh = meshOf({ endpoints: [`127.0.0.1:${port}`], limits: { maxConnections: 1 } })
    const calls = Array.from({ length: 50 }, async () => (await mesh.fetch('http://orders/small')).text())
    expect(await tally(calls)).toEqual({ answered: 50 })
    expect(endpointOf(mesh)).toMatchObject({ connections: 1, failures: 0 })
    expect(mesh.stats().services['orders']).toMatchObject({ transparent: 0, retries: 0 })
  })

  it('killed under load, loses no call that may be repeated', async () => {
    const [first, second] = [await start('clear'), await start('clear')]
    const mesh = meshOf({ endpoints: [first.port, second.port].map((port) => `127.0.0.1:${port}`) })
    await mesh.ready()
    const calls: Promise<Record<string, number>>[] = []
    for (let round = 0; round < 40; round++) {
      for (let each = 0; each < 5; each++) calls.push(tally([mesh.fetch('http://orders/small').then((answer) => answer.text())]))
      if (round === 20) first.child.kill('SIGKILL')
      await pause(5)
    }
    expect((await Promise.all(calls)).filter((call) => !('answered' in call))).toEqual([])
  })
})

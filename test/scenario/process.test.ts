import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, it } from 'vitest'
import { mustEndWell, place, requireBuild, runScript } from '../support/child-script.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { TempDir } from '../support/temp-dir.ts'
import { CertificateAuthority } from '../support/tls.ts'

const { keep, serverOf } = lifetimes()

beforeAll(requireBuild)

/** A script with `mesh` made of `options`; what it prints as JSON, and how long it ran. */
async function run<T>(name: string, options: object, body: string): Promise<{ said: T; ms: number }> {
  const code = `import { createMesh } from 'inmesh'\nconst mesh = createMesh(${JSON.stringify(options)})\n${body}`
  const { stdout, ms } = await mustEndWell(place(`process/${name}.mjs`, code), { timeoutMs: 10_000 })
  return { said: (stdout === '' ? undefined : JSON.parse(stdout)) as T, ms }
}

describe('a process', () => {
  it('that only makes a mesh ends at once', async () => {
    const services = { orders: { endpoints: ['127.0.0.1:1'] } }
    expect((await run('make', { services }, '')).ms).toBeLessThan(3_000)
    expect((await run('install', { services }, 'mesh.install()')).ms).toBeLessThan(3_000)
  })

  it('whose only pending thing is the wait before a further try ends with its answer', async () => {
    const server = await serverOf(503, 'ok')
    const retry = { backoff: { base: 800, max: 800 } }
    const options = { services: { orders: { endpoints: [server.address], retry } } }
    // The server closes what it answered, so that no socket holds the process while it waits.
    server.behave(({ answer, socket }) => {
      answer(503, 'busy', ['connection: close'])
      socket.end()
    }, 'ok')
    const { said } = await run<string>(
      'backoff',
      options,
      "Math.random = () => 0.99\nmesh.request('http://orders/').then(async ({ body }) => console.log(JSON.stringify(await body.text())))",
    )
    expect(said).toBe('ok')
  })

  it('that made calls ends although idle connections are left open', async () => {
    const server = await serverOf('ok')
    const { said, ms } = await run<string>(
      'idle',
      { services: { orders: { endpoints: [server.address] } } },
      "console.log(JSON.stringify(await (await mesh.fetch('http://orders/')).text()))",
    )
    expect(said).toBe('ok')
    expect(ms).toBeLessThan(4_000)
  })

  it('whose endpoints are asked for their health ends in the middle of a probe, and holds nothing after the close', async () => {
    const server = await serverOf('silent')
    const check = (type: string, time: string) => ({ type, interval: time, timeout: time })
    const services = Object.fromEntries(
      ['http', 'grpc'].map((type) => [type, { endpoints: [server.address], healthCheck: check(type, '20s') }]),
    )
    const body = `const probing = createMesh({ random: () => 0, services: ${JSON.stringify(services)} })
await probing.ready()
await new Promise((resolve) => setTimeout(resolve, 300))`
    const { ms } = await run('probing', {}, body)
    expect(ms).toBeLessThan(4_000)
    expect(server.connections).toBe(2)
    const quick = { quick: { endpoints: [server.address], healthCheck: check('http', '20ms') } }
    const { said } = await run<string[]>(
      'probed',
      { services: quick },
      `await mesh.ready()
const held = setInterval(() => {}, 1_000)
await new Promise((resolve) => mesh.on('endpointUnhealthy', resolve))
clearInterval(held)
await mesh.close()
setImmediate(() => console.log(JSON.stringify(process.getActiveResourcesInfo().filter((each) => !/Pipe|TTY|FS|Immediate/.test(each)))))`,
    )
    expect(said).toEqual([])
  })

  it('that closed its mesh holds nothing of it any more', async () => {
    const server = await serverOf('ok')
    const { said } = await run<string[]>(
      'closed',
      { services: { orders: { endpoints: [server.address] } } },
      `await mesh.ready()
       const { body } = await mesh.request('http://orders/')
       await body.dump()
       await mesh.request('http://${server.address}/').then(({ body }) => body.dump())
       await mesh.execute('job', () => 1)
       await mesh.close()
       await new Promise((resolve) => setTimeout(resolve, 20))
       const open = process.getActiveResourcesInfo()
       console.log(JSON.stringify(open.filter((each) => !/Pipe|TTY|File|FSReq|MessagePort|Worker|Immediate/.test(each))))`,
    )
    expect(said).toEqual([])
  })

  it('whose identity lies in watched files ends at once, and holds nothing of them after the close', async () => {
    const directory = new TempDir()
    keep(() => directory.remove())
    const ca = new CertificateAuthority()
    const { cert, key } = ca.issue({ names: ['spiffe://example.org/web'] })
    const at = (name: string, content: string): string => directory.write(name, content)
    const identity = { certFile: at('cert.pem', cert), keyFile: at('key.pem', key), caFile: at('ca.pem', ca.cert) }
    expect((await run('watching', { identity }, 'await mesh.ready()\nmesh.tls()')).ms).toBeLessThan(4_000)
    const { said } = await run<unknown[]>(
      'watched',
      { identity },
      `import { createServer } from 'node:https'
       import { channel } from 'node:diagnostics_channel'
       await mesh.ready()
       const server = createServer(mesh.tls()).listen(0)
       await new Promise((resolve) => server.on('listening', () => server.close(resolve)))
       const subscribed = channel('net.server.socket').hasSubscribers
       await mesh.close()
       await new Promise((resolve) => setTimeout(resolve, 50))
       const open = process.getActiveResourcesInfo().filter((each) => !/Pipe|TTY|File|FSReq|MessagePort|Worker|Immediate/.test(each))
       console.log(JSON.stringify([open, subscribed, channel('net.server.socket').hasSubscribers, mesh.stats().identity.id]))`,
    )
    expect(said).toEqual([[], true, false, 'spiffe://example.org/web'])
  })

  it('that ran out of descriptors says so, and blames no endpoint', async () => {
    const server = await serverOf('ok')
    const code = `
      import { openSync } from 'node:fs'
      import { createMesh } from 'inmesh'
      const mesh = createMesh({ services: { orders: { endpoints: ['${server.address}', '127.0.0.1:1'] } } })
      await mesh.ready()
      try { for (;;) openSync('/dev/null', 'r') } catch {}
      const error = await mesh.request('http://orders/', { method: 'POST', body: 'x' }).catch((thrown) => thrown)
      const { endpoints, breaker } = mesh.stats().services.orders
      console.log(JSON.stringify([error.code, /EMFILE/.test(error.message), endpoints.map(({ failures }) => failures), breaker.state]))
      process.exit()`
    const path = place('process/descriptors.mjs', code)
    const wrapper = place(
      'process/limited.mjs',
      `import { spawnSync } from 'node:child_process'
       const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$0" "$1"', process.execPath, ${JSON.stringify(path)}])
       process.stdout.write(stdout)
       process.stderr.write(stderr)`,
    )
    const { stdout, stderr } = await runScript(wrapper)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual(['MESH_OVERLOADED', true, [0, 0], 'closed'])
  })

  it('has a mesh in a worker as well as in its main thread', async () => {
    const server = await serverOf('ok')
    const code = `
      const { parentPort, workerData } = require('node:worker_threads')
      import(workerData.path).then(async ({ createMesh }) => {
        const mesh = createMesh({ services: { orders: { endpoints: [workerData.address] } } })
        parentPort.postMessage((await mesh.request('http://orders/')).statusCode)
        await mesh.close()
      })`
    const path = new URL('../../dist/index.js', import.meta.url).href
    const worker = new Worker(code, { eval: true, workerData: { path, address: server.address } })
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    expect(await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))).toBe(200)
    expect(await exited).toBe(0)
  })

  it('makes no promise, no signal and no timer for a call that goes well', async () => {
    const server = await serverOf('ok')
    const { said } = await run<Record<string, number>>(
      'costs',
      { context: false, services: { orders: { endpoints: [server.address] } } },
      `import { createHook } from 'node:async_hooks'
       await mesh.ready()
       const counts = { PROMISE: 0, Timeout: 0, AbortController: 0 }
       class Counted extends AbortController { constructor() { super(); counts.AbortController++ } }
       globalThis.AbortController = Counted
       const CALLS = 200
       const one = () => new Promise((resolve, reject) => {
         const end = () => setImmediate(resolve)
         const handler = { onRequestStart() {}, onResponseStart() {}, onResponseData() {}, onResponseEnd: end, onResponseError: (_, error) => reject(error) }
         mesh.dispatcher.dispatch({ origin: 'http://orders', path: '/', method: 'GET' }, handler)
       })
       for (let call = 0; call < 50; call++) await one()
       // undici winds up a timer of its own for every idle socket: only what is made right in our code is ours.
       const ours = () => !/node_modules/.test(new Error().stack.split('\\n').slice(2).find((line) => !/node:|costs\\.mjs/.test(line)) ?? 'node_modules')
       const hook = createHook({ init: (_, type) => { if (type in counts && (type !== 'Timeout' || ours())) counts[type]++ } })
       const startedAt = performance.now()
       hook.enable()
       for (let call = 0; call < CALLS; call++) await one()
       hook.disable()
       const ticks = Math.ceil((performance.now() - startedAt) / 10) + 1
       // This loop itself makes promises; the same loop without a mesh is what they are compared with.
       const withMesh = { ...counts }
       counts.PROMISE = 0
       hook.enable()
       for (let call = 0; call < CALLS; call++) await new Promise((resolve) => setImmediate(resolve))
       hook.disable()
       console.log(JSON.stringify({ promises: withMesh.PROMISE - counts.PROMISE, signals: withMesh.AbortController, timersBeyondTicks: Math.max(0, withMesh.Timeout - ticks), ticks: withMesh.Timeout > 0 }))`,
    )
    expect(said).toEqual({ promises: 0, signals: 0, timersBeyondTicks: 0, ticks: true })
  })
})

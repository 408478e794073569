import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, it } from 'vitest'
import { mustEndWell, place, ROOT, requireBuild } from '../support/child-script.ts'
import { lifetimes } from '../support/lifetimes.ts'

const { keep, serverOf } = lifetimes()

beforeAll(requireBuild)

/** A network of its own with ten ports to dial from; empty where the system allows none. */
const TEN_PORTS = [
  'unshare',
  '-rn',
  'sh',
  '-c',
  'ip link set lo up && echo "40000 40009" > /proc/sys/net/ipv4/ip_local_port_range && exec "$0" "$@"',
]
const hasNetworks = spawnSync(TEN_PORTS[0] as string, [...TEN_PORTS.slice(1), 'true']).status === 0

/** Runs a script under `wrapper`, which sets its limits. */
async function runWith([command, ...args]: readonly string[], path: string): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(command as string, [...args, process.execPath, path], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  keep(() => child.kill('SIGKILL'))
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  await once(child, 'close')
  return said
}

describe('a process that runs short of', () => {
  it.skipIf(!hasNetworks)('ports to dial from: says so, blames nobody, and goes on as soon as one is free', async () => {
    const path = place(
      'shortages/ports.mjs',
      `import { createServer } from 'node:http'
       import { createMesh } from 'inmesh'
       const waiting = []
       let hold = true
       const server = createServer((_, response) => hold ? waiting.push(response) : response.end('ok'))
       await new Promise((resolve) => server.listen(9_000, '127.0.0.1', resolve))
       const mesh = createMesh({ services: { orders: { endpoints: ['127.0.0.1:9000'], outlierDetection: { consecutiveFailures: 1 }, circuitBreaker: { minRequests: 1 } } } })
       const call = (method) => mesh.request('http://orders/', { method, body: method === 'POST' ? 'x' : undefined })
         .then(({ statusCode, body }) => body.dump().then(() => statusCode), (error) => error.code + (/EADDRNOTAVAIL/.test(error.message) ? ' EADDRNOTAVAIL' : ''))
       const first = Array.from({ length: 10 }, () => call('GET'))
       while (waiting.length < 10) await new Promise((resolve) => setTimeout(resolve, 5))
       const short = [await call('POST'), await call('GET')]
       const { endpoints, breaker } = mesh.stats().services.orders
       hold = false
       for (const response of waiting) response.end('ok')
       const ended = await Promise.all(first)
       // undici frees a socket a moment after its answer.
       await new Promise(setImmediate)
       const after = [await call('GET')]
       await new Promise(setImmediate)
       after.push(await call('POST'))
       console.log(JSON.stringify({ short, failures: endpoints[0].failures, ejections: endpoints[0].ejections, breaker: breaker.state, ended: new Set(ended).size === 1 && ended[0], after }))
       await mesh.close()
       server.close()`,
    )
    const { stdout, stderr } = await runWith(TEN_PORTS, path)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      short: ['MESH_OVERLOADED EADDRNOTAVAIL', 'MESH_OVERLOADED EADDRNOTAVAIL'],
      failures: 0,
      ejections: 0,
      breaker: 'closed',
      ended: 200,
      after: [200, 200],
    })
  })

  it('descriptors: says so to each of many, and goes on when there are some again', async () => {
    const server = await serverOf('ok')
    const path = place(
      'shortages/descriptors.mjs',
      `import { closeSync, openSync } from 'node:fs'
       import { createMesh } from 'inmesh'
       const mesh = createMesh({ services: { orders: { endpoints: ['${server.address}'], outlierDetection: { consecutiveFailures: 1 }, circuitBreaker: { minRequests: 1 } } } })
       await mesh.ready()
       const taken = []
       try { for (;;) taken.push(openSync('/dev/null', 'r')) } catch {}
       const call = () => mesh.request('http://orders/').then(({ statusCode, body }) => body.dump().then(() => statusCode), (error) => error.code)
       const short = await Promise.all(Array.from({ length: 50 }, call))
       for (const descriptor of taken) closeSync(descriptor)
       const after = await Promise.all(Array.from({ length: 20 }, call))
       const { endpoints, breaker } = mesh.stats().services.orders
       console.log(JSON.stringify({ short: [...new Set(short)], after: [...new Set(after)], failures: endpoints[0].failures, ejections: endpoints[0].ejections, breaker: breaker.state }))
       await mesh.close()`,
    )
    const { stdout, stderr } = await runWith(['sh', '-c', 'ulimit -n 64; exec "$0" "$1"'], path)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({ short: ['MESH_OVERLOADED'], after: [200], failures: 0, ejections: 0, breaker: 'closed' })
  })

  it('disk: it writes nothing, so a full one changes nothing', async () => {
    const server = await serverOf(503, 'ok')
    const path = place(
      'shortages/disk.mjs',
      `import fs from 'node:fs'
       import { syncBuiltinESMExports } from 'node:module'
       const full = () => { throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }) }
       const asked = []
       for (const name of ['writeFile', 'writeFileSync', 'appendFile', 'appendFileSync', 'mkdir', 'mkdirSync', 'mkdtemp', 'mkdtempSync', 'createWriteStream', 'rename', 'renameSync'])
         fs[name] = () => { asked.push(name); full() }
       for (const name of ['writeFile', 'appendFile', 'mkdir', 'mkdtemp', 'rename'])
         fs.promises[name] = async () => { asked.push('promises.' + name); full() }
       // Modules are opened to be read, by Node itself.
       const reads = (flags) => flags === undefined || typeof flags === 'function' || flags === 'r' || flags === fs.constants.O_RDONLY
       for (const holder of [fs, fs.promises])
         for (const name of ['open', 'openSync']) {
           const open = holder[name]
           if (open !== undefined) holder[name] = (path, flags, ...rest) => (reads(flags) ? open(path, flags, ...rest) : (asked.push(name), full()))
         }
       syncBuiltinESMExports()
       process.chdir('/proc')
       const { createMesh } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)})
       const mesh = createMesh({ services: { orders: { endpoints: ['${server.address}'] } } })
       const answer = await (await mesh.fetch('http://orders/')).text()
       await mesh.execute('job', () => 1)
       await mesh.close()
       process.stdout.write(JSON.stringify({ answer, asked }))`,
    )
    const { stdout } = await mustEndWell(path, { timeoutMs: 10_000 })
    expect(JSON.parse(stdout)).toEqual({ answer: 'ok', asked: [] })
  })
})

describe('a worker', () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.path).then(async ({ createMesh }) => {
      const mesh = createMesh({ services: { orders: { endpoints: workerData.addresses } } })
      await mesh.ready()
      const call = () => mesh.request('http://orders/').then(({ body }) => body.text()).catch(() => {}).then(() => { parentPort.postMessage('ended'); call() })
      for (let index = 0; index < 20; index++) call()
    })`
  const path = new URL('../../dist/index.js', import.meta.url).href

  it.each([0, 30, 100])('that is terminated %d ms into its calls lets its sockets go and harms nobody', async (afterMs) => {
    const servers = [await serverOf('ok', 'silent', 'ok', 503, 'ok', 'slow-head'), await serverOf('ok')]
    const unhandled: unknown[] = []
    const hear = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', hear)
    keep(() => process.off('unhandledRejection', hear))
    const workers = [1, 2].map(
      () => new Worker(code, { eval: true, workerData: { path, addresses: servers.map(({ address }) => address) } }),
    )
    const errors: unknown[] = []
    for (const worker of workers) worker.on('error', (error) => errors.push(error))
    const [first, second] = workers as [Worker, Worker]
    const heard = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve))
    await Promise.all([heard(first), heard(second)])
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    expect(await first.terminate()).toBe(1)
    // The mesh of the other worker does not notice.
    for (const server of servers) server.behave('ok')
    for (let call = 0; call < 5; call++) await heard(second)
    await second.terminate()
    await expect.poll(() => servers.map(({ openSockets }) => openSockets)).toEqual([0, 0])
    expect([errors, unhandled]).toEqual([[], []])
  })
})

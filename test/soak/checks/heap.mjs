import { createHook } from 'node:async_hooks'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { writeHeapSnapshot } from 'node:v8'
import { createMesh } from 'inmesh'
import { get, median, pause } from '../load.mjs'
import { services } from '../service.mjs'

const CONCURRENCY = 32
const BYTES_PER_CALL = (0.5 * 1024 * 1024) / 1_000_000
/** Whatever stays behind of every call is at least this in somebody's array; the engine's own code grows for a while, by less. */
const POINTER = 8
/** What the engine keeps for itself: compiled code, its notes for leaving it, shapes. It settles, and no call owns it. */
const ENGINES_OWN = new Set(['code', 'hidden', 'object shape', 'synthetic'])
const SNAPSHOTS = join(import.meta.dirname, '../../../.cache/soak')

/** `count` calls, `CONCURRENCY` at a time. */
async function calls(mesh, count) {
  let next = 0
  const worker = async () => {
    while (next < count) {
      const status = await get(mesh, next++)
      if (status !== 200) throw new Error(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
}

/** Bytes in use after everything that can be collected was: the least of a few looks, a loop turn apart. */
async function inUse() {
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 5; look++) {
    globalThis.gc()
    await pause(20)
    globalThis.gc()
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

/** The median of the slopes between all pairs of points (Theil–Sen): up to 29 % of them may lie anywhere. */
function slope(points) {
  const slopes = points.flatMap(([x, y], index) => points.slice(index + 1).map(([x2, y2]) => (y2 - y) / (x2 - x)))
  return median(slopes)
}

/** Bytes in everything that a program makes: objects, arrays, strings, functions, buffers; counted one by one. */
function programBytes(file) {
  const { snapshot, nodes } = JSON.parse(readFileSync(file, 'utf8'))
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [type, size] = [fields.indexOf('type'), fields.indexOf('self_size')]
  let bytes = 0
  for (let at = 0; at < nodes.length; at += fields.length) if (!ENGINES_OWN.has(types[0][nodes[at + type]])) bytes += nodes[at + size]
  return bytes
}

/** Sockets of this process as libuv sees them, also those that do not hold the process. */
const openSockets = () => process.report.getReport().libuv.filter(({ type }) => type === 'tcp').length

/** Timers that a mesh leaves behind when it was used and closed; the platform's own may tick for another second. */
async function timersLeft(address) {
  const live = new Set()
  const hook = createHook({ init: (id, type) => type === 'Timeout' && live.add(id), destroy: (id) => live.delete(id) }).enable()
  const mesh = createMesh({ services: { orders: { endpoints: [address] } } })
  await calls(mesh, 100)
  await mesh.close()
  hook.disable()
  createHook({ destroy: (id) => live.delete(id) }).enable()
  for (let look = 0; look < 30 && live.size > 0; look++) await pause(100)
  return live.size
}

/** Heap over many calls through mesh.fetch and mesh.dispatcher by turns, and what close() leaves. */
export async function run({ short }) {
  const [steps, perStep] = short ? [6, 10_000] : [40, 25_000]
  process.report.excludeNetwork = true
  mkdirSync(SNAPSHOTS, { recursive: true })
  const files = ['before', 'after'].map((name) => join(SNAPSHOTS, `${name}-${process.pid}.heapsnapshot`))
  const [service] = await services(1)
  const mesh = createMesh({ services: { orders: { endpoints: [service.address] } } })
  await calls(mesh, short ? 30_000 : 200_000)
  await inUse()
  writeHeapSnapshot(files[0])
  const points = [[0, await inUse()]]
  for (let step = 1; step <= steps; step++) {
    await calls(mesh, perStep)
    points.push([step * perStep, await inUse()])
  }
  writeHeapSnapshot(files[1])
  await mesh.close()
  await pause(100)
  const left = openSockets()
  const { sockets } = await service.report()
  const timers = await timersLeft(service.address)
  await service.kill()
  const total = steps * perStep
  const [before, after] = files.map(programBytes)
  for (const file of files) rmSync(file)
  const kept = (after - before) / total
  const perCall = slope(points)
  // In a short run compiled code is still on its way.
  const limit = short ? POINTER : BYTES_PER_CALL
  return [
    {
      what: `bytes of objects a call leaves, ${total} calls counted`,
      asked: `<= ${BYTES_PER_CALL.toFixed(2)}`,
      seen: kept.toFixed(3),
      ok: kept <= BYTES_PER_CALL,
    },
    {
      what: 'bytes of heap a call leaves, compiled code included, slope',
      asked: `<= ${limit.toFixed(2)}`,
      seen: perCall.toFixed(2),
      ok: perCall <= limit,
    },
    { what: 'sockets left after close()', asked: 0, seen: left, ok: left === 0 },
    { what: 'timers left after close()', asked: 0, seen: timers, ok: timers === 0 },
    { what: 'connections the service still has', asked: 0, seen: sockets, ok: sockets === 0 },
  ]
}

import process from 'node:process'
import { createMesh } from 'inmesh'
import { get, median, pause } from '../load.mjs'
import { services } from '../service.mjs'

const CONCURRENCY = 32
const MIB_PER_MILLION = (0.5 * 1024 * 1024) / 1_000_000
/** Half a pointer. Whatever stays behind of a call is at least a pointer of eight bytes in somebody's array. */
const HALF_A_POINTER = 4

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

/** What of libuv's is still there and could be a socket or a timer, also when it does not hold the process. */
function handles() {
  const { libuv } = process.report.getReport()
  return libuv.filter(({ type, is_active: active }) => type === 'tcp' || (type === 'timer' && active)).map(({ type }) => type)
}

/** Heap over many calls through mesh.fetch and mesh.dispatcher by turns, and what close() leaves. */
export async function run({ short }) {
  const [steps, perStep] = short ? [12, 5_000] : [40, 25_000]
  process.report.excludeNetwork = true
  const before = handles().length
  const [service] = await services(1)
  const mesh = createMesh({ services: { orders: { endpoints: [service.address] } } })
  // So long code, inline caches and pools still settle, with a bare undici too.
  await calls(mesh, 60_000)
  const points = [[0, await inUse()]]
  for (let step = 1; step <= steps; step++) {
    await calls(mesh, perStep)
    points.push([step * perStep, await inUse()])
  }
  const perCall = slope(points)
  const limit = short ? HALF_A_POINTER : MIB_PER_MILLION
  await mesh.close()
  await pause(100)
  const left = handles()
  const { sockets } = await service.report()
  await service.kill()
  const growth = points.at(-1)[1] - points[0][1]
  return [
    {
      what: `bytes a call leaves, slope over ${steps * perStep} calls (${(growth / 1024).toFixed(0)} KiB in all)`,
      asked: `<= ${limit.toFixed(2)}`,
      seen: perCall.toFixed(2),
      ok: perCall <= limit,
    },
    { what: 'sockets and timers left after close()', asked: before, seen: left.length, ok: left.length <= before },
    { what: 'connections the service still has', asked: 0, seen: sockets, ok: sockets === 0 },
  ]
}

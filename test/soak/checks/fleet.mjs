import process from 'node:process'
import { createMesh } from 'inmesh'
import { LoopHolds } from '../hold.mjs'
import { failures, get, median, openLoop, pause } from '../load.mjs'
import { services } from '../service.mjs'

const ENDPOINTS = 100_000
const PER_SECOND = 200

const METADATA = Object.freeze({ version: '1' })
const LOCALITY = Object.freeze({ zone: 'a' })

/** Every address is one of loopback on which the service listens; what is new about an endpoint is its id. */
function specOf(id, port) {
  const host = '127.0.0.1'
  return { id, address: `${host}:${port}`, host, port, weight: 1, priority: 0, locality: LOCALITY, metadata: METADATA }
}

/** The next list, made in pieces: what a registry's client spends is not what the mesh spends. */
async function listOf(change, ports) {
  const list = []
  for (let index = 0; index < ENDPOINTS; index++) {
    const port = ports[index % ports.length]
    list.push(specOf(change(index), port))
    if (index % 1_000 === 0) await new Promise(setImmediate)
  }
  return list
}

/** What a connection to an endpoint holds, its pool included. They stay for a minute, and each call meets another endpoint. */
const CONNECTION_BYTES = 6_000

/** Bytes in use after what can be collected was, beside those of open connections. */
async function inUse() {
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 2; look++) {
    globalThis.gc()
    await pause(10)
    globalThis.gc()
    const connections = process.report.getReport().libuv.filter(({ type }) => type === 'tcp').length
    least = Math.min(least, process.memoryUsage().heapUsed - connections * CONNECTION_BYTES)
  }
  return least
}

/** 100,000 endpoints replaced each second under load: wholly other ones, or every hundredth. */
async function replaced(what, seconds, idOf) {
  const all = await services(2)
  const ports = all.map(({ port }) => port)
  let sink
  const source = {
    name: 'registry',
    watch(given) {
      sink = given
      return () => {}
    },
  }
  const mesh = createMesh({ sources: [source], defaults: { subset: 'all' } })
  const ready = mesh.ready()
  const service = { kind: 'service', namespace: 'default', name: 'orders', hosts: [], ports: [], protocol: 'auto' }
  const deliver = (endpoints, version) =>
    sink.update({
      version,
      upserts: [service, { kind: 'endpoints', namespace: 'default', name: 'orders', endpoints }],
      removals: [],
      complete: true,
    })
  deliver(await listOf((index) => idOf(index, 0), ports), '0')
  await ready
  const holds = []
  const heap = []
  const load = openLoop({ perSecond: PER_SECOND, seconds, call: (index) => get(mesh, index) })
  const startedAt = performance.now()
  for (let round = 1; round < seconds; round++) {
    const list = await listOf((index) => idOf(index, round), ports)
    // The collector's work over the lists of the registry is not the mesh's either.
    heap.push(await inUse())
    await pause(Math.max(20, startedAt + round * 1_000 - performance.now()))
    const turns = new LoopHolds()
    const rejections = await turns.watch(400, () => deliver(list, String(round)))
    if (rejections.length > 0) throw new Error(JSON.stringify(rejections))
    holds.push(turns.longest)
  }
  const { calls } = await load
  const present = mesh.explain({ url: 'http://orders/' }).candidates.length
  const known = mesh.stats().services.orders.endpoints.length
  await mesh.close()
  await Promise.all(all.map((each) => each.kill()))
  const { count, kinds } = failures(calls)
  const longest = Math.max(...holds)
  // Code and caches settle in the first half.
  const half = heap.slice(heap.length >> 1)
  const grown = (median(half.slice(half.length >> 1)) - median(half.slice(0, half.length >> 1))) / 1024 / 1024
  return [
    { what: `${what}: failed calls of ${calls.length}`, asked: 0, seen: count === 0 ? 0 : `${count}: ${kinds}`, ok: count === 0 },
    {
      what: `${what}: loop held up at a time, ${holds.length} changes, median ${median(holds).toFixed(0)} ms`,
      asked: '<= 50 ms',
      seen: `${longest.toFixed(1)} ms`,
      ok: longest <= 50,
    },
    {
      what: `${what}: endpoints present, and remembered`,
      asked: `${ENDPOINTS}, <= +${calls.length}`,
      seen: `${present}, +${known - present}`,
      ok: present === ENDPOINTS && known - present <= calls.length,
    },
    {
      what: `${what}: heap grown over the last ${half.length} changes`,
      asked: '<= 10 MiB',
      seen: `${grown.toFixed(1)} MiB`,
      ok: grown <= 10,
    },
  ]
}

export async function run({ short }) {
  process.report.excludeNetwork = true
  const seconds = short ? 12 : 90
  return [
    ...(await replaced('all of 100,000 new', seconds, (index, round) => `pod-${round}-${index}`)),
    ...(await replaced('1 % of 100,000 new', seconds, (index, round) => (index % 100 === 0 ? `pod-${round}-${index}` : `pod-${index}`))),
  ]
}

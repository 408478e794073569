import process from 'node:process'
import { createMesh } from 'inmesh'
import { pause } from '../load.mjs'
import { services } from '../service.mjs'

const ENDPOINTS = 10_000
const SUBSET = 200
const CONCURRENCY = 50
const MB = 1e6

/** Descriptors that a process needs besides its connections. */
const SPARE = 500

/** What is in use after the collector was there, as the program holds it and as the system sees it. */
async function inUse() {
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 4; look++) {
    globalThis.gc()
    await pause(25)
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return { bytes: least, resident: process.memoryUsage().rss }
}

async function call(mesh, name) {
  const response = await mesh.fetch(`http://${name}/v1/orders/42`)
  await response.text()
  if (response.status !== 200) throw new Error(`status ${response.status}`)
}

/** So many calls, fifty at a time. */
async function calls(mesh, name, count) {
  let left = count
  const one = async () => {
    while (left-- > 0) await call(mesh, name)
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, one))
}

/** A mesh with a small service, which has compiled everything by the time that the large one comes. */
async function meshOf(address, options) {
  let sink
  const registry = {
    name: 'registry',
    watch(given) {
      sink = given
      return () => {}
    },
  }
  const mesh = createMesh({ services: { small: { endpoints: [address] } }, sources: [registry], defaults: options })
  const ready = mesh.ready()
  sink.update({ version: '0', upserts: [], removals: [], complete: true })
  await ready
  await calls(mesh, 'small', 5_000)
  return {
    mesh,
    deliver(endpoints) {
      const service = { kind: 'service', namespace: 'default', name: 'orders', hosts: [], ports: [], protocol: 'auto' }
      const list = { kind: 'endpoints', namespace: 'default', name: 'orders', endpoints }
      const rejections = sink.update({ version: '1', upserts: [service, list], removals: [], complete: true })
      if (rejections?.length > 0) throw new Error(JSON.stringify(rejections))
    },
  }
}

const LOCALITY = Object.freeze({ zone: 'a' })
const METADATA = Object.freeze({ version: '1' })

/** Addresses of loopback, each with texts of its own, as a registry's client has them. */
function endpointsAt(port, count) {
  return Array.from({ length: count }, (_, index) => {
    const host = `127.1.${index >> 8}.${index & 255}`
    const address = `${host}:${port}`
    return { id: `pod-${index}`, address, host, port, weight: 1, priority: 0, locality: LOCALITY, metadata: METADATA }
  })
}

const connectionsOf = (mesh) => mesh.stats().services.orders.endpoints.reduce((sum, { connections }) => sum + connections, 0)

/** A part of the endpoints: what all of them hold, and the connections to the part. */
async function part(server) {
  const { mesh, deliver } = await meshOf(server.address, { subset: { size: SUBSET } })
  const before = await inUse()
  deliver(endpointsAt(server.port, ENDPOINTS))
  await calls(mesh, 'orders', 20_000)
  const after = await inUse()
  const connections = connectionsOf(mesh)
  const used = mesh.stats().services.orders.endpoints.filter(({ tries }) => tries > 0).length
  await mesh.close()
  return [
    {
      what: `${ENDPOINTS} endpoints, ${used} in use: memory, the system's ${megabytes(after.resident - before.resident)}`,
      asked: '<= 12 MB',
      seen: megabytes(after.bytes - before.bytes),
      ok: after.bytes - before.bytes <= 12 * MB && used === SUBSET,
    },
    {
      what: `connections to them, ${CONCURRENCY} calls at a time`,
      asked: `<= ${2 * SUBSET}`,
      seen: connections,
      ok: connections <= 2 * SUBSET,
    },
  ]
}

/** All of them, each called, and each with a connection that stays: as many as the system allows descriptors. */
async function all(server) {
  const { soft } = process.report.getReport().userLimits.open_files
  const count = soft === 'unlimited' ? ENDPOINTS : Math.min(ENDPOINTS, soft - SPARE)
  const { mesh, deliver } = await meshOf(server.address, { subset: 'all', balancing: { policy: 'round-robin' } })
  const before = await inUse()
  deliver(endpointsAt(server.port, count))
  await calls(mesh, 'orders', 2 * count)
  const after = await inUse()
  const connections = connectionsOf(mesh)
  await mesh.close()
  const limit = (100 * count) / ENDPOINTS
  return [
    {
      what: `${count} endpoints, all in use over ${connections} connections: memory, the system's ${megabytes(after.resident - before.resident)}`,
      asked: `<= ${limit.toFixed(0)} MB`,
      seen: megabytes(after.bytes - before.bytes),
      ok: after.bytes - before.bytes <= limit * MB && connections >= count,
    },
  ]
}

const megabytes = (bytes) => `${(bytes / MB).toFixed(1)} MB`

/** What a large service holds in the process that calls it. */
export async function run() {
  process.report.excludeNetwork = true
  const [server] = await services(1, 'address-server.mjs')
  const rows = [...(await part(server)), ...(await all(server))]
  await server.kill()
  return rows
}

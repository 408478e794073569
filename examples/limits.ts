// Limits, a fallback and a policy: fifty calls at once meet a slow service, and a write that nobody may make.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createMesh, isMeshError } from 'inmesh'

let now = 0
let most = 0
const server = createServer(async (_, response) => {
  most = Math.max(most, ++now)
  await pause(20)
  now--
  response.end('{"id":"42","status":"shipped"}')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const endpoints = [`127.0.0.1:${(server.address() as AddressInfo).port}`]

const mesh = createMesh({
  service: 'web',
  services: {
    // At most 4 sockets, at most 20 calls that wait for one: 26 of 50 are too many.
    orders: { endpoints, limits: { maxConnections: 4, maxPending: 20 } },
    // The same, and whoever is refused gets an answer all the same.
    reports: { endpoints, limits: { maxRequests: 4 }, fallback: { on: ['MESH_OVERLOADED'], respond: { status: 203, body: '{}' } } },
  },
  policies: [{ name: 'web-reads', source: { service: 'web' }, target: { methods: ['POST'] }, action: 'deny' }],
})
await mesh.ready()

async function fifty(url: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const call = async (): Promise<void> => {
    const became = await mesh.request(url).then(
      ({ statusCode, body }) => body.dump().then(() => String(statusCode)),
      (error: unknown) => (isMeshError(error) ? error.code : 'another error'),
    )
    counts[became] = (counts[became] ?? 0) + 1
  }
  await Promise.all(Array.from({ length: 50 }, call))
  return counts
}

const orders = await fifty('http://orders/v1/orders/42')
console.log('orders:', orders, `the service had at most ${most} at once`)
const reports = await fifty('http://reports/today')
console.log('reports:', reports, `${mesh.stats().services['reports']?.fallbacks} of them from the fallback`)
const denied: unknown = await mesh.request('http://orders/', { method: 'POST' }).catch((error: unknown) => error)
if (isMeshError(denied)) console.log('POST:', denied.code, 'by', denied.from)

await mesh.close()
server.close()
process.exitCode = orders['200'] === 24 && reports['203'] === 46 && isMeshError(denied) ? 0 : 1

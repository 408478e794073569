// Active health checks: an instance that says it is out of order gets no calls, and is back as soon as it says so.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'

/** An instance that counts its calls, and whose health page can be turned. */
async function instance(name: string) {
  const state = { name, healthy: true, calls: 0, address: '', close: () => {} }
  const server = createServer((request, response) => {
    if (request.url === '/healthz') response.writeHead(state.healthy ? 200 : 503).end()
    else {
      state.calls++
      response.end(name)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  state.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  state.close = () => void server.close()
  return state
}

const instances = [await instance('a'), await instance('b'), await instance('c')]
const [a] = instances
if (a === undefined) throw new Error('no instance')

const mesh = createMesh({
  services: {
    orders: {
      endpoints: instances.map(({ address }) => address),
      healthCheck: { path: '/healthz', interval: '100ms', timeout: '80ms', unhealthyAfter: 3, healthyAfter: 1 },
    },
  },
})
const nameOf = (endpoint: string): string => instances.find(({ address }) => address === endpoint)?.name ?? endpoint
mesh.on('endpointUnhealthy', ({ endpoint, reason }) => console.log(`${nameOf(endpoint)} is unhealthy: ${reason}`))
mesh.on('endpointHealthy', ({ endpoint, reason }) => console.log(`${nameOf(endpoint)} is healthy: ${reason}`))
await mesh.ready()

/** Thirty calls, and how many of them each instance got. */
async function thirtyCalls(): Promise<string> {
  for (const each of instances) each.calls = 0
  for (let call = 0; call < 30; call++) await (await mesh.fetch('http://orders/')).text()
  return instances.map(({ name, calls }) => `${name} ${calls}`).join(', ')
}
const next = (event: 'endpointUnhealthy' | 'endpointHealthy') => new Promise((resolve) => mesh.on(event, resolve))

console.log('all are well:      ', await thirtyCalls())
a.healthy = false
await next('endpointUnhealthy')
console.log('a is out:          ', await thirtyCalls())
a.healthy = true
await next('endpointHealthy')
console.log('a is back:         ', await thirtyCalls())

await mesh.close()
for (const { close } of instances) close()

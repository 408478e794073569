// The mesh as an undici dispatcher: undici.request, the platform's fetch, and an interceptor of undici in front.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'
import { request } from 'undici'

const endpoints: string[] = []
const servers = [1, 2].map((instance) => createServer((_, response) => response.end(`instance ${instance}`)))
for (const server of servers) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  endpoints.push(`127.0.0.1:${(server.address() as AddressInfo).port}`)
}

const mesh = createMesh({
  services: { orders: { endpoints, balancing: { policy: 'round-robin' } } },
})

for (let call = 1; call <= 4; call++) {
  const { statusCode, body } = await request('http://orders/', { dispatcher: mesh.dispatcher })
  console.log(`undici.request ${call}:`, statusCode, await body.text())
}

const response = await fetch('http://orders/', { dispatcher: mesh.dispatcher })
console.log('fetch:', response.status, await response.text())

// Interceptors sit in front of the mesh: they see one call, however many tries it takes.
const composed = mesh.dispatcher.compose((dispatch: typeof mesh.dispatcher.dispatch) => (options: { path: string }, handler: unknown) => {
  console.log('an interceptor sees', options.path)
  return dispatch(options, handler)
})
await request('http://orders/v1/orders/42', { dispatcher: composed }).then(({ body }) => body.dump())

// One endpoint goes away: calls move on to the other.
servers[0]?.closeAllConnections()
servers[0]?.close()
for (let call = 1; call <= 3; call++) {
  const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher })
  console.log('with the first one gone:', await body.text())
}
const { calls, tries } = mesh.stats().services['orders'] ?? {}
console.log(`${calls} calls, ${tries} tries`)

await mesh.close()
servers[1]?.close()

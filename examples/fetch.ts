// mesh.fetch: four endpoints, of which one refuses connections and one answers 503. No call is lost.
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'

async function listen(answer: RequestListener): Promise<{ server: Server; address: string }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const first = await listen((_, response) => response.end('{"id":"42","status":"shipped"}'))
const second = await listen((_, response) => response.end('{"id":"42","status":"shipped"}'))
const unavailable = await listen((_, response) => response.writeHead(503).end())
const down = await listen(() => {})
down.server.close()
await once(down.server, 'close')

const names = new Map([
  [first.address, 'works'],
  [second.address, 'works too'],
  [unavailable.address, 'answers 503'],
  [down.address, 'down'],
])

const mesh = createMesh({
  services: { orders: { endpoints: [...names.keys()], timeout: '5s' } },
})
mesh.on('endpointEjected', ({ endpoint, reason }) => console.log(`ejected: ${names.get(endpoint)}, after ${reason}`))

const statuses = new Map<number, number>()
for (let call = 0; call < 60; call++) {
  const response = await mesh.fetch('http://orders/v1/orders/42')
  await response.arrayBuffer()
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
}
console.log('answers by status:', Object.fromEntries(statuses))

const stats = mesh.stats().services['orders']
console.log(`${stats?.calls} calls, ${stats?.tries} tries: ${stats?.retries} retries, ${stats?.movedOn} moves`)
for (const { address, state, tries, failures } of stats?.endpoints ?? [])
  console.log(`${names.get(address)?.padEnd(12)} ${state.padEnd(8)} tries ${tries}, failures ${failures}`)

await mesh.close()
for (const { server } of [first, second, unavailable]) server.close()
process.exitCode = statuses.get(200) === 60 ? 0 : 1

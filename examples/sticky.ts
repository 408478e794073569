// Consistent hashing: each user has an instance of his own, and only the users of one that is out of order move.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { createMesh } from 'inmesh'

/** An instance that remembers who called, and whose health page can be turned. */
async function instance(name: string) {
  const state = { name, healthy: true, users: new Set<string>(), address: '', close: () => {} }
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return void response.writeHead(state.healthy ? 200 : 503).end()
    state.users.add(String(request.headers['x-user']))
    response.end(name)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  state.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  state.close = () => void server.close()
  return state
}

const instances = await Promise.all(['a', 'b', 'c'].map(instance))
const [a] = instances
if (a === undefined) throw new Error('no instance')

const mesh = createMesh({
  services: {
    carts: {
      // Ports differ from run to run: what an instance is hashed by does not.
      endpoints: instances.map(({ address, name }) => ({ address, metadata: { hash_key: name } })),
      balancing: { policy: 'maglev', hashOn: [{ header: 'x-user' }] },
      healthCheck: { path: '/healthz', interval: '100ms', timeout: '1s', unhealthyAfter: 1 },
    },
  },
})
await mesh.ready()

/** Two calls of each of a dozen users, and whom each instance saw. */
async function calls(): Promise<string> {
  for (const each of instances) each.users.clear()
  for (let call = 0; call < 24; call++) await (await mesh.fetch('http://carts/', { headers: { 'x-user': `u${call % 12}` } })).text()
  return instances.map(({ name, users }) => `${name}: ${[...users].join(' ') || 'nobody'}`).join(' | ')
}

async function until(state: string): Promise<void> {
  const now = () => mesh.stats().services['carts']?.endpoints.find(({ address }) => address === a?.address)?.state
  while (now() !== state) await pause(20)
}

console.log('all are well: ', await calls())
a.healthy = false
await until('unhealthy')
console.log('a is out:     ', await calls())
a.healthy = true
await until('healthy')
console.log('a is back:    ', await calls())

await mesh.close()
for (const { close } of instances) close()

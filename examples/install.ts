// mesh.install: code that calls the global fetch and knows of no mesh gets one, and gives it back.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'

/** Somebody else's client. It is not changed for the mesh. */
const sdk = {
  async order(id: string): Promise<string> {
    const response = await fetch(`http://orders.internal.example.com/v1/orders/${id}`)
    return `${response.status} ${await response.text()}`
  },
}

let requests = 0
const server = createServer((_, response) => {
  // Every third request finds it busy.
  if (++requests % 3 === 0) response.writeHead(503).end('busy')
  else response.end('shipped')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `127.0.0.1:${(server.address() as AddressInfo).port}`

const mesh = createMesh({
  services: { orders: { hosts: ['orders.internal.example.com'], endpoints: [address], timeout: '2s' } },
})
mesh.on('retry', ({ status, tries }) => console.log(`  try ${tries} was answered ${status}: sent again`))

const former = globalThis.fetch
const restore = mesh.install()

for (const id of ['1', '2', '3']) console.log(`order ${id}:`, await sdk.order(id))

// Options for calls that have no place for them.
console.log('order 4, one try only:', await mesh.with({ retries: 0, timeout: '500ms' }, () => sdk.order('4')))
console.log('order 5, one try only:', await mesh.with({ retries: 0, timeout: '500ms' }, () => sdk.order('5')))

// What is no service of the mesh passes on, unchanged.
console.log('a stranger:', (await fetch(`http://${address}/`)).status)

restore()
console.log('fetch is what it was:', globalThis.fetch === former)
await mesh.close()
server.close()

// dnsSource: a name with two addresses; one is taken away, another comes, then DNS dies. No call is lost.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh, dnsSource } from 'inmesh'

// A DNS server in a few lines: the question comes back with these addresses for type A, and with nothing else.
let addresses = ['127.0.0.1', '127.0.0.2']
let alive = true
const dns = createSocket('udp4', (query, peer) => {
  if (!alive) return
  const end = query.indexOf(0, 12) + 5
  const records = query.readUInt16BE(end - 4) === 1 ? addresses : []
  const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x84, 0, 0, 1, 0, records.length, 0, 0, 0, 0])
  const answers = records.map((address) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]))
  dns.send(Buffer.concat([header, query.subarray(12, end), ...answers]), peer.port, peer.address)
})
dns.bind(0, '127.0.0.1')
await once(dns, 'listening')

const servers = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => createServer((_, response) => response.end(address)))
let port = 0
for (const [index, server] of servers.entries()) {
  server.listen(port, `127.0.0.${index + 1}`)
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
}

const mesh = createMesh({
  sources: [dnsSource({ services: { orders: `orders.example.com:${port}` }, servers: [`127.0.0.1:${dns.address().port}`], minTtl: '1s' })],
})
mesh.on('sourceFailed', ({ source, error }) => console.log(`${source}: ${(error as Error).message}; what was found stays`))

let lost = 0
async function callFor(seconds: number, what: string): Promise<void> {
  const seen = new Map<string, number>()
  for (const until = Date.now() + seconds * 1_000; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const answer = await mesh.fetch('http://orders/').then(
      (response) => response.text(),
      () => 'lost',
    )
    if (answer === 'lost') lost++
    seen.set(answer, (seen.get(answer) ?? 0) + 1)
  }
  console.log(what.padEnd(16), Object.fromEntries(seen))
}

await callFor(0.5, 'two addresses')
addresses = ['127.0.0.3']
await callFor(1.5, 'another address')
alive = false
await callFor(5, 'DNS is dead')
console.log(`${lost} calls lost`)

await mesh.close()
dns.close()
for (const server of servers) server.close()
process.exitCode = lost === 0 ? 0 : 1

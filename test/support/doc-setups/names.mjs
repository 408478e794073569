// A DNS server on loopback that the process asks, and an orders service behind its names.
import { createSocket } from 'node:dgram'
import { setServers } from 'node:dns'
import { once } from 'node:events'
import { AUTHORITATIVE_ANSWER, decode, encode } from 'dns-packet'
import { bind, serve } from '../doc-server.mjs'

bind([await serve()])
const HOST = 'orders.internal.example.com'
const answers = {
  [`${HOST} A`]: [{ name: HOST, type: 'A', ttl: 60, data: '127.0.0.1' }],
  [`_http._tcp.${HOST} SRV`]: [
    { name: `_http._tcp.${HOST}`, type: 'SRV', ttl: 60, data: { target: HOST, port: globalThis.ordersPort, priority: 10, weight: 5 } },
  ],
}
const server = createSocket('udp4')
server.on('message', (message, peer) => {
  const { id, questions } = decode(message)
  const [{ name, type }] = questions
  const found = answers[`${name.toLowerCase()} ${type}`]
  const known = name.toLowerCase() === HOST
  const flags = AUTHORITATIVE_ANSWER | (found === undefined && !known ? 3 : 0)
  server.send(encode({ id, type: 'response', flags, questions, answers: found ?? [] }), peer.port, peer.address)
})
server.bind(0, '127.0.0.1').unref()
await once(server, 'listening')
globalThis.dnsServer = `127.0.0.1:${server.address().port}`
setServers([globalThis.dnsServer])

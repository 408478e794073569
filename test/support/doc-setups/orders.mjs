// Three instances of an orders service on loopback, for blocks in the docs that call one. They do not keep the process alive.
import { once } from 'node:events'
import { createServer } from 'node:http'

async function orders() {
  const server = createServer((request, response) => {
    const [, id = '42'] = /\/orders\/(\w+)/.exec(request.url) ?? []
    response.setHeader('content-type', 'application/json')
    request.resume().once('end', () => response.end(JSON.stringify({ id, status: 'shipped', port: server.address().port })))
  })
  server.on('connection', (socket) => socket.unref())
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return server.address().port
}

globalThis.ordersPorts = await Promise.all([orders(), orders(), orders()])
globalThis.ordersPort = globalThis.ordersPorts[0]

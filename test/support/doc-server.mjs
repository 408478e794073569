// What the setups of the docs share: servers on loopback that do not keep the process alive.
import { once } from 'node:events'
import { createServer } from 'node:http'

/** Makes `server` listen on a free port of 127.0.0.1 and gives that port. */
export async function listen(server) {
  server.on('connection', (socket) => socket.unref())
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return server.address().port
}

/** Answers with an order, as an orders service does. */
export function answerOrder(request, response) {
  const [, id = '42'] = /\/orders\/(\w+)/.exec(request.url) ?? []
  const { localPort: port } = request.socket
  response.setHeader('content-type', 'application/json')
  request.resume().once('end', () => response.end(JSON.stringify({ id, status: 'shipped', port })))
}

/** One more HTTP server; gives its port. */
export function serve(answer = answerOrder) {
  return listen(createServer(answer))
}

/** A port that refuses connections. */
export async function refusing() {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}

/** Binds the names that the blocks use. */
export function bind(ports) {
  globalThis.ordersPorts = ports
  globalThis.ordersPort = ports[0]
  globalThis.ordersEndpoints = ports.map((port) => `127.0.0.1:${port}`)
}

// The guard before an Express application: spellings of a forbidden path, an upgrade, and what the application is told.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import { createMesh, type WithMesh } from 'inmesh'

const mesh = createMesh({
  service: 'shop',
  inbound: { authorization: [{ name: 'no-admin', action: 'deny', rules: [{ to: [{ operation: { paths: ['/admin', '/admin/*'] } }] }] }] },
})
mesh.on('refused', ({ gate, code }) => console.log(`  refused by ${gate}: ${code}`))

const app = express()
app.get('/healthz', (_, response) => void response.send('alive'))
app.use(mesh.express())
app.use('/admin', (_, response) => void response.send('the keys to everything'))
app.use((request, response) => {
  const { hostname, remoteAddress } = (request as WithMesh<typeof request>).mesh
  response.send(`${request.url} of ${hostname} for ${remoteAddress}`)
})
const server = createServer(app)
// Express sees nothing of this.
server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

/** The status line and the body of the answer to exactly this target. */
async function ask(target: string, ...headers: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET ${target} HTTP/1.1\r\n${['Host: Shop', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  return `${head.slice(9, 12)} ${body}`
}

const taken: string[] = []
for (const target of ['/healthz', '/orders/./42', '/admin', '/ADMIN/', '/x/..//%61dmin', '/x/..%2fadmin', 'http://other/admin']) {
  const answer = await ask(target)
  console.log(target, '→', answer)
  taken.push(answer.slice(0, 3))
}
const upgrade = await ask('/admin/live', 'Connection: Upgrade', 'Upgrade: websocket')
console.log('upgrade of /admin/live →', upgrade.slice(0, 3))
console.log(mesh.stats().inbound.refused)

server.close()
await mesh.close()
process.exitCode = [...taken, upgrade.slice(0, 3)].join() === '200,200,403,403,403,400,400,403' ? 0 : 1

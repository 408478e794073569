// A guarded service in a process of its own: `node guarded-server.mjs [port]`. SIGTERM is all that it is told, and `mesh.close()` all that it
// does about it; where anything was left open afterwards the process would not end, and whoever waits for it neither.
import { createServer } from 'node:http'
import process from 'node:process'
import { createMesh } from 'inmesh'

const mesh = createMesh({ service: 'orders' })
process.once('SIGTERM', async () => {
  await mesh.close()
  process.disconnect()
})
// Whoever started it is gone.
process.once('disconnect', () => mesh.close())

const server = createServer(
  mesh.handler((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"order":42}')
    })
  }),
)
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => process.send({ listening: server.address().port }))

// A service in a process of its own, for the soak checks: `node server.mjs [port]`. It is told over IPC how to behave and says what
// it saw. It ends when whoever started it does.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { Server as NetServer } from 'node:net'
import process from 'node:process'

let behaviour = 'ok'
let requests = 0
const sockets = new Set()

/**
 * SIGTERM came: no new connections, each answer is the last on its connection, and with the last of them the process ends. Idle ones are
 * closed a moment later: whoever closes them at once, as `server.close()` does, loses what is on its way to him, and no client can help it.
 */
let leaving = false
process.on('SIGTERM', () => {
  leaving = true
  NetServer.prototype.close.call(server, () => process.exit())
  setTimeout(() => server.closeIdleConnections(), 500)
})

const server = createServer((request, response) => {
  requests++
  if (leaving) response.setHeader('connection', 'close')
  const url = new URL(request.url, 'http://service')
  if (url.pathname === '/download') download(response, Number(url.searchParams.get('bytes')))
  else if (url.pathname === '/upload') upload(request, response)
  else
    request.resume().on('end', () => {
      // A service that hangs never comes back to what it swallowed.
      if (behaviour === 'hang') return
      // Four of a hundred answers are late, as in a process that pauses now and then.
      if (behaviour === 'late' && requests % 25 === 0) {
        setTimeout(() => response.end('{"order":42}'), 1_200)
        return
      }
      response.writeHead(behaviour === 'ok' || behaviour === 'late' ? 200 : 503, { 'content-type': 'application/json' })
      response.end('{"order":42}')
    })
})

/** Sends as fast as the reader allows and never holds more than one piece. */
function download(response, bytes) {
  const piece = Buffer.alloc(64 * 1024, 7)
  response.writeHead(200, { 'content-length': bytes })
  let left = bytes
  const send = () => {
    while (left > 0) {
      const size = Math.min(left, piece.length)
      left -= size
      if (!response.write(piece.subarray(0, size))) {
        response.once('drain', send)
        return
      }
    }
    response.end()
  }
  send()
}

/** Reads slowly, and answers how much came and its hash. */
async function upload(request, response) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of request) {
    bytes += piece.length
    hash.update(piece)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  response.end(JSON.stringify({ bytes, hash: hash.digest('hex') }))
}

server.keepAliveTimeout = 60_000
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => process.send({ listening: server.address().port }))

process.on('message', (message) => {
  if (message.behave !== undefined) behaviour = message.behave
  process.send({ behaviour, requests, sockets: sockets.size })
})
process.on('disconnect', () => process.exit())

// A service in a process of its own for the check `integrity`: HTTP/1.1 and, on another port, HTTP/2 in clear text. What goes wrong with an answer
// is said by its request (`wrong`), and which of its tries it meets by how often this service saw it.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import process from 'node:process'
import { bytesOf } from './seeded.mjs'

/** How often each request was begun with. */
const seen = new Map()
const sockets = new Set()
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function serve(request, response, url, reset) {
  const asked = url.searchParams
  const id = Number(asked.get('id'))
  const before = seen.get(id) ?? 0
  seen.set(id, before + 1)
  const ways = asked.get('wrong').split(',')
  const wrong = ways[(before + id) % ways.length]
  const bytes = bytesOf(id, Number(asked.get('bytes')))
  // Whoever is reset in the middle of a read is no defect of this server.
  for (const each of [request, response]) each.on('error', () => {})
  if (wrong === 'silent') {
    // Whoever does not read does not see that the other side left.
    request.resume()
    return
  }
  if (wrong === 'reset') return reset()
  if (wrong === 'early') {
    response.writeHead(413)
    response.end('too long')
    request.resume()
    return
  }
  const hash = createHash('sha256')
  try {
    for await (const piece of request) hash.update(piece)
  } catch {
    return
  }
  if (wrong === 'late') await pause(120 + (id % 7) * 40)
  if (wrong === 'busy') {
    response.writeHead(503)
    response.end('busy')
    return
  }
  const said = asked.get('length') === 'said' ? { 'content-length': bytes.length } : {}
  response.writeHead(200, { ...said, 'x-body': hash.digest('hex') })
  const half = bytes.length >> 1
  const parts = 1 + (id % 4)
  for (let part = 0; part < parts; part++) {
    const [from, to] = [Math.floor((bytes.length * part) / parts), Math.floor((bytes.length * (part + 1)) / parts)]
    if (to > half && (wrong === 'truncate' || wrong === 'stall')) {
      response.write(bytes.subarray(from, half))
      if (wrong === 'truncate') setTimeout(reset, 5)
      return
    }
    if (to > from) response.write(bytes.subarray(from, to))
    if (parts > 1) await pause(id % 5)
  }
  response.end()
}

const http1 = createServer((request, response) => {
  const { socket } = request
  const url = new URL(request.url, 'http://service')
  // By turns as a process that was killed, and as one that went.
  void serve(request, response, url, () => (url.searchParams.get('id') % 2 === 0 ? socket.resetAndDestroy() : socket.destroy()))
})
http1.keepAliveTimeout = 60_000

const http2 = createHttp2Server((request, response) => {
  const { stream } = request
  const url = new URL(request.url, 'http://service')
  const { session } = stream
  // Mostly the stream alone, now and then the connection with everything on it.
  void serve(request, response, url, () => (url.searchParams.get('id') % 5 === 0 ? under.get(session)?.destroy() : stream.close(2)))
})
http2.on('sessionError', () => {})
/** The socket under a session, which must not be touched by way of it. */
const under = new WeakMap()
let accepted
http2.on('session', (session) => under.set(session, accepted))

for (const server of [http2, http1])
  server.prependListener('connection', (socket) => {
    accepted = socket
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
http2.listen(0, '127.0.0.1', () =>
  http1.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => process.send({ listening: http1.address().port })),
)

process.on('message', () => process.send({ seen: [...seen], sockets: sockets.size, http2: http2.address().port }))
process.on('disconnect', () => process.exit())

// The other side of the benchmark: answers every request as cheaply as Node can, `/large` with 64 KiB, `/port` with the port that it came
// to, everything else with 128 bytes.
// A second port speaks gRPC and answers one unary method with as many bytes.
import { createServer } from 'node:net'
import { Server, ServerCredentials } from '@grpc/grpc-js'

function answer(body, type) {
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
}
const small = JSON.stringify({ ok: true, pad: 'x'.repeat(108) })
const SMALL = answer(small, 'application/json')
const LARGE = answer('x'.repeat(64 * 1024), 'text/plain')

function serve(socket) {
  let tail = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    // A request without body ends with an empty line, which may fall between two pieces.
    const requests = (tail + chunk.toString('latin1')).split('\r\n\r\n')
    tail = requests.pop()
    for (const request of requests) socket.write(answerTo(request, socket))
  })
}

function answerTo(request, { localPort }) {
  if (request.startsWith('GET /large')) return LARGE
  return request.startsWith('GET /port') ? answer(String(localPort), 'text/plain') : SMALL
}

/** Listens on `count` free loopback ports. */
function listen(count) {
  const one = () =>
    new Promise((resolve) => {
      const server = createServer({ noDelay: true }, serve)
      server.listen(0, '127.0.0.1', () => resolve(server.address().port))
    })
  return Promise.all(Array.from({ length: count }, one))
}

function listenGrpc() {
  const server = new Server()
  const raw = (value) => value
  const get = {
    path: '/bench.Orders/Get',
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  }
  server.addService({ get }, { get: (_, reply) => reply(null, Buffer.from(small)) })
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port)))
  })
}

process.on('disconnect', () => process.exit())
process.send({ ports: await listen(Number(process.argv[2])), grpcPort: await listenGrpc() })

// The other side of the benchmark: answers every request with the same 128 bytes, as cheaply as Node can.
import { createServer } from 'node:net'

const body = JSON.stringify({ ok: true, pad: 'x'.repeat(108) })
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)

/** Listens on `count` free loopback ports. */
function listen(count) {
  return Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const server = createServer({ noDelay: true }, (socket) => {
            let tail = ''
            socket.on('error', () => {})
            socket.on('data', (chunk) => {
              // A request without body ends with an empty line, which may fall between two pieces.
              const text = tail + chunk.toString('latin1')
              const requests = text.split('\r\n\r\n').length - 1
              tail = text.slice(text.lastIndexOf('\r\n\r\n') + (requests > 0 ? 4 : 1)).slice(-3)
              for (let index = 0; index < requests; index++) socket.write(answer)
            })
          })
          server.listen(0, '127.0.0.1', () => resolve(server.address().port))
        }),
    ),
  )
}

process.on('disconnect', () => process.exit())
process.send({ ports: await listen(Number(process.argv[2])) })

// A server for the soak checks that listens on every address of the machine, and so answers at the sixteen million of loopback.
import { createServer } from 'node:net'
import process from 'node:process'

const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: timeout=600\r\n\r\nok')

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    // The checks send requests without a body, one at a time over each connection.
    if (chunk.subarray(-4).toString('latin1') === '\r\n\r\n') socket.write(ANSWER)
  })
})
server.listen({ port: 0, host: '0.0.0.0', backlog: 4_096 }, () => process.send({ listening: server.address().port }))
process.on('disconnect', () => process.exit())

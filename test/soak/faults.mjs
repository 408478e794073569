// Servers that keep a caller waiting, each in its own way, in a process of their own: `node faults.mjs`. It sends the port of each over IPC
// and ends when whoever started it does.
import { createServer } from 'node:net'
import process from 'node:process'

const OK = 'HTTP/1.1 200 OK\r\n'

/** Writes the next piece every so often until the other side is gone. */
function drip(socket, everyMs, piece) {
  let turn = 0
  const timer = setInterval(() => socket.write(piece(turn++)), everyMs)
  socket.on('close', () => clearInterval(timer))
}

/** What happens once a request was read; `accept` instead of it as soon as somebody connects. */
const FAULTS = {
  silent: () => {},
  'slow head': (socket) => drip(socket, 50, (turn) => `${OK}content-length: 2\r\n\r\nok`[turn] ?? ''),
  'endless head': (socket) => socket.write(OK) && drip(socket, 20, (turn) => `x-${turn}: y\r\n`),
  'endless 103': (socket) => drip(socket, 20, () => 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
  'head then stall': (socket) => socket.write(`${OK}content-length: 10\r\n\r\n`),
  'byte by byte': (socket) => socket.write(`${OK}content-length: 1000000\r\n\r\n`) && drip(socket, 50, () => 'x'),
  'endless body': (socket) => socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`) && drip(socket, 20, () => '1\r\nx\r\n'),
  'stall in a chunk': (socket) => socket.write(`${OK}transfer-encoding: chunked\r\n\r\n64\r\nonly this`),
  'always 503': (socket) => socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'),
  'late reset': (socket) => setTimeout(() => socket.resetAndDestroy(), 300),
}

const ports = {}
for (const [name, fault] of Object.entries(FAULTS)) {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => fault(socket))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  ports[name] = server.address().port
}
process.send(ports)
process.on('disconnect', () => process.exit())

import { gzipSync } from 'node:zlib'
import type { Fault } from './fault-server.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

/** Writes `piece` again and again until the other side is gone. */
function drip(write: (text: string) => void, socket: { destroyed: boolean }, piece: (turn: number) => string, everyMs: number): void {
  let turn = 0
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else write(piece(turn++))
  }, everyMs)
}

/** Every fault that a request may meet, by name. */
export const faults = {
  ok: ({ answer, bodyRead }) => void bodyRead.then(() => answer(200, 'ok')),
  echo: ({ answer, request, bodyRead }) =>
    void bodyRead.then(() => answer(200, JSON.stringify(request), ['content-type: application/json'])),
  // request
  silent: () => {},
  'rst-after-request': ({ socket, bodyRead }) => void bodyRead.then(() => socket.resetAndDestroy()),
  'fin-after-request': ({ socket, bodyRead }) => void bodyRead.then(() => socket.end()),
  'rst-in-upload': ({ socket }) => void setTimeout(() => socket.resetAndDestroy(), 20),
  // head
  'slow-head': ({ write, socket }) => {
    const text = `${OK}content-length: 2\r\n\r\nok`
    drip(write, socket, (turn) => text[turn] ?? '', 10)
  },
  'endless-head': ({ write, socket }) => {
    write(OK)
    drip(write, socket, (turn) => `x-${turn}: y\r\n`, 20)
  },
  'endless-103': ({ write, socket }) => drip(write, socket, () => 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 10),
  'early-hints': ({ write, answer }) => {
    write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')
    answer(200, 'ok')
  },
  garbage: ({ write, socket }) => {
    write('SSH-2.0-OpenSSH_9.2\r\n\r\n')
    socket.end()
  },
  'status-000': ({ write }) => write('HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n'),
  'many-headers': ({ write }) =>
    write(
      `${OK}${Array.from({ length: 5_000 }, (_, index) => `x-header-${index}: ${'y'.repeat(20)}\r\n`).join('')}content-length: 2\r\n\r\nok`,
    ),
  'two-cookies': ({ answer }) => answer(200, 'ok', ['set-cookie: a=1; Path=/', 'set-cookie: b=2, with comma']),
  // body
  'head-then-stall': ({ write }) => write(`${OK}content-length: 10\r\n\r\n`),
  'byte-by-byte': ({ write, socket }) => {
    write(`${OK}content-length: 1000000\r\n\r\n`)
    drip(write, socket, () => 'x', 100)
  },
  'rst-in-body': ({ write, socket }) => {
    write(`${OK}content-length: 1000\r\n\r\npartial`)
    setTimeout(() => socket.resetAndDestroy(), 20)
  },
  'fin-in-body': ({ write, socket }) => {
    write(`${OK}content-length: 1000\r\n\r\npartial`)
    socket.end()
  },
  'truncated-chunk': ({ write, socket }) => {
    write(`${OK}transfer-encoding: chunked\r\n\r\n64\r\nonly this`)
    socket.end()
  },
  'missing-last-chunk': ({ write, socket }) => {
    write(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`)
    socket.end()
  },
  'bad-chunk-size': ({ write }) => write(`${OK}transfer-encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n`),
  'truncated-gzip': ({ write }) => {
    const whole = gzipSync('x'.repeat(10_000))
    const part = whole.subarray(0, whole.length - 12)
    write(`${OK}content-encoding: gzip\r\ncontent-length: ${part.length}\r\n\r\n`)
    write(part)
  },
  'gzip-bomb': ({ write }) => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    write(`${OK}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`)
    write(bomb)
  },
  'bytes-after-end': ({ write }) => write(`${OK}content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nintruder!`),
  'endless-body': ({ socket, write }) => {
    write(`${OK}transfer-encoding: chunked\r\n\r\n`)
    const piece = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const pump = (): void => {
      while (!socket.destroyed && socket.write(piece));
    }
    socket.on('drain', pump)
    pump()
  },
  'early-answer': ({ answer, socket }) => {
    answer(413, 'too large', ['connection: close'])
    setTimeout(() => socket.end(), 50)
  },
  trailers: ({ write }) => write(`${OK}transfer-encoding: chunked\r\ntrailer: x-checksum\r\n\r\n2\r\nok\r\n0\r\nx-checksum: abc\r\n\r\n`),
  'large-body': ({ socket, write }) => {
    const total = 13 * 1024 * 1024
    let left = total
    write(`${OK}content-length: ${total}\r\n\r\n`)
    const piece = Buffer.alloc(65_536, 'x')
    const pump = (): void => {
      while (left > 0) {
        const part = left < piece.length ? piece.subarray(0, left) : piece
        left -= part.length
        if (!socket.write(part)) return
      }
    }
    socket.on('drain', pump)
    pump()
  },
  'event-stream': ({ write, socket }) => {
    write(`${OK}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n`)
    drip(write, socket, (turn) => (turn < 6 ? '8\r\ndata: 1\n\r\n' : turn === 6 ? '0\r\n\r\n' : ''), 50)
  },
  // connections that change hands
  'upgrade-echo': ({ write, socket }) => {
    write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  },
  'connect-echo': ({ write, socket }) => {
    write('HTTP/1.1 200 Connected\r\n\r\n')
    socket.pipe(socket)
  },
} as const satisfies Record<string, Fault>

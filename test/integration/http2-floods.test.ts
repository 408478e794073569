import { createServer, type Http2Server } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh } from '../../src/index.ts'
import { frame } from '../support/http2-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { getHttp2 } from '../support/raw-request.ts'
import { nothingUncaught } from '../support/uncaught.ts'

const { keep } = lifetimes()
const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)])
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A literal field of HPACK, without Huffman and without a place in the table. */
function field(name: string, value: string): Buffer {
  const text = (each: string): Buffer => {
    const bytes = Buffer.from(each)
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
    const length: number[] = [127]
    let rest = bytes.length - 127
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
    return Buffer.concat([Buffer.from([...length, rest]), bytes])
  }
  return Buffer.concat([Buffer.from([0]), text(name), text(value)])
}

const fields = (all: Record<string, string>): Buffer => Buffer.concat(Object.entries(all).map(([name, value]) => field(name, value)))
const question = (path: string): Buffer => fields({ ':method': 'GET', ':scheme': 'http', ':path': path, ':authority': 'web' })

const failures = nothingUncaught()

async function serve(listen: (server: Http2Server) => void = compatible): Promise<{ port: number; mesh: Mesh; logged: unknown[] }> {
  const logged: unknown[] = []
  const log = (...args: unknown[]): void => void logged.push(args)
  const mesh = createMesh({
    logger: { warn() {}, error: log },
    inbound: {
      health: { liveness: '/livez', grpc: true },
      authorization: [{ name: 'no', action: 'deny', rules: [{ to: [{ operation: { paths: ['/no'] } }] }] }],
      gates: [{ name: 'later', admit: async () => ({ settle() {} }) }],
    },
  })
  const server = mesh.protect(createServer())
  server.on('sessionError', () => {})
  listen(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => mesh.close({ timeout: 0 }))
  return { port: (server.address() as AddressInfo).port, mesh, logged }
}

function compatible(server: Http2Server): void {
  server.on('request', (_, response) => response.end('ok'))
}

/** Writes to a fresh connection what `bytes` gives, as long as the server takes it. */
async function attack(port: number, rounds: number, bytes: (round: number) => Buffer): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  socket.write(PREFACE)
  for (let round = 0; round < rounds && !socket.destroyed; round++) {
    if (!socket.write(bytes(round))) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), pause(50)])
  }
  await pause(50)
  socket.destroy()
}

async function healthy({ port, mesh, logged }: { port: number; mesh: Mesh; logged: unknown[] }): Promise<void> {
  await pause(30)
  expect(failures).toEqual([])
  expect(await getHttp2(port, '/')).toMatchObject({ status: 200 })
  await pause(10)
  expect(mesh.stats().inbound.inflight).toBe(0)
  expect(logged).toEqual([])
}

describe.each(['/', '/no', '/livez', '/grpc.health.v1.Health/Watch', '/x/../%2e%2e%2fno'])(
  'streams that are reset at once, for %s',
  (path) => {
    it.each<[string, (server: Http2Server) => void]>([
      ['the compatible interface', compatible],
      [
        'the event stream',
        (server) =>
          server.on('stream', (stream) => {
            stream.on('error', () => {})
            if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true })
          }),
      ],
    ])('%s: no crash, nothing is left', async (_, listen) => {
      const served = await serve(listen)
      let id = -1
      for (let n = 0; n < 3; n++)
        await attack(served.port, 10, () =>
          Buffer.concat(
            Array.from({ length: 40 }, () => {
              id = (id + 2) % 100_000
              return Buffer.concat([frame(1, 5, id, question(path)), frame(3, 0, id, Buffer.from([0, 0, 0, 8]))])
            }),
          ),
        ).then(() => {
          id = -1
        })
      await healthy(served)
    })

    it('whose connection breaks right behind them', async () => {
      const served = await serve()
      for (let n = 0; n < 30; n++) {
        const socket = connect(served.port, '127.0.0.1')
        socket.on('error', () => {})
        const heads = Array.from({ length: 20 }, (_, at) => frame(1, 5, 2 * at + 1, question(path)))
        socket.write(Buffer.concat([PREFACE, ...heads]), () => (n % 2 === 0 ? socket.resetAndDestroy() : socket.end()))
        await pause(2)
        socket.destroy()
      }
      await healthy(served)
    })
  },
)

describe('floods that want memory or time', () => {
  const text = (length: number): string => 'x'.repeat(length)
  const headers = (id: number, payload: Buffer, flags = 5): Buffer => frame(1, flags, id, payload)

  it.each<[string, number, (round: number) => Buffer]>([
    ['PING', 400, () => Buffer.concat(Array.from({ length: 100 }, () => frame(6, 0, 0, Buffer.alloc(8))))],
    ['SETTINGS', 400, () => Buffer.concat(Array.from({ length: 100 }, () => frame(4, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100]))))],
    [
      'empty DATA',
      200,
      (round) => (round === 0 ? headers(1, question('/'), 4) : Buffer.concat(Array.from({ length: 100 }, () => frame(0, 0, 1)))),
    ],
    [
      'PRIORITY of streams that are not',
      200,
      (round) => Buffer.concat(Array.from({ length: 100 }, (_, n) => frame(2, 0, 2 * (100 * round + n) + 1, Buffer.from([0, 0, 0, 0, 1])))),
    ],
    ['WINDOW_UPDATE', 200, () => Buffer.concat(Array.from({ length: 100 }, () => frame(8, 0, 0, Buffer.from([0, 0, 0, 1]))))],
    [
      'CONTINUATION without an end',
      400,
      (round) => (round === 0 ? headers(1, question('/'), 1) : frame(9, 0, 1, field(`a${round}`, text(8_000)))),
    ],
    [
      'headers that grow in the table',
      200,
      (round) =>
        headers(
          2 * round + 1,
          Buffer.concat([question('/'), Buffer.from([0x40, 1, 97, 127, 0xa1, 0x1e]), Buffer.from(text(4_000)), Buffer.alloc(4_000, 0xbe)]),
        ),
    ],
    ['streams that never end', 300, (round) => headers(2 * round + 1, question('/'), 4)],
    [
      'streams whose answers nobody reads',
      300,
      (round) => Buffer.concat([frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), headers(2 * round + 1, question('/no'))]),
    ],
  ])('%s: bounded memory, and others are answered', async (_, rounds, bytes) => {
    const served = await serve()
    const before = process.memoryUsage().rss
    await Promise.all(Array.from({ length: 4 }, () => attack(served.port, rounds, bytes)))
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1_048_576)
    await healthy(served)
  })

  it('frames that are none, after which Node reads no more: the timeout of the server gives everything back', async () => {
    const served = await serve((server) => {
      compatible(server)
      server.setTimeout(100)
    })
    for (let n = 0; n < 10; n++) await attack(served.port, 1, () => Buffer.concat([frame(1, 5, 1, question('/')), frame(0, 0, 0)]))
    await pause(250)
    await healthy(served)
  })
})

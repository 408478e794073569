import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect as connectHttp2, constants, createServer as createHttp2 } from 'node:http2'
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { Lifecycle } from '../../src/inbound/lifecycle.ts'
import { Readiness } from '../../src/inbound/readiness.ts'
import { type Answering, Servers } from '../../src/inbound/servers.ts'
import { lifetimes } from '../support/lifetimes.ts'

const { keep } = lifetimes()
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function leaving(drainDelayMs = 0): { lifecycle: Lifecycle; servers: Servers; readiness: Readiness; reported: unknown[] } {
  const reported: unknown[] = []
  const readiness = new Readiness(() => {})
  readiness.check()
  const servers = new Servers()
  const report = (_: string, error: unknown): void => void reported.push(error)
  return {
    lifecycle: new Lifecycle({ clock: systemClock, settings: { drainDelayMs }, readiness, servers, report, stopping: () => {} }),
    servers,
    readiness,
    reported,
  }
}

/** Requests as the guard would tell of them. */
function told(servers: Servers, listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const server = createServer((request, response) => {
    const answering: Answering = {
      place: -1,
      line: undefined,
      startedAt: 0,
      makeLast: () => response.headersSent || response.setHeader('connection', 'close'),
      takeBackLast: () => true,
    }
    servers.began(answering)
    response.once('close', () => servers.ended(answering))
    listener(request, response)
  })
  servers.add(server)
  return server
}

async function portOf(server: NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(() => {
    server.close()
    ;(server as Server).closeAllConnections?.()
  })
  return (server.address() as AddressInfo).port
}

/** One connection, and what came on it. */
class Line {
  readonly socket: Socket
  private text = ''
  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1')
    })
    this.socket.on('error', () => {})
    keep(() => this.socket.destroy())
  }
  ask(path = '/'): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nhost: web\r\n\r\n`)
  }
  get answers(): string[] {
    return this.text.split(/(?=HTTP\/1\.1 )/).filter((each) => each !== '')
  }
  async answer(count = 1): Promise<string> {
    await vi.waitFor(() => expect(this.answers.length).toBeGreaterThanOrEqual(count), { timeout: 3_000, interval: 5 })
    return this.answers[count - 1] as string
  }
  get closed(): Promise<unknown> {
    return new Promise((resolve) => (this.socket.closed ? resolve(undefined) : this.socket.once('close', resolve)))
  }
}

describe('a server that drains', () => {
  it('answers what it has, says goodbye, answers what still comes on open connections, and is gone', async () => {
    const { lifecycle, servers, readiness } = leaving()
    let finish = (): void => {}
    const server = told(servers, ({ url }, response) => {
      if (url === '/slow') finish = () => response.end('slow')
      else response.end('ok')
    })
    const port = await portOf(server)
    const [idle, busy, reused] = [new Line(port), new Line(port), new Line(port)]
    idle.ask()
    reused.ask()
    await Promise.all([idle.answer(), reused.answer()])
    busy.ask('/slow')
    await vi.waitFor(() => expect(servers.inflight).toBe(1))
    const drained = lifecycle.drain(5_000)
    expect(readiness.look()).toEqual({ ready: false, state: 'draining', missing: ['draining'] })
    await pause(20)
    reused.ask()
    expect(await reused.answer(2)).toMatch(/^HTTP\/1.1 200 OK\r\nconnection: close\r\n/i)
    await Promise.all([reused.closed, idle.closed])
    const refused = new Line(port)
    await refused.closed
    expect(server.listening).toBe(false)
    finish()
    expect(await busy.answer()).toMatch(/connection: close\r\n.*slow$/is)
    await drained
    expect(refused.answers).toEqual([])
  })

  it('takes requests as before during the delay, and those who are registered elsewhere are withdrawn at once', async () => {
    const { lifecycle, servers, reported } = leaving(150)
    const server = told(servers, (_, response) => response.end('ok'))
    const port = await portOf(server)
    const order: string[] = []
    lifecycle.onDrain(async () => {
      order.push('withdrawn')
    })
    lifecycle.onDrain(() => {
      throw new Error('the registry is down')
    })
    lifecycle.onDrain(() => order.push('never'))()
    const drained = lifecycle.drain(5_000)
    await pause(50)
    expect(order).toEqual(['withdrawn'])
    const line = new Line(port)
    line.ask()
    expect(await line.answer()).not.toMatch(/connection: close/i)
    await drained
    await line.closed
    expect(reported).toEqual([new Error('the registry is down')])
  })

  it('a withdrawal that hangs holds nobody beyond the time, and what is not answered by then is cut off', async () => {
    const { lifecycle, servers } = leaving()
    const server = told(servers, () => {})
    const line = new Line(await portOf(server))
    line.ask()
    await vi.waitFor(() => expect(servers.inflight).toBe(1))
    lifecycle.onDrain(() => new Promise(() => {}))
    const startedAt = performance.now()
    await lifecycle.drain(300)
    expect(performance.now() - startedAt).toBeLessThan(1_500)
    await line.closed
    expect(line.answers).toEqual([])
  })

  it('a withdrawal that hangs has half of the time, and the other half is for what is under way', async () => {
    const { lifecycle, servers } = leaving()
    const answers: ServerResponse[] = []
    const server = told(servers, (_, response) => answers.push(response))
    const line = new Line(await portOf(server))
    line.ask()
    await vi.waitFor(() => expect(servers.inflight).toBe(1))
    lifecycle.onDrain(() => new Promise(() => {}))
    const drained = lifecycle.drain(1_000)
    await vi.waitFor(() => expect(server.listening).toBe(false))
    answers[0]?.end('in time')
    expect(await line.answer()).toContain('in time')
    await drained
  })

  it('whoever registers while the process leaves is withdrawn at once', async () => {
    const { lifecycle } = leaving()
    const order: string[] = []
    lifecycle.onDrain(() => {
      lifecycle.onDrain(() => order.push('late'))
    })
    await lifecycle.drain(1_000)
    lifecycle.onDrain(() => order.push('too late'))
    expect(order).toEqual(['late', 'too late'])
  })

  it('a server that its owner closed himself is waited for all the same', async () => {
    const { lifecycle, servers } = leaving()
    let finish = (): void => {}
    const server = told(servers, (_, response) => {
      finish = () => response.end('late')
    })
    const line = new Line(await portOf(server))
    line.ask()
    await vi.waitFor(() => expect(servers.inflight).toBe(1))
    const closed = new Promise((resolve) => server.close(resolve))
    const drained = lifecycle.drain(5_000)
    await pause(100)
    finish()
    expect(await line.answer()).toContain('late')
    await Promise.all([drained, closed])
  })

  it('over HTTP/2 it says GOAWAY twice: first that it will go, then with the last stream that it took', async () => {
    const { lifecycle, servers } = leaving()
    const server = createHttp2()
    let finish = (): void => {}
    server.on('stream', (stream, { ':path': path }) => {
      const answer = (): void => {
        stream.respond({ ':status': 200 })
        stream.end('ok')
      }
      if (path === '/slow') finish = answer
      else answer()
    })
    servers.add(server)
    const session = connectHttp2(`http://127.0.0.1:${await portOf(server)}`)
    keep(() => session.destroy())
    const goaways: [number, number | undefined][] = []
    session.on('goaway', (code, last) => goaways.push([code, last]))
    const ask = async (path: string): Promise<number> => {
      const stream = session.request({ ':path': path })
      stream.resume()
      const [headers] = await once(stream, 'response')
      return headers[':status']
    }
    expect(await ask('/')).toBe(200)
    const slow = ask('/slow')
    await pause(20)
    const drained = lifecycle.drain(5_000)
    await vi.waitFor(() => expect(goaways.length).toBe(2))
    finish()
    expect(await slow).toBe(200)
    await drained
    expect(goaways.slice(0, 2)).toEqual([
      [constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1],
      [constants.NGHTTP2_NO_ERROR, 3],
    ])
    expect(session.closed || session.destroyed).toBe(true)
  })
})

import { createServer } from 'node:http'
import { createServer as createHttp2Server, connect as http2Connect } from 'node:http2'
import express from 'express'
import { describe, expect, it, vi } from 'vitest'
import type { Permit } from '../../../src/core/gate.ts'
import { createMesh, type InboundGate, type Mesh } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2 } from '../../support/raw-request.ts'

const { keep, listen } = lifetimes()

/** Counts what it let in, and what of it came back. */
class Counter implements InboundGate {
  readonly name = 'counter'
  asked = 0
  settled = 0
  admit(): Permit {
    this.asked++
    return { settle: () => void this.settled++ }
  }
}

function meshWith(gate: InboundGate): Mesh {
  const mesh = createMesh({ inbound: { gates: [gate] } })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

describe('two meshes before one application', () => {
  it('each judges a request once, in whatever order they stand, and gets its permits back', async () => {
    const [a, b] = [new Counter(), new Counter()]
    const [one, other] = [meshWith(a), meshWith(b)]
    const app = express()
    app.use(one.express(), other.express(), one.express(), other.express())
    app.get('/', (_, response) => void response.send('ok'))
    const port = await listen(one.protect(createServer(other.handler(app))))
    expect((await get(port, '/')).status).toBe(200)
    await vi.waitFor(() => expect([a.asked, a.settled, b.asked, b.settled]).toEqual([1, 1, 1, 1]))
    expect([one.stats().inbound.inflight, other.stats().inbound.inflight]).toEqual([0, 0])
  })

  it('over HTTP/2 as well, the request that opens a tunnel included', async () => {
    const [a, b] = [new Counter(), new Counter()]
    const [one, other] = [meshWith(a), meshWith(b)]
    const server = createHttp2Server((_, response) => response.end('ok'))
    server.on('connect', (_, response) => {
      response.statusCode = 200
      response.end('tunnel')
    })
    const port = await listen(one.protect(other.protect(server)))
    expect(await getHttp2(port, '/')).toMatchObject({ status: 200 })
    const session = http2Connect(`http://127.0.0.1:${port}`)
    keep(() => session.destroy())
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'db:5432' })
    const status = await new Promise((resolve) => stream.on('response', (head) => resolve(head[':status'])))
    expect(status).toBe(200)
    stream.close()
    await vi.waitFor(() => expect([a.asked, a.settled, b.asked, b.settled]).toEqual([2, 2, 2, 2]))
  })
})

import { createServer, get as httpGet, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import express from 'express'
import fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshOptions, type RetryOptions, seededRandom } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2, type RawAnswer } from '../../support/raw-request.ts'

const { keep, listen, serverOf } = lifetimes()
const MARK = 'x-inmesh-retried'
/** As by default, without the time that it takes. */
const QUICK: RetryOptions = { backoff: { base: '1ms', max: '1ms' } }

function meshTo(port: number, retry: RetryOptions | false = QUICK, options: MeshOptions = {}): Mesh {
  const mesh = createMesh({ services: { next: { endpoints: [`127.0.0.1:${port}`], retry } }, ...options })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

/** Hands on what the next service says; 503 where it says nothing. */
async function handOn(mesh: Mesh): Promise<{ status: number; text: string }> {
  try {
    const answer = await mesh.fetch('http://next/')
    return { status: answer.status, text: await answer.text() }
  } catch {
    return { status: 503, text: 'nothing' }
  }
}

function answerBy(mesh: Mesh): RequestListener {
  return mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
    const { status, text } = await handOn(mesh)
    response.statusCode = status
    response.end(text)
  }) as RequestListener
}

/** A leaf of whose answers `share` are 503, and four services before it, each of which calls the next. */
async function chain(share: number, retry: RetryOptions): Promise<{ user: Mesh; requests: () => number }> {
  const random = seededRandom(7)
  // A breaker that opens would bound the load too.
  const options: MeshOptions = { defaults: { circuitBreaker: false } }
  let requests = 0
  const leaf = createServer((_, response) => {
    requests++
    response.statusCode = random() < share ? 503 : 200
    response.end()
  })
  let port = await listen(leaf)
  for (let layer = 1; layer < 5; layer++) port = await listen(createServer(answerBy(meshTo(port, retry, options))))
  const user = meshTo(port, retry, options)
  await user.ready()
  return { user, requests: () => requests }
}

async function load(share: number, retry: RetryOptions): Promise<{ load: number; answered: number; spared: number }> {
  const { user, requests } = await chain(share, retry)
  const calls = 120
  let sent = 0
  let answered = 0
  const caller = async (): Promise<void> => {
    while (sent++ < calls) if ((await handOn(user)).status === 200) answered++
  }
  await Promise.all(Array.from({ length: 10 }, caller))
  return { load: requests() / calls, answered: answered / calls, spared: user.stats().services['next']?.retriesSpared ?? 0 }
}

describe('a chain of five layers over sockets, each of which retries', () => {
  // The ten a second that a budget always allows are much beside so few calls.
  const retry: RetryOptions = { ...QUICK, budget: { percent: 20, minPerSecond: 0 } }

  it.each([0.1, 0.3, 0.5, 0.9])('%d of the leaf fail: it gets at most 1.3 times the calls of the user', async (share) => {
    const found = await load(share, retry)
    expect(found.load).toBeLessThanOrEqual(1.3)
    if (share === 0.3) expect(found.answered).toBeGreaterThan(0.7)
    if (share === 0.3) expect(found.spared).toBeGreaterThan(3)
  })

  it('and more where every layer retries what another has', async () => {
    expect((await load(0.3, { ...retry, repeatRetried: true })).load).toBeGreaterThan(1.32)
  })
})

/** Every kind of application before which the guard stands, with the answer of its client. */
const APPLICATIONS: Record<string, (mesh: Mesh, how: (mesh: Mesh) => Promise<number>) => Promise<(path: string) => Promise<RawAnswer>>> = {
  'node:http': async (mesh, how) => {
    const server = createServer(
      mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
        response.statusCode = await how(mesh)
        response.end()
      }) as RequestListener,
    )
    return asking(server)
  },
  'node:http, with a head of its own': async (mesh, how) => {
    const server = createServer(
      mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
        const status = await how(mesh)
        response.writeHead(status, 'As it is', ['x-own', '1'])
        response.end()
      }) as RequestListener,
    )
    return asking(server)
  },
  'HTTP/2': async (mesh, how) => {
    const server = createHttp2(
      mesh.handler(async (_: Http2ServerRequest, response: Http2ServerResponse) => {
        response.statusCode = await how(mesh)
        response.end()
      }) as never,
    )
    return overHttp2(server)
  },
  'an HTTP/2 stream': async (mesh, how) => {
    const server = createHttp2()
    mesh.protect(server)
    server.on('stream', async (stream) => {
      stream.respond({ ':status': await how(mesh) })
      stream.end()
    })
    return overHttp2(server)
  },
  express: async (mesh, how) => {
    const app = express()
    app.use(mesh.express())
    app.use(async (_request, response) => void response.status(await how(mesh)).json({}))
    return asking(createServer(app))
  },
  fastify: async (mesh, how) => {
    const app = fastify()
    await app.register(mesh.fastify() as never)
    app.get('/', async (_request, reply) => reply.code(await how(mesh)).send({}))
    await app.listen({ port: 0, host: '127.0.0.1' })
    keep(() => app.close())
    const { port } = app.server.address() as { port: number }
    return (path) => get(port, path)
  },
}

async function asking(server: Server): Promise<(path: string) => Promise<RawAnswer>> {
  const port = await listen(server)
  return (path) => get(port, path)
}

async function overHttp2(server: ReturnType<typeof createHttp2>): Promise<(path: string) => Promise<RawAnswer>> {
  const port = await listen(server as never)
  return (path) => getHttp2(port, path)
}

describe.each(Object.entries(APPLICATIONS))('%s', (_, make) => {
  it('says of a failure that trying again was tried, and of nothing else', async () => {
    const leaf = await serverOf(503)
    const failing = await make(meshTo(leaf.port), async (mesh) => (await handOn(mesh)).status)
    expect(await failing('/')).toMatchObject({ status: 503, headers: { [MARK]: '1' } })
    const recovered = await make(meshTo(leaf.port), async (mesh) => {
      await handOn(mesh)
      return 200
    })
    expect((await recovered('/')).headers).not.toHaveProperty(MARK)
    const own = await make(meshTo(leaf.port), async () => 503)
    const answer = await own('/')
    expect([answer.status, answer.headers[MARK]]).toEqual([503, undefined])
  })
})

describe('x-inmesh-retried', () => {
  it('is there too where the application found its method before anything failed', async () => {
    const leaf = await serverOf(503)
    const mesh = meshTo(leaf.port)
    const handler = mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead((await handOn(mesh)).status, { 'x-own': '1' }).end()
    }) as RequestListener
    const answer = await get(await listen(createServer(handler)), '/')
    expect(answer).toMatchObject({ status: 503, headers: { [MARK]: '1', 'x-own': '1' } })
  })

  const POST = (mesh: Mesh): Promise<unknown> => mesh.fetch('http://next/', { method: 'POST', body: 'x' })
  const agent = (mesh: Mesh): Promise<unknown> =>
    new Promise((resolve, reject) => {
      httpGet('http://next/', { agent: mesh.httpAgent() }, (response) => response.resume().once('end', resolve)).once('error', reject)
    })

  async function saysSo(mesh: Mesh, call: (mesh: Mesh) => Promise<unknown>): Promise<boolean> {
    const handler = mesh.handler(async (_: IncomingMessage, response: ServerResponse) => {
      await call(mesh).catch(() => {})
      response.writeHead(503).end()
    }) as RequestListener
    return MARK in (await get(await listen(createServer(handler)), '/')).headers
  }

  it.each<[string, RetryOptions | false, (mesh: Mesh) => Promise<unknown>, boolean]>([
    ['when its attempts are used up', QUICK, handOn, true],
    ['when the budget is used up', { ...QUICK, budget: { percent: 0, minPerSecond: 0 } }, handOn, true],
    ['when nothing may be sent again, not: whoever calls may try', QUICK, POST, false],
    ['when retries are off, not', false, handOn, false],
    ['through an agent, which sends nothing again, not', QUICK, agent, false],
    ['of a call that nobody waits for, not', QUICK, (mesh) => mesh.fetch('http://next/', { mesh: { detached: true } }), false],
  ])('%s', async (_, retry, call, said) => {
    const leaf = await serverOf(503)
    expect(await saysSo(meshTo(leaf.port, retry), call)).toBe(said)
  })

  it('is told on, whoever the layer between called by', async () => {
    const leaf = await serverOf(503)
    const middle = await listen(createServer(answerBy(meshTo(leaf.port))))
    expect(await saysSo(meshTo(middle), handOn)).toBe(true)
    expect(await saysSo(meshTo(middle), agent)).toBe(true)
    // Three tries of the layer above the leaf for each, and none besides.
    expect(leaf.requests.length).toBe(6)
  })

  it('is told on by whoever makes another failure of it, which nobody retries, and by whom it is a POST', async () => {
    const leaf = await serverOf(503)
    const middle = await listen(createServer(answerBy(meshTo(leaf.port))))
    const other = createServer(
      meshTo(middle).handler(async (_: IncomingMessage, response: ServerResponse) => {
        const answer = await fetch(`http://127.0.0.1:${middle}/`)
        response.writeHead(500, { [MARK]: answer.headers.get(MARK) ?? '' }).end()
      }) as RequestListener,
    )
    const port = await listen(other)
    expect(await saysSo(meshTo(port), handOn)).toBe(true)
    const post = meshTo(middle)
    expect(await saysSo(post, POST)).toBe(true)
    expect(post.stats().services['next']).toMatchObject({ tries: 1, retriesSpared: 0 })
  })

  it('is said by a breaker that is open, since what opened it had been tried again', async () => {
    const leaf = await serverOf(503)
    const circuitBreaker = { minRequests: 1, failurePercent: 50 }
    const mesh = meshTo(leaf.port, QUICK, { defaults: { circuitBreaker } })
    await handOn(mesh)
    expect(mesh.stats().services['next']?.breaker.state).toBe('open')
    expect(await saysSo(mesh, handOn)).toBe(true)
  })

  it('is not said where that is off, and not heeded where that is off', async () => {
    const leaf = await serverOf(503)
    expect(await saysSo(meshTo(leaf.port, QUICK, { context: { retried: false } }), handOn)).toBe(false)
    const before = leaf.requests.length
    const middle = await listen(createServer(answerBy(meshTo(leaf.port))))
    const stubborn = meshTo(middle, { ...QUICK, repeatRetried: true })
    await handOn(stubborn)
    expect(leaf.requests.length - before).toBe(9)
    expect(stubborn.explain({ url: 'http://next/' }).retry).toMatchObject({ repeatRetried: true })
    expect(stubborn.stats().services['next']).toMatchObject({ retries: 2, retriesSpared: 0 })
  })
})

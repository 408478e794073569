import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createMesh, type InboundOptions, type Mesh } from '../../../src/index.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get } from '../../support/raw-request.ts'

const { keep } = lifetimes()

async function serve(inbound: InboundOptions, work: () => void = () => {}): Promise<{ port: number; mesh: Mesh }> {
  const mesh = createMesh({ inbound })
  const server: Server = createServer(
    mesh.handler((_, response) => {
      work()
      response.end('ok')
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keep(async () => {
    server.closeAllConnections()
    server.close()
    await mesh.close()
  })
  return { port: (server.address() as AddressInfo).port, mesh }
}

describe('rate limits before an application', () => {
  it('a refusal is a 429 that says when to come again, and answers say what is left', async () => {
    const { port, mesh } = await serve({
      rateLimits: [{ name: 'each', requests: 1, per: '1m', by: [{ header: 'x-tenant' }] }],
      rateLimitHeaders: { answers: true },
    })
    const first = await get(port, '/', ['Host: web', 'x-tenant: a'])
    expect(first).toMatchObject({ status: 200, headers: { 'ratelimit-policy': '"each";q=1;w=60', ratelimit: '"each";r=0;t=60' } })
    const second = await get(port, '/', ['Host: web', 'x-tenant: a'])
    expect(second).toMatchObject({ status: 429, headers: { 'retry-after': '60', ratelimit: '"each";r=0;t=60' } })
    expect(JSON.parse(second.body)).toMatchObject({ status: 429, code: 'MESH_RATE_LIMITED' })
    expect((await get(port, '/', ['Host: web', 'x-tenant: b'])).status).toBe(200)
    expect(mesh.stats().inbound.rateLimits).toMatchObject({ allowed: 2, refused: 1 })
  })

  it('clients behind a trusted proxy are told apart by their address; others cannot choose one', async () => {
    const limits: InboundOptions = { rateLimits: [{ name: 'each', requests: 1, per: '1m', by: ['address'] }] }
    const statuses = async (options: InboundOptions) => {
      const { port } = await serve(options)
      const forwarded = ['10.0.0.1', '10.0.0.2', '2001:db8::1', '2001:db8::2']
      return Promise.all(forwarded.map(async (address) => (await get(port, '/', ['Host: web', `x-forwarded-for: ${address}`])).status))
    }
    expect((await statuses({ ...limits, trustedProxies: ['127.0.0.1'] })).sort()).toEqual([200, 200, 200, 429])
    expect((await statuses(limits)).sort()).toEqual([200, 429, 429, 429])
  })
})

describe('shedding before an application', () => {
  it('what comes in one turn after another that is too long is refused, but for what is urgent and for health checks', async () => {
    // Each request holds the loop up for longer than it may be, so that whatever comes at once is an overload.
    const busy = (): void => {
      const until = performance.now() + 20
      while (performance.now() < until);
    }
    const { port, mesh } = await serve({ trustedProxies: ['127.0.0.1'], shedding: { maxLoopDelay: '5ms' } }, busy)
    const ask = async (priority: string, path = '/') => (await get(port, path, ['Host: web', `x-mesh-priority: ${priority}`])).status
    const counts = { answered: 0, refused: 0 }
    const caller = async (): Promise<void> => {
      for (let turn = 0; turn < 50 && counts.refused === 0; turn++) {
        if ((await ask('normal')) === 503) counts.refused++
        else counts.answered++
      }
    }
    await Promise.all(Array.from({ length: 20 }, caller))
    expect(counts.refused).toBeGreaterThan(0)
    const { shed, allowed, inflight } = mesh.stats().inbound.shedding ?? {}
    expect({ shed, allowed, inflight }).toEqual({
      shed: { low: 0, normal: counts.refused, high: 0 },
      allowed: counts.answered,
      inflight: 0,
    })
    const health = await Promise.all(Array.from({ length: 10 }, () => ask('low', '/healthz')))
    expect(new Set(health)).toEqual(new Set([200]))
  })
})

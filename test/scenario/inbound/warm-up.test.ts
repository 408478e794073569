import { createServer } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { Client, credentials } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { decodeHealthStatus } from '../../../src/health/grpc-health.ts'
import { createMesh, type Mesh, type MeshOptions } from '../../../src/index.ts'
import type { Step } from '../../support/fault-server.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get } from '../../support/raw-request.ts'

const { keep, listen, serverOf } = lifetimes()

/** Endpoints of which one is in order, one fails, and one keeps silent until it is told to speak. */
async function three(): Promise<{ endpoints: string[]; speak: () => void }> {
  let speak = (): void => {}
  const silent: Step = ({ answer }) => {
    speak = () => answer(200)
  }
  const servers = await Promise.all([serverOf(200), serverOf(503), serverOf(silent)])
  return { endpoints: servers.map(({ address }) => address), speak: () => speak() }
}

function meshOver(endpoints: string[], options: MeshOptions['inbound']): Mesh {
  const mesh = createMesh({
    service: 'web',
    // First checks come at once, those behind them in half a minute.
    random: () => 0.001,
    services: { orders: { endpoints, healthCheck: { timeout: '10s' } }, plain: { endpoints } },
    inbound: { health: { readiness: '/readyz', grpc: true }, ...options },
  })
  keep(() => mesh.close({ timeout: 0 }))
  return mesh
}

describe('readiness waits for the first round of health checks', () => {
  it('says whose, lets a failure count, and tells watchers when the last answer is there', async () => {
    const { endpoints, speak } = await three()
    const mesh = meshOver(endpoints, {})
    const port = await listen(createServer(mesh.handler((_, response) => response.end())))
    const client = new Client(`127.0.0.1:${await listen(mesh.protect(createHttp2()))}`, credentials.createInsecure())
    keep(() => client.close())
    const seen: string[] = []
    const watch = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      () => Buffer.alloc(0),
      (message: Buffer) => decodeHealthStatus(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])) ?? '?',
      {},
    )
    watch.on('data', (status: string) => seen.push(status))
    watch.on('error', () => {})
    expect(mesh.health().missing).toEqual(['undici', 'orders: 3 of 3 endpoints not checked yet'])
    expect((await get(port, '/readyz')).status).toBe(503)
    await expect.poll(() => mesh.health().missing).toEqual(['orders: 1 of 3 endpoints not checked yet'])
    await mesh.ready()
    await expect.poll(() => seen).toEqual(['NOT_SERVING'])
    expect((await get(port, '/readyz')).status).toBe(503)
    speak()
    await expect.poll(() => seen).toEqual(['NOT_SERVING', 'SERVING'])
    expect((await get(port, '/readyz')).status).toBe(200)
  })

  it('begins with a question over gRPC, and ends with its time where an endpoint never answers', async () => {
    const { endpoints } = await three()
    const mesh = meshOver(endpoints, { lifecycle: { warmUpTimeout: '150ms' } })
    const client = new Client(`127.0.0.1:${await listen(mesh.protect(createHttp2()))}`, credentials.createInsecure())
    keep(() => client.close())
    const check = (): Promise<string> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          '/grpc.health.v1.Health/Check',
          () => Buffer.alloc(0),
          (message: Buffer) => decodeHealthStatus(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])) ?? '?',
          {},
          (error, status) => (error === null ? resolve(status as string) : reject(error)),
        )
      })
    expect(mesh.health().missing).toEqual(['undici', 'orders: 3 of 3 endpoints not checked yet'])
    await expect.poll(check).toBe('SERVING')
    expect(mesh.health()).toEqual({ ready: true, state: 'ready', missing: [] })
  })
})

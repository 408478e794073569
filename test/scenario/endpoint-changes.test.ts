import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { EndpointSpec } from '../../src/core/endpoint.ts'
import { createMesh, type Mesh, type Source } from '../../src/index.ts'
import type { Resource } from '../../src/model/resources.ts'
import type { Sink } from '../../src/model/source.ts'
import { FaultServer } from '../support/fault-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function servers(count: number): Promise<FaultServer[]> {
  const started = await Promise.all(Array.from({ length: count }, () => FaultServer.start('ok')))
  cleanups.push(...started.map((server) => () => server.close()))
  return started
}

function specOf({ address, port }: FaultServer, id = address): EndpointSpec {
  return { id, address, host: '127.0.0.1', port, weight: 1, priority: 0, locality: {}, metadata: {} }
}

const SERVICE: Resource = { kind: 'service', namespace: 'default', name: 'orders', hosts: [], ports: [], protocol: 'auto' }

/** A mesh whose one source is a registry that the test speaks for. */
async function registered(first: readonly EndpointSpec[]): Promise<{ mesh: Mesh; push: (endpoints: readonly EndpointSpec[]) => void }> {
  let sink: Sink | undefined
  let version = 0
  const push = (endpoints: readonly EndpointSpec[]): void => {
    const resource: Resource = { kind: 'endpoints', namespace: 'default', name: 'orders', endpoints }
    const rejections = sink?.update({ version: String(++version), upserts: [SERVICE, resource], removals: [], complete: true })
    expect(rejections).toEqual([])
  }
  const source: Source = {
    name: 'registry',
    watch(given) {
      sink = given
      push(first)
      return () => {}
    },
  }
  const mesh = createMesh({ sources: [source], defaults: { subset: 'all' } })
  cleanups.push(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  return { mesh, push }
}

const text = (mesh: Mesh): Promise<string> => mesh.fetch('http://orders/').then((response) => response.text())

describe('endpoints that change under load', () => {
  it('one that was removed in a burst of pushes gets no call 60 ms later, its sockets go, and no call is lost', async () => {
    const [leaving, ...staying] = (await servers(3)) as [FaultServer, FaultServer, FaultServer]
    const all = [leaving, ...staying]
    const { mesh, push } = await registered(all.map((server) => specOf(server)))
    for (let call = 0; call < 20; call++) await text(mesh)
    expect(leaving.requests.length).toBeGreaterThan(0)
    // The burst begins with changes that take the promptness up.
    push(all.map((server) => specOf(server)).reverse())
    for (let number = 0; number < 50; number++) push(staying.map((server) => ({ ...specOf(server), weight: 1 + (number % 5) })))
    const calls = Array.from({ length: 20 }, () => text(mesh))
    await pause(60)
    const seen = leaving.requests.length
    for (let call = 0; call < 50; call++) calls.push(text(mesh))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    expect(leaving.requests.length).toBe(seen)
    await expect.poll(() => leaving.openSockets).toBe(0)
  })

  it('flapping each 10 ms: no call is lost, and who comes back is who it was', async () => {
    const all = await servers(3)
    const { mesh, push } = await registered(all.map((server) => specOf(server)))
    const calls: Promise<string>[] = []
    for (let round = 0; round < 60; round++) {
      push(all.filter((_, index) => index !== round % 4).map((server) => specOf(server)))
      calls.push(text(mesh), text(mesh))
      await pause(5)
    }
    push(all.map((server) => specOf(server)))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    const { endpoints } = mesh.stats().services['orders'] ?? { endpoints: [] }
    expect(endpoints.reduce((sum, { tries }) => sum + tries, 0)).toBe(120)
    expect(endpoints.map(({ state }) => state)).toEqual(['healthy', 'healthy', 'healthy'])
  })

  it('20,000 at once: calls go on while they are worked out, and go to the new ones then', async () => {
    const [former, next] = (await servers(2)) as [FaultServer, FaultServer]
    const many = (server: FaultServer, name: string): EndpointSpec[] =>
      Array.from({ length: 20_000 }, (_, index) => specOf(server, `${name}-${index}`))
    const { mesh, push } = await registered(many(former, 'a'))
    await text(mesh)
    push(many(next, 'b'))
    const calls = Array.from({ length: 20 }, () => text(mesh))
    while (next.requests.length === 0) {
      calls.push(text(mesh))
      await pause(5)
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
    const seen = former.requests.length
    for (let call = 0; call < 20; call++) expect(await text(mesh)).toBe('ok')
    expect(former.requests.length).toBe(seen)
  })

  it('an endpoint that is named twice counts once', async () => {
    const [one, two] = (await servers(2)) as [FaultServer, FaultServer]
    const { mesh } = await registered([specOf(one), specOf(one), specOf(two), specOf(one)])
    expect(mesh.explain({ url: 'http://orders/' }).candidates).toHaveLength(2)
  })
})

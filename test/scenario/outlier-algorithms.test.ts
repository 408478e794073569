import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type OutlierDetectionOptions, staticSource } from '../../src/index.ts'
import type { FaultServer } from '../support/fault-server.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { testMeshes } from '../support/mesh-with.ts'

const { server } = testMeshes()
const { keep } = lifetimes()

const ALGORITHMS = {
  inmesh: { consecutiveFailures: 4, ejectFor: 150, interval: 50 },
  envoy: { algorithm: 'envoy', consecutive5xx: 4, baseEjectionTime: 150, interval: 50, maxEjectedPercent: 50 },
  grpc: {
    algorithm: 'grpc',
    baseEjectionTime: 150,
    interval: 100,
    maxEjectedPercent: 10,
    failurePercentage: { thresholdPercent: 50, minimumHosts: 2, requestVolume: 2 },
  },
} as const satisfies Record<string, OutlierDetectionOptions>

const REASONS = {
  inmesh: '4 failures in a row (consecutiveFailures: 4)',
  envoy: '4 failures in a row (consecutive5xx: 4)',
  grpc: /^100 % of \d+ answers failed \(failurePercentage\.thresholdPercent: 50\)$/,
} as const

async function fleet(outlierDetection: OutlierDetectionOptions) {
  const servers = [await server(500), await server(200), await server(200)]
  const options = (detection: OutlierDetectionOptions) => ({
    services: {
      orders: {
        endpoints: servers.map(({ address }) => address),
        balancing: { policy: 'round-robin' as const },
        circuitBreaker: false as const,
        outlierDetection: detection,
      },
    },
  })
  const source = staticSource(options(outlierDetection))
  const mesh = createMesh({ sources: [source] })
  keep(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  const events: string[] = []
  mesh.on('endpointEjected', ({ endpoint, reason }) => events.push(`- ${endpoint} ${reason}`))
  mesh.on('endpointRestored', ({ endpoint }) => events.push(`+ ${endpoint}`))
  return { mesh, servers, events, push: (detection: OutlierDetectionOptions) => expect(source.update(options(detection))).toEqual([]) }
}

const first = (mesh: Mesh) => mesh.stats().services['orders']?.endpoints[0]

/** Calls, one after the other, until `done` says so or five seconds are over. */
async function callUntil(mesh: Mesh, done: () => boolean): Promise<void> {
  const until = performance.now() + 5_000
  while (!done() && performance.now() < until) {
    await mesh.fetch('http://orders/').then((answer) => answer.text())
    await pause(2)
  }
  expect(done()).toBe(true)
}

describe.each(Object.keys(ALGORITHMS) as (keyof typeof ALGORITHMS)[])('by the rules of %s', (algorithm) => {
  it('one that fails is ejected with the reason, gets nothing while it is out, and comes back when it is well', async () => {
    const { mesh, servers, events } = await fleet(ALGORITHMS[algorithm])
    const [broken] = servers as [FaultServer]
    await callUntil(mesh, () => events.length > 0)
    const said = first(mesh)?.reason
    expect(said).toEqual(typeof REASONS[algorithm] === 'string' ? REASONS[algorithm] : expect.stringMatching(REASONS[algorithm]))
    expect(events).toEqual([`- ${broken.address} ${said}`])
    expect(mesh.explain({ url: 'http://orders/' }).candidates[0]?.because).toContain(said)
    const before = broken.requests.length
    broken.behave(200)
    for (let call = 0; call < 6; call++) await mesh.fetch('http://orders/').then((answer) => answer.text())
    if (first(mesh)?.state === 'ejected') expect(broken.requests.length).toBe(before)
    await callUntil(mesh, () => first(mesh)?.state === 'healthy')
    expect(events.at(-1)).toBe(`+ ${broken.address}`)
    await callUntil(mesh, () => broken.requests.length > before)
  })

  it('a push of other rules brings nobody back, and loses no call', async () => {
    const { mesh, events, push } = await fleet({
      ...ALGORITHMS[algorithm],
      ...(algorithm === 'inmesh' ? { ejectFor: '1m' } : { baseEjectionTime: '1m' }),
    })
    await callUntil(mesh, () => events.length > 0)
    for (const other of Object.values(ALGORITHMS)) {
      push(other)
      for (let call = 0; call < 6; call++) expect((await mesh.fetch('http://orders/')).status).toBe(200)
      expect([first(mesh)?.state, events.length]).toEqual(['ejected', 1])
    }
  })
})

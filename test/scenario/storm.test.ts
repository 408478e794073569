import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type Gate, isMeshError, type Mesh, seededRandom, staticSource } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const STEPS: Step[] = [
  'ok',
  'ok',
  'ok',
  503,
  500,
  'rst-after-request',
  'fin-after-request',
  'rst-in-body',
  'missing-last-chunk',
  'garbage',
  'silent',
  'head-then-stall',
  'early-hints',
  'two-cookies',
]

/** Counts what gates give and what comes back; a permit that is settled twice is counted as a thousand. */
function counting(): Gate & { admitted: number; settled: number } {
  const gate = {
    name: 'count',
    admitted: 0,
    settled: 0,
    admit() {
      gate.admitted++
      let once = false
      return {
        settle() {
          gate.settled += once ? 1_000 : 1
          once = true
        },
      }
    },
  }
  return gate
}

function expectNothingLeft(mesh: Mesh, gate: { admitted: number; settled: number }): void {
  const { inflight, services } = mesh.stats()
  const endpoints = Object.values(services).flatMap((service) => service.endpoints.map((each) => each.inflight))
  expect({ inflight, endpoints }).toEqual({ inflight: 0, endpoints: endpoints.map(() => 0) })
  expect(gate.settled).toBe(gate.admitted)
}

describe.each([1, 2, 3])('a storm of faults, pushes, aborts and restarts (seed %d)', (seed) => {
  it('every call ends once, nothing is left over, and no POST is executed twice', async () => {
    const random = seededRandom(seed)
    const among = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    const servers = await Promise.all(Array.from({ length: 4 }, () => FaultServer.start('ok')))
    cleanups.push(...servers.map((server) => () => server.close()))
    const policy = {
      timeout: 400,
      idleTimeout: 100,
      retry: { perTryTimeout: 100, backoff: { base: 1, max: 10 } },
      outlierDetection: { ejectFor: 50 },
      circuitBreaker: { openFor: 20, minRequests: 5 },
    }
    const configOf = () => ({
      services: {
        orders: { endpoints: servers.filter(() => random() < 0.7).map(({ address }) => address), ...policy, timeout: 300 + random() * 100 },
        ...(random() < 0.5 ? { other: { endpoints: [among(servers).address] } } : {}),
      },
    })
    const source = staticSource({ services: { orders: { endpoints: servers.map(({ address }) => address), ...policy } } })
    const gate = counting()
    const mesh = createMesh({ sources: [source], gates: [gate], random })
    cleanups.push(() => mesh.close({ timeout: 0 }))

    const strange: unknown[] = []
    async function call(number: number): Promise<void> {
      const controller = new AbortController()
      const reason = new Error('left')
      const method = among(['GET', 'POST', 'POST', 'PUT'])
      const body = method === 'GET' ? undefined : among(['text', Buffer.alloc(2_000, 'x'), ['a', 'b', 'c']])
      if (random() < 0.2) setTimeout(() => controller.abort(reason), random() * 60)
      try {
        const answer = await mesh.request(`http://orders/${method}-${number}`, { method, body, signal: controller.signal })
        if (random() < 0.2) answer.body.on('error', () => {}).destroy()
        else await answer.body.text()
      } catch (error) {
        if (error !== reason && !isMeshError(error)) strange.push(error)
      }
    }
    const down = new Set<FaultServer>()
    async function outage(server: FaultServer): Promise<void> {
      down.add(server)
      await server.stop()
      await pause(random() * 50)
      await server.restart()
      down.delete(server)
    }
    const calls: Promise<void>[] = []
    for (let round = 0; round < 60; round++) {
      for (const server of servers) if (random() < 0.3) server.behave(...Array.from({ length: 6 }, () => among(STEPS)), 'ok')
      if (random() < 0.3) expect(source.update(configOf())).toEqual([])
      if (random() < 0.1) among(servers).dropConnections(random() < 0.5 ? 'rst' : 'fin')
      if (random() < 0.05) {
        const victim = among(servers)
        if (!down.has(victim)) calls.push(outage(victim))
      }
      for (let more = 0; more < 5; more++) calls.push(call(round * 5 + more))
      await pause(random() * 4)
    }
    await Promise.all(calls)
    expect(strange).toEqual([])
    await expect.poll(() => mesh.stats().services['orders']?.endpoints.every(({ inflight }) => inflight === 0)).toBe(true)
    expectNothingLeft(mesh, gate)
    const posts = new Map<string, number>()
    for (const { path } of servers.flatMap(({ requests }) => requests))
      if (path.startsWith('/POST')) posts.set(path, (posts.get(path) ?? 0) + 1)
    expect([...posts].filter(([, times]) => times > 1)).toEqual([])
    const startedAt = performance.now()
    await mesh.close()
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })
})

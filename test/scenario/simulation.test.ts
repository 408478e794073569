import { describe, expect, it } from 'vitest'
import { createMesh, type ServiceOptions } from '../../src/index.ts'
import {
  MemoryServer,
  ModelService,
  modelPolicy,
  type Profile,
  scripted,
  seededRandom,
  simulate,
  slower,
  steady,
  VirtualClock,
} from '../../src/testing/index.ts'
import type { Step } from '../support/fault-server.ts'
import { lifetimes } from '../support/lifetimes.ts'

const { serverOf, keep } = lifetimes()

/** Answers after so many milliseconds. */
function answersAfter(ms: number, status = 200): Step {
  return async ({ bodyRead, answer }) => {
    await bodyRead
    setTimeout(() => answer(status), ms)
  }
}

async function real(scripts: readonly (readonly Step[])[], options: ServiceOptions, random: () => number) {
  const servers = await Promise.all(scripts.map((script) => serverOf(...script)))
  const mesh = createMesh({ random, services: { orders: { endpoints: servers.map(({ address }) => address), ...options } } })
  keep(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  return { mesh, servers, seen: () => servers.map(({ requests }) => requests.length) }
}

describe('the model against real servers', () => {
  it('one call after the other: every endpoint sees the same, every caller hears the same, and the same are ejected', async () => {
    const scripts: readonly (readonly number[])[] = [[503], [200, 500, 200, 503, 502, 200], [200]]
    const calls = 60
    const options: ServiceOptions = { balancing: { policy: 'round-robin' }, retry: { attempts: 1 } }
    const { mesh, seen } = await real(scripts, options, () => 0)
    const heard: number[] = []
    for (let call = 0; call < calls; call++) heard.push((await mesh.fetch('http://orders/')).status)

    const clock = new VirtualClock()
    const profiles: Profile[] = scripts.map((script) => scripted(...script.map((status) => steady(1, status))))
    const servers = profiles.map((profile) => new MemoryServer(profile, clock, () => 0))
    const model = new ModelService({ name: 'orders', clock, random: () => 0, policy: modelPolicy(options), servers })
    const modelled: number[] = []
    for (let call = 0; call < calls; call++) {
      model.call({}, ({ status }) => modelled.push(status))
      clock.advance(10)
    }
    expect(modelled).toEqual(heard)
    expect(servers.map(({ requests }) => requests)).toEqual(seen())
    const states = mesh.stats().services['orders']?.endpoints.map(({ state }) => state === 'ejected')
    expect(model.endpoints.map(({ ejected }) => ejected)).toEqual(states)
    expect(states).toEqual([true, false, false])
  })

  it('many at once: the share of a slow endpoint and the latencies are about those of the model', async () => {
    const options: ServiceOptions = { balancing: { policy: 'peak-ewma' } }
    const { mesh, seen } = await real(
      [[answersAfter(100)], [answersAfter(10)], [answersAfter(10)], [answersAfter(10)]],
      options,
      seededRandom(4),
    )
    const latencies: number[] = []
    const one = async (): Promise<void> => {
      const startedAt = performance.now()
      await (await mesh.fetch('http://orders/')).text()
      latencies.push(performance.now() - startedAt)
    }
    const under: Promise<void>[] = []
    for (let round = 0; round < 100; round++) {
      under.push(one(), one())
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await Promise.all(under)
    const quick = steady(10)
    const endpoints = [{ profile: slower(10, quick) }, { profile: quick }, { profile: quick }, { profile: quick }]
    const model = simulate({ endpoints, perSecond: 200, forMs: 1_000, policy: { balancing: { policy: 'peak-ewma' } } })
    const share = (counts: readonly number[]): number => (counts[0] as number) / counts.reduce((sum, count) => sum + count, 0)
    const p50 = latencies.sort((a, b) => a - b)[latencies.length / 2] as number
    expect(Math.abs(share(seen()) - share(model.requests))).toBeLessThan(0.1)
    expect(p50).toBeGreaterThanOrEqual(0.9 * model.p50Ms)
    expect(p50).toBeLessThan(3 * model.p50Ms)
  })
})

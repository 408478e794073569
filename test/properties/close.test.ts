import { createHook } from 'node:async_hooks'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMesh, isMeshError, type Mesh, staticSource } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'
import { meshErrorIn } from '../support/scenario.ts'

const STEPS: Step[] = [
  'ok',
  'ok',
  503,
  'silent',
  'head-then-stall',
  'rst-after-request',
  'rst-in-body',
  'early-hints',
  'slow-head',
  'garbage',
]

/** What happens to the mesh, one after the other, each after a pause in milliseconds. */
type Deed =
  | { does: 'fetch' | 'request' | 'execute'; aborts: number | undefined; method: 'GET' | 'POST' }
  | { does: 'push'; servers: number; timeout: number }
  | { does: 'drop' }
interface Scheduled {
  afterMs: number
  deed: Deed
}

const call = fc.record({
  does: fc.constantFrom('fetch' as const, 'request' as const, 'execute' as const),
  aborts: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
  method: fc.constantFrom('GET' as const, 'POST' as const),
})
const push = fc.record({
  does: fc.constant('push' as const),
  servers: fc.integer({ min: 0, max: 7 }),
  timeout: fc.integer({ min: 50, max: 500 }),
})
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: call },
  { weight: 2, arbitrary: push },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('drop' as const) }) },
)
const schedule = fc.record({
  steps: fc.array(fc.record({ afterMs: fc.constantFrom(0, 0, 0, 1, 3, 10), deed }), { minLength: 1, maxLength: 25 }) as fc.Arbitrary<
    Scheduled[]
  >,
  closeAt: fc.integer({ min: 0, max: 25 }),
  closeTimeout: fc.constantFrom(0, 0, 5, 30),
  ready: fc.boolean(),
  script: fc.array(fc.integer({ min: 0, max: STEPS.length - 1 }), { minLength: 1, maxLength: 12 }),
})

const servers: FaultServer[] = []
const live = new Set<number>()
const hook = createHook({
  init: (id, type) => {
    if (type === 'Timeout' || type === 'TCPWRAP' || type === 'TLSWRAP') live.add(id)
  },
  destroy: (id) => live.delete(id),
})
beforeAll(async () => {
  servers.push(...(await Promise.all(Array.from({ length: 3 }, () => FaultServer.start('ok')))))
})
afterAll(async () => {
  hook.disable()
  await Promise.all(servers.map((server) => server.close()))
})

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('a mesh that is closed at any moment', () => {
  it('ends every call one way or the other, takes none afterwards, and leaves no socket and no timer', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ steps, closeAt, closeTimeout, ready, script }) => {
        for (const server of servers) server.behave(...script.map((index) => STEPS[index] as Step))
        const configOf = (mask: number, timeout: number) => ({
          services: {
            orders: {
              endpoints: servers.filter((_, index) => (mask & (1 << index)) !== 0).map(({ address }) => address),
              timeout,
              retry: { perTryTimeout: 60, backoff: { base: 5, max: 20 } },
            },
          },
        })
        const source = staticSource(configOf(7, 300))
        const mesh = createMesh({ sources: [source] })
        if (ready) await mesh.ready()
        const calls: Promise<unknown>[] = []
        let closing: Promise<void> | undefined
        const late: Promise<unknown>[] = []
        for (const [index, { afterMs, deed: what }] of steps.entries()) {
          if (index === closeAt) closing = mesh.close({ timeout: closeTimeout })
          const work = act(mesh, source, what, configOf)
          if (work !== undefined) (closing === undefined ? calls : late).push(work)
          if (afterMs > 0) await pause(afterMs)
        }
        closing ??= mesh.close({ timeout: closeTimeout })
        const started = performance.now()
        const ended = await Promise.race([Promise.all([...calls, ...late, closing]).then(() => 'ended'), pause(5_000).then(() => 'hangs')])
        expect(ended, `after ${performance.now() - started} ms`).toBe('ended')
        for (const error of await Promise.all(calls)) expectSane(error)
        for (const error of await Promise.all(late)) expect(['MESH_CLOSED', 'AbortError']).toContain(codeOf(error))
        expect(mesh.stats().inflight).toBe(0)
        for (let turn = 0; turn < 200 && servers.some(({ openSockets }) => openSockets > 0); turn++) await pause(5)
        expect(servers.map(({ openSockets }) => openSockets)).toEqual([0, 0, 0])
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  it('leaves no timer behind', async () => {
    for (const server of servers) server.behave('ok', 503, 'silent', 'ok')
    hook.enable()
    const before = new Set(live)
    const source = staticSource({ services: { orders: { endpoints: servers.map(({ address }) => address), timeout: 100 } } })
    const mesh = createMesh({ sources: [source] })
    const calls = Array.from({ length: 30 }, () =>
      mesh
        .request('http://orders/')
        .then(({ body }) => body.dump())
        .catch(() => {}),
    )
    await pause(30)
    for (const count of [2, 1, 3, 2]) {
      const endpoints = servers.slice(0, count).map(({ address }) => address)
      source.update({ services: { orders: { endpoints, timeout: 100 } } })
    }
    await mesh.close({ timeout: 20 })
    await Promise.all(calls)
    const left = (): number => [...live].filter((id) => !before.has(id)).length
    // undici's own clock ticks for another second; whoever looks has one timer himself.
    for (let waited = 0; left() > 1 && waited < 10_000; waited += 100) await pause(100)
    expect(left()).toBeLessThanOrEqual(1)
    hook.disable()
  }, 20_000)
})

/** Does one deed; a call resolves to what it failed with, or undefined. */
function act(
  mesh: Mesh,
  source: ReturnType<typeof staticSource>,
  what: Deed,
  configOf: (mask: number, timeout: number) => object,
): Promise<unknown> | undefined {
  switch (what.does) {
    case 'push':
      source.update(configOf(what.servers, what.timeout))
      return undefined
    case 'drop':
      for (const server of servers) server.dropConnections('rst')
      return undefined
    default: {
      const controller = new AbortController()
      if (what.aborts !== undefined) setTimeout(() => controller.abort(), what.aborts)
      return start(mesh, what.does, what.method, controller.signal).then(
        () => undefined,
        (error: unknown) => error,
      )
    }
  }
}

async function start(mesh: Mesh, door: 'fetch' | 'request' | 'execute', method: string, signal: AbortSignal): Promise<unknown> {
  const init = { method, signal, ...(method === 'POST' ? { body: 'x' } : {}) }
  if (door === 'fetch') return (await mesh.fetch('http://orders/', init)).text()
  if (door === 'request') return (await mesh.request('http://orders/', init)).body.text()
  return mesh.execute('job', () => pause(10), { signal })
}

function codeOf(error: unknown): string | undefined {
  return meshErrorIn(error)?.code ?? (error as { name?: string } | undefined)?.name
}

/** A call that was under way ended well, with a MeshError, or as its caller left it. */
function expectSane(error: unknown): void {
  if (error === undefined || isMeshError(meshErrorIn(error))) return
  expect(codeOf(error)).toBe('AbortError')
}

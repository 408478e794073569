import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMesh, type Mesh, type MeshError, type ServiceOptions } from '../../../src/index.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { accepting, type ConnectFault } from '../../support/connect-faults.ts'
import { FaultServer } from '../../support/fault-server.ts'

/** One tick of the wheel on which all deadlines of a mesh wait. */
const TICK_MS = 10

const cleanups: (() => unknown)[] = []
let clock: VirtualClock
beforeEach(() => {
  clock = new VirtualClock()
})
afterEach(async () => {
  // The clock stands still, so whatever a close waits for has to be over already.
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function meshTo(servers: readonly { address: string }[], policy: ServiceOptions, random = () => 0): Promise<Mesh> {
  const endpoints = servers.map(({ address }) => address)
  const services = {
    orders: { balancing: { policy: 'round-robin' as const }, endpoints, ...policy },
    beside: { endpoints: endpoints.slice(0, 1), timeout: 10_000, retry: false as const },
  }
  const mesh = createMesh({ clock, random, services })
  cleanups.push(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  return mesh
}

async function serverOf(...script: Parameters<typeof FaultServer.start>): Promise<FaultServer> {
  const server = await FaultServer.start(...script)
  cleanups.push(() => server.close())
  return server
}

/** Ends of the calls, in the order in which they came, each with the clock's time. */
function watch(call: Promise<unknown>) {
  const seen: { at?: number; error?: MeshError } = {}
  call.then(
    () => {
      seen.at = clock.now()
    },
    (error: MeshError) => {
      seen.at = clock.now()
      seen.error = error
    },
  )
  return seen
}

/** Lets sockets speak and promises go on; the clock stands still meanwhile. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15))

/** Turns the clock by single milliseconds until `over`, looking after each; gives the time at which it was. */
async function turnUntil(over: () => boolean, fromMs: number, toMs: number): Promise<number> {
  clock.advance(fromMs - clock.now())
  await settle()
  while (!over() && clock.now() < toMs) {
    clock.advance(1)
    // What a timer ended goes through a stream or two before its reader knows.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return clock.now()
}

function expectOnTime(at: number, wanted: number): void {
  expect(at).toBeGreaterThanOrEqual(wanted)
  expect(at).toBeLessThanOrEqual(wanted + TICK_MS)
}

describe('never early, at most one tick late', () => {
  it.each([1, 9, 10, 11, 95, 100, 333, 5_119, 5_121, 20_000])('a deadline of %d ms', async (timeout) => {
    const server = await serverOf('silent')
    const mesh = await meshTo([server], { timeout, retry: false })
    // A mesh that has been up for a while, off the beat of its ticks.
    clock.advance(1_234.5)
    const begun = clock.now()
    const seen = watch(mesh.request('http://orders/'))
    await expect.poll(() => server.requests.length).toBe(1)
    await turnUntil(() => seen.at !== undefined, begun + Math.max(0, timeout - 15), begun + timeout + 50)
    expect(seen.error?.code).toBe('MESH_DEADLINE')
    expectOnTime(seen.at as number, begun + timeout)
  })

  it.each([30, 111, 250])('the end of a try after %d ms, while other calls keep the wheel turning', async (perTryTimeout) => {
    const [silent, good] = [await serverOf('silent'), await serverOf('ok')]
    const mesh = await meshTo([silent, good], { timeout: 5_000, retry: { perTryTimeout, backoff: { base: 1, max: 1 } } })
    const other = watch(mesh.request('http://beside/'))
    await expect.poll(() => silent.requests.length).toBe(1)
    clock.advance(7)
    let retriedAt: number | undefined
    mesh.on('retry', () => {
      retriedAt = clock.now()
    })
    const begun = clock.now()
    const seen = watch(mesh.request('http://orders/').then(({ body }) => body.dump()))
    await expect.poll(() => silent.requests.length).toBe(2)
    await turnUntil(() => retriedAt !== undefined, begun + perTryTimeout - 15, begun + perTryTimeout + 50)
    expectOnTime(retriedAt as number, begun + perTryTimeout)
    clock.advance(1)
    await expect.poll(() => seen.at !== undefined).toBe(true)
    expect(seen.error).toBeUndefined()
    expect(other.at).toBeUndefined()
  })

  it.each([25, 40, 250])('a backoff of %d ms', async (base) => {
    const server = await serverOf(503, 'ok')
    // The draw is just below one, so the wait is just below the whole.
    const mesh = await meshTo([server], { timeout: 5_000, retry: { backoff: { base, max: base } } }, () => 1 - Number.EPSILON)
    clock.advance(3.3)
    let failedAt: number | undefined
    mesh.on('retry', () => {
      failedAt = clock.now()
    })
    const seen = watch(mesh.request('http://orders/').then(({ body }) => body.dump()))
    await expect.poll(() => failedAt !== undefined).toBe(true)
    const begun = failedAt as number
    clock.advance(base - 1)
    await settle()
    expect(server.requests).toHaveLength(1)
    clock.advance(1)
    await expect.poll(() => server.requests.length).toBe(2)
    expectOnTime(clock.now(), begun + base)
    await expect.poll(() => seen.at !== undefined).toBe(true)
    expect(seen.error).toBeUndefined()
  })

  it.each([1, 20, 333, 2_000])('a TLS handshake that hangs, with a connect timeout of %d ms', async (connectTimeout) => {
    const fault: ConnectFault = await accepting('silent')
    cleanups.push(() => fault.close())
    const mesh = await meshTo([fault], { timeout: 60_000, connectTimeout, retry: false, tls: { mode: 'simple' } })
    clock.advance(0.7)
    const begun = clock.now()
    const seen = watch(mesh.request('https://orders/'))
    await expect.poll(() => fault.connections()).toBe(1)
    await settle()
    clock.advance(connectTimeout - 1)
    await settle()
    expect(seen.at).toBeUndefined()
    await turnUntil(() => seen.at !== undefined, clock.now(), begun + connectTimeout + 50)
    expect(seen.error?.code).toBe('MESH_TLS')
    expectOnTime(seen.at as number, begun + connectTimeout)
  })

  it.each([100, 1_000])('silence of %d ms in the middle of a body', async (idleTimeout) => {
    const server = await serverOf('head-then-stall')
    const mesh = await meshTo([server], { idleTimeout, retry: false })
    clock.advance(4.2)
    const { body } = await mesh.request('http://orders/')
    const begun = clock.now()
    const seen = watch(body.text())
    await turnUntil(() => seen.at !== undefined, begun + idleTimeout - 15, begun + idleTimeout + 50)
    expect(seen.error?.code).toBe('MESH_DEADLINE')
    expectOnTime(seen.at as number, begun + idleTimeout)
  })
})

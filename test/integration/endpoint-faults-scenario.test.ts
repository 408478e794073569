import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type ServiceOptions } from '../../src/index.ts'
import { FaultServer, type Step } from '../support/fault-server.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function fleet(...steps: Step[]): Promise<FaultServer[]> {
  const servers = await Promise.all(steps.map((step) => FaultServer.start(step)))
  closers.push(...servers.map((server) => () => server.close()))
  return servers
}

async function meshOver(servers: FaultServer[], options: ServiceOptions = {}) {
  const mesh = createMesh({ services: { orders: { endpoints: servers.map(({ address }) => address), ...options } } })
  closers.push(() => mesh.close({ timeout: 0 }))
  await mesh.ready()
  return mesh
}

type Meshed = Awaited<ReturnType<typeof meshOver>>

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** GETs at `perSecond` for `ms`, however long each takes; how each ended, `when` counted from the start. */
async function load(mesh: Meshed, perSecond: number, ms: number): Promise<{ status: number; when: number }[]> {
  const startedAt = performance.now()
  const calls: Promise<{ status: number; when: number }>[] = []
  while (performance.now() - startedAt < ms) {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000)
    while (calls.length < due) {
      const when = performance.now() - startedAt
      calls.push(
        mesh.fetch('http://orders/').then(
          async (answer) => {
            await answer.text()
            return { status: answer.status, when }
          },
          () => ({ status: 0, when }),
        ),
      )
    }
    await sleep(2)
  }
  return Promise.all(calls)
}

/** Answers after `ms`. */
const delayed =
  (ms: number, status = 200): Step =>
  ({ answer, bodyRead }) =>
    void bodyRead.then(() => setTimeout(() => answer(status), ms))

const failed = (calls: { status: number }[]): number => calls.filter(({ status }) => status !== 200).length

describe('endpoints that misbehave, under load', () => {
  it.each(['least-request', 'round-robin'] as const)(
    '%s: one of four answers 500: out after at most five, within 250 ms, no GET fails',
    async (policy) => {
      const servers = await fleet(500, 200, 200, 200)
      const mesh = await meshOver(servers, { balancing: { policy }, retry: { on: ['5xx', 'connect-failure', 'reset'] } })
      let ejectedAt = Number.NaN
      let failures = 0
      let underWay = 0
      const startedAt = performance.now()
      const stalls = monitorEventLoopDelay({ resolution: 5 })
      stalls.enable()
      mesh.on('endpointEjected', () => {
        ejectedAt = performance.now() - startedAt
        const [bad] = mesh.stats().services['orders']?.endpoints ?? []
        failures = bad?.failures ?? 0
        underWay = bad?.inflight ?? 0
      })
      const calls = await load(mesh, 200, 1_000)
      stalls.disable()
      expect(failed(calls)).toBe(0)
      expect(failures).toBe(5)
      // What was sent before is still answered; nothing more is.
      expect(servers[0]?.requests.length).toBe(5 + underWay)
      expect(ejectedAt).toBeLessThan(250 + stalls.max / 1e6)
    },
  )

  it('one of four is twenty times as slow: its share falls below 3 % of what comes after two seconds, and none is lost', async () => {
    const servers = await fleet(delayed(200), delayed(10), delayed(10), delayed(10))
    const mesh = await meshOver(servers, { outlierDetection: { latency: '100ms' } })
    const calls = load(mesh, 200, 3_500)
    await sleep(2_000)
    const [slow = 0, ...quick] = servers.map(({ requests }) => requests.length)
    expect(failed(await calls)).toBe(0)
    const [slowAfter = 0, ...quickAfter] = servers.map(({ requests }) => requests.length)
    const all = quickAfter.reduce((sum, count) => sum + count, 0) - quick.reduce((sum, count) => sum + count, 0) + slowAfter - slow
    expect((slowAfter - slow) / all).toBeLessThanOrEqual(0.03)
  })

  it('one of four fails 30 % of its answers: no GET fails', async () => {
    let turn = 0
    const flaky: Step = ({ answer, bodyRead }) => void bodyRead.then(() => answer(turn++ % 10 < 3 ? 503 : 200))
    const mesh = await meshOver(await fleet(flaky, 200, 200, 200))
    expect(failed(await load(mesh, 200, 1_500))).toBe(0)
    expect(mesh.stats().services['orders']?.budgetExhausted).toBe(0)
  })

  it('one that fails every second answer is ejected by its share', async () => {
    let turn = 0
    const half: Step = ({ answer, bodyRead }) => void bodyRead.then(() => answer(turn++ % 2 === 0 ? 503 : 200))
    const mesh = await meshOver(await fleet(half, 200, 200))
    const reasons: string[] = []
    mesh.on('endpointEjected', ({ reason }) => reasons.push(reason))
    expect(failed(await load(mesh, 200, 1_000))).toBe(0)
    expect(reasons).toEqual([expect.stringMatching(/^failed 5\d(\.\d)? % of 2\d answers, the others 0 % \(failurePercent: 50\)$/)])
  })

  it('the health page lies, all is well on it: the calls find out', async () => {
    const liar: Step = ({ request, answer }) => answer(request.path === '/healthz' ? 200 : 503)
    const servers = await fleet(liar, 200, 200)
    const mesh = await meshOver(servers, { healthCheck: { interval: '50ms', timeout: '1s' } })
    const calls = await load(mesh, 200, 1_500)
    expect(failed(calls)).toBe(0)
    // Each check that passes lets one call probe it, and no more.
    const asked = servers[0]?.requests.filter(({ path }) => path === '/healthz').length ?? 0
    const called = servers[0]?.requests.filter(({ path }) => path === '/').length ?? 0
    expect(called).toBeLessThanOrEqual(5 + asked)
  })

  it('the health page lies, nothing is well on it: everybody is called all the same', async () => {
    const liar: Step = ({ request, answer }) => answer(request.path === '/healthz' ? 503 : 200)
    const mesh = await meshOver(await fleet(liar, liar, liar), { healthCheck: { interval: '30ms', timeout: '1s' } })
    const calls = await load(mesh, 200, 800)
    expect(failed(calls)).toBe(0)
    const { panic, endpoints } = mesh.stats().services['orders'] ?? {}
    expect([panic, endpoints?.map(({ state }) => state)]).toEqual([true, ['unhealthy', 'unhealthy', 'unhealthy']])
  })

  it('all are bad: panic, not "no endpoint"', async () => {
    const mesh = await meshOver(await fleet(500, 500, 500, 500), {
      circuitBreaker: false,
      outlierDetection: { maxEjectedPercent: 100, compare: 'absolute' },
      healthCheck: { interval: '30ms', timeout: '1s' },
    })
    const calls = await load(mesh, 200, 800)
    expect(new Set(calls.map(({ status }) => status))).toEqual(new Set([500]))
    expect(mesh.stats().services['orders']?.panic).toBe(true)
  })

  it('recovery within the ejection and a second, by one probe at a time', async () => {
    let running = 0
    let most = 0
    let broken = true
    let since = Number.POSITIVE_INFINITY
    const first: Step = ({ answer, bodyRead }) =>
      void bodyRead.then(() => {
        most = performance.now() > since ? Math.max(most, ++running) : most
        setTimeout(() => {
          running = Math.max(0, running - 1)
          answer(broken ? 503 : 200)
        }, 30)
      })
    const servers = await fleet(first, 200, 200)
    const mesh = await meshOver(servers, { outlierDetection: { ejectFor: '400ms' } })
    const ejections: { at: number; forMs: number }[] = []
    const startedAt = performance.now()
    let restoredAt = Number.NaN
    let firstProbes = 0
    mesh.on('endpointEjected', ({ forMs }) => {
      ejections.push({ at: performance.now() - startedAt, forMs })
      since = performance.now() + 100
    })
    mesh.on('endpointRestored', () => {
      restoredAt = performance.now() - startedAt
      firstProbes = most
      since = Number.POSITIVE_INFINITY
    })
    const calls = load(mesh, 200, 2_600)
    await sleep(800)
    broken = false
    expect(failed(await calls)).toBe(0)
    const last = ejections.at(-1) as { at: number; forMs: number }
    expect(ejections.map(({ forMs }) => forMs)).toEqual([400, 800])
    expect(restoredAt).toBeGreaterThanOrEqual(last.at + last.forMs - 5)
    expect(restoredAt).toBeLessThan(last.at + last.forMs + 1_000)
    expect(firstProbes).toBe(1)
  })

  it('our own event loop is blocked for two seconds: nobody is ejected', async () => {
    const servers = await fleet(delayed(20), delayed(20), delayed(20))
    const mesh = await meshOver(servers, {
      retry: { attempts: 0, perTryTimeout: '1s' },
      circuitBreaker: false,
      outlierDetection: { consecutiveFailures: 2, minRequests: 5, compare: 'absolute', latency: '500ms' },
    })
    const ejected: string[] = []
    mesh.on('endpointEjected', ({ endpoint, reason }) => ejected.push(`${endpoint} ${reason}`))
    for (let round = 0; round < 2; round++) {
      const calls = Promise.allSettled(Array.from({ length: 60 }, () => mesh.fetch('http://orders/').then((answer) => answer.text())))
      await sleep(5)
      const until = performance.now() + 2_000
      while (performance.now() < until);
      await calls
      await load(mesh, 100, 200)
    }
    expect(ejected).toEqual([])
    expect(mesh.stats().services['orders']?.endpoints.map(({ state }) => state)).toEqual(['healthy', 'healthy', 'healthy'])
  })
})

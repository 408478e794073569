import { describe, expect, it } from 'vitest'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import type { CheckedService } from '../../../src/health/endpoint-check.ts'
import { HealthMonitor } from '../../../src/health/monitor.ts'
import { ServiceHealth } from '../../../src/health/service-health.ts'
import { DEFAULT_HEALTH_CHECK } from '../../../src/model/defaults.ts'
import type { ProbeRequest, ProbeResult, Prober } from '../../../src/model/health.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { endpointsOf } from '../../support/sample.ts'

const OK: ProbeResult = { failure: undefined, degraded: false, immediate: false }
const DOWN: ProbeResult = { ...OK, failure: 'it answered 503' }
const DEGRADED: ProbeResult = { ...OK, degraded: true }

const settings = { ...DEFAULT_HEALTH_CHECK, intervalMs: 10_000 }

/** A monitor on a virtual clock whose probes are answered from a list; after its end, with the last. */
function make(size: number, seed = 1) {
  const clock = new VirtualClock()
  const probes: { at: number; id: string }[] = []
  const news: string[] = []
  let hadTraffic = true
  let answer: (id: string) => ProbeResult | Promise<ProbeResult> = () => OK
  const prober: Prober = {
    async probe({ endpoint }: ProbeRequest) {
      probes.push({ at: clock.now(), id: endpoint.id })
      return answer(endpoint.id)
    },
    close() {},
  }
  const monitor = new HealthMonitor({ clock, random: seededRandom(seed), prober })
  const service: CheckedService = {
    get hadTraffic() {
      return hadTraffic
    },
    request: ({ spec }, check) => ({ endpoint: spec, port: spec.port, host: 'orders', settings: check, protocol: 'auto', tls: undefined }),
    setHealth(endpoint, unhealthy, degraded) {
      endpoint.unhealthy = unhealthy
      endpoint.degraded = degraded
    },
    healthChanged: (_, state, reason, source) => news.push(`${state}: ${reason} (${source})`),
    checkPassed: ({ id }) => news.push(`passed ${id}`),
  }
  const health = new ServiceHealth(monitor, service)
  const endpoints = endpointsOf(size)
  health.endpointsChanged(endpoints)
  /** Passes `ms` in steps, letting the answers of probes arrive between. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(Math.min(100, left))
      for (let turn = 0; turn < 4; turn++) await undefined
    }
  }
  return {
    clock,
    probes,
    news,
    monitor,
    health,
    endpoints,
    pass,
    first: endpoints[0] as Endpoint,
    answer: (next: typeof answer) => {
      answer = next
    },
    traffic: (had: boolean) => {
      hadTraffic = had
    },
  }
}

/** Each step is one check: what the probe said, and the state after it. */
const verdicts: readonly (readonly [what: string, change: Partial<typeof settings>, steps: readonly (readonly [ProbeResult, string])[]])[] =
  [
    [
      'two failures are not three',
      {},
      [
        [DOWN, 'healthy'],
        [DOWN, 'healthy'],
        [OK, 'healthy'],
        [DOWN, 'healthy'],
        [DOWN, 'healthy'],
      ],
    ],
    [
      'three failures in a row, and one success',
      {},
      [
        [DOWN, 'healthy'],
        [DOWN, 'healthy'],
        [DOWN, 'unhealthy'],
        [DOWN, 'unhealthy'],
        [OK, 'healthy'],
      ],
    ],
    [
      'healthyAfter successes in a row',
      { unhealthyAfter: 1, healthyAfter: 2 },
      [
        [DOWN, 'unhealthy'],
        [OK, 'unhealthy'],
        [DOWN, 'unhealthy'],
        [OK, 'unhealthy'],
        [OK, 'healthy'],
      ],
    ],
    [
      'asked to be taken out at once',
      {},
      [
        [{ ...DOWN, immediate: true }, 'unhealthy'],
        [OK, 'healthy'],
      ],
    ],
    [
      'degraded and back',
      {},
      [
        [DEGRADED, 'degraded'],
        [DEGRADED, 'degraded'],
        [OK, 'healthy'],
      ],
    ],
  ]

describe('active health checks', () => {
  it.each(verdicts)('%s', async (_, change, steps) => {
    const { health, monitor, first, answer, pass, probes } = make(1)
    health.reconfigure({ ...settings, ...change })
    monitor.start()
    for (const [index, [result, state]] of steps.entries()) {
      answer(() => result)
      await pass(10_000)
      expect(probes).toHaveLength(index + 1)
      expect(first.unhealthy ? 'unhealthy' : first.degraded ? 'degraded' : 'healthy').toBe(state)
    }
  })

  it('tells every change once, with its reason', async () => {
    const { health, monitor, answer, pass, news } = make(1)
    health.reconfigure({ ...settings, endsEjection: false })
    monitor.start()
    answer(() => DOWN)
    await pass(50_000)
    answer(() => OK)
    await pass(30_000)
    expect(news).toEqual(['unhealthy: it answered 503 (active)', 'healthy: it passed its check (active)'])
  })

  it('opens nothing before it is started, one timer for all, none after the close', async () => {
    const { health, monitor, clock, pass, probes } = make(10_000)
    health.reconfigure(settings)
    await pass(20_000)
    expect([clock.timers, probes.length]).toEqual([0, 0])
    monitor.start()
    expect(clock.timers).toBe(1)
    await pass(10_000)
    expect(new Set(probes.map(({ id }) => id)).size).toBe(10_000)
    expect(clock.timers).toBe(1)
    monitor.close()
    expect(clock.timers).toBe(0)
    await pass(20_000)
    expect(probes).toHaveLength(10_000)
  })

  it('bounds the probes under way, and nobody is forgotten', async () => {
    const { health, monitor, pass, probes, answer } = make(2_000)
    let running = 0
    let most = 0
    const waiting: (() => void)[] = []
    answer(() => {
      most = Math.max(most, ++running)
      return new Promise((resolve) => {
        waiting.push(() => {
          running--
          resolve(OK)
        })
      })
    })
    health.reconfigure(settings)
    monitor.start()
    await pass(10_000)
    expect([most, probes.length]).toEqual([512, 512])
    for (let turn = 0; turn < 20; turn++) {
      for (const end of waiting.splice(0)) end()
      await pass(100)
    }
    expect(new Set(probes.map(({ id }) => id)).size).toBe(2_000)
    expect(most).toBe(512)
  })

  it('500 processes that start together spread their probes: at most 15 % in any tenth of a period, also later', async () => {
    const tenths = Array.from({ length: 20 }, () => 0)
    for (let seed = 1; seed <= 500; seed++) {
      const { health, monitor, pass, probes } = make(1, seed)
      health.reconfigure(settings)
      monitor.start()
      await pass(20_000)
      for (const { at } of probes) {
        const tenth = Math.min(19, Math.floor(at / 1_000))
        tenths[tenth] = (tenths[tenth] as number) + 1
      }
    }
    expect(Math.max(...tenths)).toBeLessThanOrEqual(75)
  })

  it('asks half as often while the service was never called, and as often as it is told while it is unhealthy', async () => {
    const { health, monitor, pass, probes, traffic, answer } = make(1)
    traffic(false)
    health.reconfigure({ ...settings, unhealthyIntervalMs: 1_000 })
    monitor.start()
    await pass(80_000)
    expect(probes).toHaveLength(4)
    answer(() => DOWN)
    traffic(true)
    await pass(50_000)
    probes.length = 0
    await pass(20_000)
    expect(probes).toHaveLength(20)
  })

  it('follows the endpoints; the verdict on one that was away for a while stays', async () => {
    const { health, monitor, pass, probes, endpoints, first, answer } = make(2)
    health.reconfigure({ ...settings, unhealthyAfter: 1 })
    monitor.start()
    answer(() => DOWN)
    await pass(10_000)
    expect(first.unhealthy).toBe(true)
    health.endpointsChanged(endpoints.slice(1))
    probes.length = 0
    await pass(30_000)
    expect(probes.map(({ id }) => id)).not.toContain(first.id)
    health.endpointsChanged(endpoints)
    expect(first.unhealthy).toBe(true)
    answer(() => OK)
    await pass(10_000)
    expect(first.unhealthy).toBe(false)
  })

  it('a push keeps phase and counts; switched off, what was found out is forgotten', async () => {
    const { health, monitor, pass, probes, first, answer } = make(1)
    answer(() => DOWN)
    health.reconfigure(settings)
    monitor.start()
    await pass(20_000)
    for (let push = 0; push < 50; push++) {
      health.reconfigure({ ...settings })
      await pass(100)
    }
    await pass(5_000)
    expect([probes.length, first.unhealthy]).toEqual([3, true])
    health.reconfigure(false)
    expect(first.unhealthy).toBe(false)
    await pass(60_000)
    expect(probes).toHaveLength(3)
  })

  it('a probe that failed because this process slept is held against nobody, and keeps its phase', async () => {
    const { health, monitor, clock, pass, probes, first, answer } = make(1)
    health.reconfigure({ ...settings, unhealthyAfter: 1 })
    monitor.start()
    let wake = (_: ProbeResult): void => {}
    answer(
      () =>
        new Promise((resolve) => {
          wake = resolve
        }),
    )
    await pass(10_000)
    clock.advance(45_000)
    wake({ ...OK, failure: 'no answer within 1000 ms' })
    await pass(100)
    expect(first.unhealthy).toBe(false)
    answer(() => DOWN)
    await pass(10_000)
    expect(first.unhealthy).toBe(true)
    const phases = new Set(probes.map(({ at }) => Math.round(at % 10_000)))
    expect(phases.size).toBe(1)
  })

  it('an endpoint may ask in an answer to be taken out', async () => {
    const { health, monitor, first, news, pass } = make(2)
    health.failAtOnce(first)
    expect(first.unhealthy).toBe(false)
    health.reconfigure({ ...settings, endsEjection: false })
    monitor.start()
    health.failAtOnce(first)
    expect(first.unhealthy).toBe(true)
    await pass(10_000)
    expect(first.unhealthy).toBe(false)
    expect(news[0]).toContain('(passive)')
  })
})

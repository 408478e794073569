import { describe, expect, it } from 'vitest'
import type { ProbeResult } from '../../../src/model/health.ts'
import { DEGRADED, DOWN, monitorOver, OK, settings } from '../../support/health-monitor.ts'

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
    const { health, monitor, first, answer, pass, probes } = monitorOver(1)
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
    const { health, monitor, answer, pass, news } = monitorOver(1)
    health.reconfigure({ ...settings, endsEjection: false })
    monitor.start()
    answer(() => DOWN)
    await pass(50_000)
    answer(() => OK)
    await pass(30_000)
    expect(news).toEqual(['unhealthy: it answered 503 (active)', 'healthy: it passed its check (active)'])
  })

  it('opens nothing before it is started, one timer for all, none after the close', async () => {
    const { health, monitor, clock, pass, probes } = monitorOver(10_000)
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
    const { health, monitor, pass, probes, answer } = monitorOver(2_000)
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
      const { health, monitor, pass, probes } = monitorOver(1, seed)
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
    const { health, monitor, pass, probes, traffic, answer } = monitorOver(1)
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
    const { health, monitor, pass, probes, endpoints, first, answer } = monitorOver(2)
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
    const { health, monitor, pass, probes, first, answer } = monitorOver(1)
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
    const { health, monitor, clock, pass, probes, first, answer } = monitorOver(1)
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
    const { health, monitor, first, news, pass } = monitorOver(2)
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

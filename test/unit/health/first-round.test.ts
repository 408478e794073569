import { describe, expect, it } from 'vitest'
import { DOWN, monitorOver, OK, settings } from '../../support/health-monitor.ts'

describe('the first round of checks', () => {
  it('comes within a second where somebody waits for it, and is over when the last one was answered, whatever he said', async () => {
    const { health, monitor, pass, probes, answer, rounds, endpoints } = monitorOver(3)
    answer((id) => (id === endpoints[0]?.id ? DOWN : OK))
    health.reconfigure(settings)
    monitor.start()
    expect([monitor.unasked, health.unasked, health.size]).toEqual([3, 3, 3])
    monitor.hurry()
    await pass(1_000)
    expect(new Set(probes.map(({ id }) => id)).size).toBe(3)
    expect([probes.length, monitor.unasked, health.unasked, rounds()]).toEqual([3, 0, 0, 1])
  })

  it('is spread over the interval as ever where nobody waits', async () => {
    const { health, monitor, pass, probes, rounds } = monitorOver(20)
    health.reconfigure(settings)
    monitor.start()
    await pass(1_000)
    expect(probes.length).toBeLessThan(10)
    await pass(9_000)
    expect([monitor.unasked, rounds()]).toEqual([0, 1])
  })

  it('leaves the phase of the later ones: at most 15 % of 500 processes in any tenth of the period', async () => {
    const tenths = Array.from({ length: 20 }, () => 0)
    for (let seed = 1; seed <= 500; seed++) {
      const { health, monitor, pass, probes } = monitorOver(1, seed)
      health.reconfigure(settings)
      monitor.start()
      monitor.hurry()
      await pass(20_000)
      for (const { at } of probes.slice(1)) {
        const tenth = Math.min(19, Math.floor(at / 1_000))
        tenths[tenth] = (tenths[tenth] as number) + 1
      }
    }
    expect(Math.max(...tenths)).toBeLessThanOrEqual(75)
    expect(tenths.reduce((sum, count) => sum + count)).toBeGreaterThan(900)
  })

  it('takes those along who join before it is over, and lets those go who leave', async () => {
    const { health, monitor, pass, probes, endpoints, answer, rounds } = monitorOver(3)
    let end = (): void => {}
    answer((id) => (id === endpoints[1]?.id ? new Promise((resolve) => (end = () => resolve(OK))) : OK))
    health.endpointsChanged(endpoints.slice(0, 2))
    health.reconfigure(settings)
    monitor.start()
    monitor.hurry()
    await pass(1_000)
    expect([monitor.unasked, rounds()]).toEqual([1, 0])
    health.endpointsChanged(endpoints)
    await pass(1_000)
    expect(probes.map(({ id }) => id)).toContain(endpoints[2]?.id)
    expect([health.unasked, health.size, rounds()]).toEqual([1, 3, 0])
    health.endpointsChanged(endpoints.slice(2))
    await undefined
    expect([health.unasked, rounds()]).toEqual([0, 1])
    end()
    await pass(100)
    expect([monitor.unasked, rounds()]).toEqual([0, 1])
  })

  it('nobody is waited for any more once checks are switched off', async () => {
    const { health, monitor, rounds } = monitorOver(2)
    health.reconfigure(settings)
    monitor.hurry()
    health.reconfigure(false)
    await undefined
    expect([monitor.unasked, health.unasked, rounds()]).toEqual([0, 0, 1])
  })

  it('is over too when this process overslept the answer, though nothing is known then', async () => {
    const { health, monitor, clock, pass, answer, rounds } = monitorOver(1)
    let wake = (): void => {}
    answer(() => new Promise((resolve) => (wake = () => resolve(DOWN))))
    health.reconfigure(settings)
    monitor.start()
    monitor.hurry()
    await pass(1_000)
    clock.advance(20_000)
    wake()
    await pass(100)
    expect([monitor.unasked, rounds()]).toEqual([0, 1])
  })
})

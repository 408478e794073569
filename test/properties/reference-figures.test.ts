import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointSet, priorityLoads, zoneShares } from '../../src/balancing/index.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { EnvoyOutliers, GrpcOutliers } from '../../src/resilience/index.ts'
import { endpointsOf, outcomeOf } from '../support/sample.ts'

/** Host monitors of Envoy, or subchannels of gRPC, written down from what is known of them, for comparison. */
interface Host {
  consecutive: number
  total: number
  good: number
  out: boolean
  ejectedAt: number
  multiplier: number
  restoredAt: number
}

const [INTERVAL, BASE, MAX] = [10_000, 30_000, 300_000]
const VOLUME = 5
/** Mostly close together, now and then with nobody for a while. */
const wait = fc.oneof(
  { weight: 300, arbitrary: fc.integer({ min: 0, max: 120 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
)
const events = fc.array(fc.record({ host: fc.nat(), good: fc.integer({ min: 0, max: 9 }), wait }), {
  minLength: 500,
  maxLength: 1_500,
  size: 'max',
})
const hostsOf = (count: number): Host[] =>
  Array.from({ length: count }, () => ({
    consecutive: 0,
    total: 0,
    good: 0,
    out: false,
    ejectedAt: 0,
    multiplier: 0,
    restoredAt: Number.NEGATIVE_INFINITY,
  }))
const ejectedOf = (hosts: readonly Host[]): boolean[] => hosts.map(({ out }) => out)

const bits = (out: readonly boolean[]): string => out.map(Number).join('')

/** mean − factor × standard deviation of the population. */
function threshold(rates: readonly number[]): number {
  const mean = rates.reduce((a, b) => a + b, 0) / rates.length
  return mean - 1.9 * Math.sqrt(rates.reduce((a, b) => a + (b - mean) ** 2, 0) / rates.length)
}

function envoyEjects(hosts: readonly Host[], host: Host, now: number, maxPercent: number): void {
  const out = hosts.filter((each) => each.out).length
  if ((100 * (out + 1)) / hosts.length > maxPercent) return
  if (host.multiplier * BASE < MAX + BASE) host.multiplier++
  host.out = true
  host.ejectedAt = now
}

function envoySweep(hosts: readonly Host[], now: number, maxPercent: number): void {
  for (const host of hosts) {
    if (!host.out || now - host.ejectedAt < Math.min(BASE * host.multiplier, MAX)) continue
    host.out = false
    host.consecutive = 0
    host.restoredAt = now
  }
  const found = hosts.map(({ total, good }) => ({ total, rate: (100 * good) / total }))
  for (const host of hosts) {
    host.total = 0
    host.good = 0
  }
  const judged = hosts.flatMap((host, index) => {
    const { total, rate } = found[index] as { total: number; rate: number }
    return !host.out && total >= VOLUME ? [{ host, rate }] : []
  })
  if (judged.length >= 5) {
    const bound = threshold(judged.map(({ rate }) => rate))
    for (const { host, rate } of judged) if (rate < bound) envoyEjects(hosts, host, now, maxPercent)
    for (const { host, rate } of judged) if (!host.out && 100 - rate >= 85) envoyEjects(hosts, host, now, maxPercent)
  }
  for (const host of hosts) if (!host.out && now - host.restoredAt >= INTERVAL) host.multiplier = Math.max(0, host.multiplier - 1)
}

function grpcSweep(hosts: readonly Host[], now: number, maxPercent: number): void {
  const found = hosts.map(({ total, good }) => ({ total, rate: (100 * good) / total }))
  for (const host of hosts) {
    host.total = 0
    host.good = 0
  }
  const judged = hosts.flatMap((host, index) => {
    const { total, rate } = found[index] as { total: number; rate: number }
    return total >= VOLUME ? [{ host, rate }] : []
  })
  const ejects = (isOutlier: (rate: number) => boolean): void => {
    for (const { host, rate } of judged) {
      if ((100 * hosts.filter(({ out }) => out).length) / hosts.length >= maxPercent) return
      if (host.out || !isOutlier(rate)) continue
      host.out = true
      host.ejectedAt = now
      host.multiplier++
    }
  }
  if (judged.length >= 5) {
    const bound = threshold(judged.map(({ rate }) => rate))
    ejects((rate) => rate < bound)
    ejects((rate) => 100 - rate > 85)
  }
  for (const host of hosts) {
    if (!host.out) host.multiplier = Math.max(0, host.multiplier - 1)
    else if (now - host.ejectedAt >= Math.min(BASE * host.multiplier, MAX)) host.out = false
  }
}

describe('outlier detection, beside a reference of its own', () => {
  const listener = { ejected() {}, restored() {} }
  const percent = fc.constantFrom(10, 30, 50, 100)
  // So that some hosts fail always, some now and then, some never.
  const isGood = (host: number, drawn: number): boolean => drawn >= ([0, 0, 0, 1, 3, 9, 10][host % 7] as number)

  it('Envoy: who is out after each answer', () => {
    let ejections = 0
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), percent, events, (count, maxEjectedPercent, happen) => {
        const set = new EndpointSet(0, () => 0)
        set.replace(endpointsOf(count))
        const rule = { minimumHosts: 5, requestVolume: VOLUME, enforcingPercent: 100, enforcingLocalOriginPercent: 0 }
        const settings = {
          maxEjectedPercent,
          successRate: { ...rule, stdevFactor: 1_900 },
          failurePercentage: { ...rule, thresholdPercent: 85 },
        }
        const envoy = new EnvoyOutliers(settings, set, listener, () => 0)
        const hosts = hostsOf(count)
        envoy.restoreDue(0)
        let [now, swept] = [0, 0]
        for (const { host: which, good: drawn, wait } of happen) {
          now += wait
          for (; swept + INTERVAL <= now; swept += INTERVAL) envoySweep(hosts, swept + INTERVAL, maxEjectedPercent)
          const at = which % count
          const host = hosts[at] as Host
          const good = isGood(at, drawn)
          host.total++
          if (good) {
            host.good++
            host.consecutive = 0
          } else if (++host.consecutive === 5 && !host.out) {
            envoyEjects(hosts, host, now, maxEjectedPercent)
            host.consecutive = 0
          }
          envoy.observe(set.all[at] as Endpoint, outcomeOf({ verdict: good ? 'success' : 'failure', status: good ? 200 : 500 }), now)
          expect(bits(set.all.map(({ ejected }) => ejected))).toBe(bits(ejectedOf(hosts)))
        }
        for (const endpoint of set.all) ejections += endpoint.ejections
      }),
      { numRuns: 10, seed: 7 },
    )
    expect(ejections).toBeGreaterThan(0)
  })

  it('gRPC: who is out after each answer', () => {
    let ejections = 0
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), percent, events, (count, maxEjectedPercent, happen) => {
        const set = new EndpointSet(0, () => 0)
        set.replace(endpointsOf(count))
        const rule = { minimumHosts: 5, requestVolume: VOLUME, enforcementPercent: 100 }
        const settings = {
          maxEjectedPercent,
          successRate: { ...rule, stdevFactor: 1_900 },
          failurePercentage: { ...rule, thresholdPercent: 85 },
        }
        const grpc = new GrpcOutliers(settings, set, listener, () => 0)
        const hosts = hostsOf(count)
        grpc.restoreDue(0)
        let [now, swept] = [0, 0]
        for (const { host: which, good: drawn, wait } of happen) {
          now += wait
          for (; swept + INTERVAL <= now; swept += INTERVAL) grpcSweep(hosts, swept + INTERVAL, maxEjectedPercent)
          const at = which % count
          const good = isGood(at, drawn)
          const host = hosts[at] as Host
          host.total++
          if (good) host.good++
          grpc.observe(set.all[at] as Endpoint, outcomeOf({ verdict: good ? 'success' : 'failure', status: good ? 200 : 500 }), now)
          expect(bits(set.all.map(({ ejected }) => ejected))).toBe(bits(ejectedOf(hosts)))
        }
        for (const endpoint of set.all) ejections += endpoint.ejections
      }),
      { numRuns: 10, seed: 7 },
    )
    expect(ejections).toBeGreaterThan(0)
  })
})

describe('shares, beside a reference of their own', () => {
  const level = fc
    .tuple(fc.nat({ max: 40 }), fc.nat({ max: 40 }), fc.nat({ max: 40 }))
    .map(([healthy, degraded, out]) => ({ healthy, degraded, total: healthy + degraded + out }))

  it('of priorities, and who of them panics', () => {
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 100 }), (levels, panicPercent) => {
        const health = (part: number, total: number): number => (total === 0 ? 0 : Math.min(100, Math.trunc((140 * part) / total)))
        const healthy = levels.map((each) => health(each.healthy, each.total))
        const degraded = levels.map((each) => health(each.degraded, each.total))
        const norm = Math.min(
          100,
          [...healthy, ...degraded].reduce((a, b) => a + b, 0),
        )
        const panics = levels.map(
          (each) =>
            norm < 100 && (each.total === 0 ? panicPercent > 0 : (100 * (each.healthy + each.degraded)) / each.total < panicPercent),
        )
        const found = priorityLoads(levels, { overprovisioningPercent: 140, panicPercent })
        if (panics.every(Boolean)) {
          const all = levels.reduce((sum, { total }) => sum + total, 0)
          const loads = levels.map(({ total }) => (all === 0 ? 0 : Math.trunc((100 * total) / all)))
          const first = Math.max(
            0,
            levels.findIndex(({ total }) => total > 0),
          )
          loads[first] = (loads[first] as number) + 100 - loads.reduce((a, b) => a + b, 0)
          expect(found).toEqual(loads.map((load) => ({ healthy: load, degraded: 0, panic: true })))
          return
        }
        // Where rounding leaves nobody anything Envoy sends all to the first, whoever is there; that is ours to do better.
        if (norm === 0) return
        let left = 100
        const part = (each: number): number => {
          const load = Math.min(left, Math.trunc((each * 100) / norm))
          left -= load
          return load
        }
        const [main, reserve] = [healthy.map(part), degraded.map(part)]
        const rest = healthy.some((each) => each > 0) ? { loads: main, of: healthy } : { loads: reserve, of: degraded }
        const first = rest.of.findIndex((each) => each > 0)
        rest.loads[first] = (rest.loads[first] as number) + left
        const given = panics.map((panic, index) => ({ healthy: main[index], degraded: reserve[index], panic }))
        expect(found).toEqual(given)
      }),
    )
  })

  it('of zones, in hundredths of a percent', () => {
    const zone = fc.record({ capacity: fc.integer({ min: 0, max: 200 }), callers: fc.integer({ min: 1, max: 200 }) })
    fc.assert(
      fc.property(fc.array(zone, { minLength: 2, maxLength: 6 }), fc.nat(), (zones, which) => {
        const own = which % zones.length
        fc.pre(zones.some(({ capacity }) => capacity > 0))
        const sum = (of: 'capacity' | 'callers'): number => zones.reduce((all, each) => all + each[of], 0)
        const up = zones.map(({ capacity }) => Math.trunc((10_000 * capacity) / sum('capacity')))
        const local = zones.map(({ callers }) => Math.trunc((10_000 * callers) / sum('callers')))
        const [ours, needed] = [up[own] as number, local[own] as number]
        const { local: stays, residual } = zoneShares(zones, own)
        expect(stays).toBe(ours >= needed && ours > 0 ? 10_000 : Math.trunc((ours * 10_000) / Math.max(1, needed)))
        let capacity = 0
        expect(residual).toEqual(
          zones.map((_, index) => {
            if (index !== own) capacity += Math.max(0, (up[index] as number) - (local[index] as number))
            return capacity
          }),
        )
      }),
    )
  })
})

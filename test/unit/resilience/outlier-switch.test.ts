import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import { DEFAULT_ENVOY_OUTLIERS, DEFAULT_GRPC_FAILURE_PERCENTAGE, DEFAULT_GRPC_OUTLIERS } from '../../../src/model/outlier-detection.ts'
import { OutlierDetector } from '../../../src/resilience/outlier-detection.ts'
import { BROKEN, callOf, endpointsOf, OK, REFUSED } from '../../support/sample.ts'

const INMESH = DEFAULT_POLICY.outlierDetection
const ENVOY = { ...DEFAULT_ENVOY_OUTLIERS, maxEjectedPercent: 50 }
const GRPC = {
  ...DEFAULT_GRPC_OUTLIERS,
  maxEjectedPercent: 50,
  failurePercentage: { ...DEFAULT_GRPC_FAILURE_PERCENTAGE, minimumHosts: 2, requestVolume: 5 },
}
const SETTINGS = { inmesh: INMESH, envoy: ENVOY, grpc: GRPC } as const
type Algorithm = keyof typeof SETTINGS
const ALL = Object.keys(SETTINGS) as Algorithm[]
const PAIRS = ALL.flatMap((from) => ALL.filter((to) => to !== from).map((to) => [from, to] as const))

function make(settings: ConstructorParameters<typeof OutlierDetector>[0]) {
  const set = new EndpointSet(50, seededRandom(1))
  set.replace(endpointsOf(4))
  const events: string[] = []
  const stalls = { stalledUntil: Number.NEGATIVE_INFINITY }
  const listener = {
    ejected: ({ id }: Endpoint, { forMs }: { forMs: number }) => void events.push(`-${id} ${forMs}`),
    restored: ({ id }: Endpoint) => void events.push(`+${id}`),
  }
  const detector = new OutlierDetector(settings, set, listener, stalls, seededRandom(1))
  detector.restoreDue(0)
  const [first, second] = set.all as [Endpoint, Endpoint]
  /** The first fails everything, the others nothing, until it is out. */
  const ejectFirst = (now: number): void => {
    for (let call = 0; call < 60; call++) for (const endpoint of set.all) detector.observe(endpoint, endpoint === first ? BROKEN : OK, now)
    detector.restoreDue(now + 10_000)
    expect(first.ejected).toBe(true)
  }
  return { set, detector, events, first, second, stalls, ejectFirst }
}

describe('from one algorithm to another', () => {
  it.each(PAIRS)('%s to %s: an ejection in force goes on, and ends by the new rules', (from, to) => {
    const { detector, first, set, events, ejectFirst } = make(SETTINGS[from])
    ejectFirst(0)
    const { ejectedUntil, ejections, ejectionReason } = first
    detector.reconfigure(SETTINGS[to], 12_000)
    for (let now = 12_000; now < ejectedUntil; now += 1_000) detector.restoreDue(now)
    expect([first.ejected, first.ejectedUntil, first.ejections, first.ejectionReason]).toEqual([
      true,
      ejectedUntil,
      ejections,
      ejectionReason,
    ])
    detector.restoreDue(ejectedUntil)
    detector.restoreDue(ejectedUntil + 10_000)
    if (to === 'inmesh') {
      expect([first.ejected, first.recovering]).toEqual([true, true])
      detector.observe(first, OK, ejectedUntil + 10_001)
    }
    expect([first.ejected, set.ejected, events.filter((event) => event.startsWith('+'))]).toEqual([false, 0, [`+${first.id}`]])
  })

  it.each(PAIRS)('%s to %s: the next ejection has grown by the former', (from, to) => {
    const { detector, first, ejectFirst } = make(SETTINGS[from])
    ejectFirst(0)
    detector.reconfigure(SETTINGS[to], 10_000)
    const until = first.ejectedUntil
    detector.restoreDue(until)
    if (first.ejected) detector.observe(first, OK, until)
    expect(first.ejected).toBe(false)
    ejectFirst(until + 1)
    expect(first.ejectedUntil - first.ejectedAt).toBe(60_000)
  })

  it.each(PAIRS)('%s to %s and back: old counts and new ones are not mixed', (from, to) => {
    const { detector, set } = make(SETTINGS[from])
    const [a, b] = set.all as [Endpoint, Endpoint]
    for (let call = 0; call < 4; call++) detector.observe(a, BROKEN, 0)
    detector.reconfigure(SETTINGS[to], 1)
    detector.reconfigure(SETTINGS[from], 2)
    for (let call = 0; call < 4; call++) for (const endpoint of [a, b]) detector.observe(endpoint, BROKEN, 3)
    expect(set.ejected).toBe(0)
  })

  it('one that waits for its probe is whole after a success, whoever judges by then', () => {
    const { detector, first, set, ejectFirst } = make(INMESH)
    ejectFirst(0)
    detector.restoreDue(first.ejectedUntil)
    expect(first.recovering).toBe(true)
    detector.reconfigure(ENVOY, first.ejectedUntil)
    const probed = set.pick({ name: 'first', pick: (candidates) => candidates[0] }, callOf({ tries: 0 }), first.ejectedUntil)
    expect(probed).toBe(first)
    detector.observe(first, OK, first.ejectedUntil + 5)
    expect(first.ejected).toBe(false)
  })

  it.each(ALL)('%s off: everybody comes back', (algorithm) => {
    const { detector, first, ejectFirst } = make(SETTINGS[algorithm])
    ejectFirst(0)
    detector.reconfigure(false, 11_000)
    expect(first.ejected).toBe(false)
    detector.reconfigure(SETTINGS[algorithm], 12_000)
    ejectFirst(13_000)
  })

  it('another interval holds from the running one on', () => {
    const { detector, ejectFirst, first } = make({ ...GRPC, intervalMs: 60_000 })
    detector.reconfigure(GRPC, 1_000)
    ejectFirst(2_000)
    expect(first.ejectedAt).toBe(10_000)
  })
})

describe.each(['envoy', 'grpc'] as const)('a probe, asked of %s', (algorithm) => {
  it('ends the ejection, or begins the next', () => {
    const { detector, first, ejectFirst } = make({ ...SETTINGS[algorithm], probe: true })
    ejectFirst(0)
    for (const length of [60_000, 90_000]) {
      const until = first.ejectedUntil
      detector.restoreDue(until + 10_000)
      expect([first.ejected, first.recovering]).toEqual([true, true])
      detector.observe(first, BROKEN, until + 10_001)
      expect([first.recovering, first.ejectedUntil - until - 10_001]).toEqual([false, length])
    }
    const until = first.ejectedUntil
    detector.restoreDue(until + 10_000)
    detector.observe(first, OK, until + 10_001)
    expect(first.ejected).toBe(false)
  })
})

describe.each(ALL)('%s', (algorithm) => {
  it('a stall of our own is held against nobody', () => {
    const { detector, set, first, stalls } = make(SETTINGS[algorithm])
    stalls.stalledUntil = 5_000
    for (let call = 0; call < 60; call++)
      for (const endpoint of set.all) detector.observe(endpoint, endpoint === first ? REFUSED : OK, 5_000, 4_000)
    detector.restoreDue(10_000)
    expect(set.ejected).toBe(0)
  })

  it('one that left is not ejected', () => {
    const { detector, set, first } = make(SETTINGS[algorithm])
    for (let call = 0; call < 60; call++) for (const endpoint of set.all) if (endpoint !== first) detector.observe(endpoint, OK, 0)
    first.removedAt = 1
    for (let call = 0; call < 60; call++) detector.observe(first, BROKEN, 1)
    detector.restoreDue(10_000)
    expect(first.ejected).toBe(false)
  })
})

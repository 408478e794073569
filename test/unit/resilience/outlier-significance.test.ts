import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import { OutlierDetector } from '../../../src/resilience/outlier-detection.ts'
import { BROKEN, endpointsOf, OK } from '../../support/sample.ts'

const INTERVAL_MS = 10_000
const PER_INTERVAL = 100

/**
 * Every endpoint gets 100 requests in each of `intervals` and fails at its share. Gives the share of intervals in which one that fails no
 * more often than the others was ejected, and the interval after which all that fail always were out.
 */
function traffic(
  shares: readonly number[],
  intervals: number,
  seed = 1,
  consecutiveFailures: number = DEFAULT_POLICY.outlierDetection.consecutiveFailures,
) {
  const random = seededRandom(seed)
  const set = new EndpointSet(50, random)
  const endpoints = endpointsOf(shares.length)
  set.replace(endpoints)
  const least = Math.min(...shares)
  const wrong = new Set<number>()
  let interval = 0
  const ejected = (endpoint: Endpoint, { reason }: { reason: string }): void => {
    // A probe that fails says nothing of the rule.
    if (!reason.startsWith('the probe') && shares[endpoints.indexOf(endpoint)] === least) wrong.add(interval)
  }
  const detector = new OutlierDetector({ ...DEFAULT_POLICY.outlierDetection, consecutiveFailures }, set, { ejected, restored() {} })
  let allOutAfter = Number.POSITIVE_INFINITY
  for (; interval < intervals; interval++) {
    for (let round = 0; round < PER_INTERVAL; round++) {
      const now = (interval + round / PER_INTERVAL) * INTERVAL_MS
      detector.restoreDue(now)
      for (const [index, endpoint] of endpoints.entries()) {
        if (endpoint.ejected && !endpoint.recovering) continue
        detector.observe(endpoint, random() < (shares[index] as number) ? BROKEN : OK, now)
      }
    }
    if (allOutAfter > interval + 1 && endpoints.every(({ ejected: out }, index) => out || shares[index] !== 1)) allOutAfter = interval + 1
  }
  return { wrongPercent: (wrong.size * 100) / intervals, allOutAfter }
}

describe('outlier detection by significance', () => {
  it.each([2, 3, 5, 10, 50])('of %d healthy endpoints none is ever ejected', (count) => {
    expect(traffic(new Array(count).fill(0.001), count === 50 ? 200 : 1_000).wrongPercent).toBe(0)
  })

  it.each([
    [1, 2],
    [1, 3],
    [2, 5],
    [2, 9],
  ])('%d dead of %d are out within an interval, by their share alone as well', (dead, count) => {
    const shares = Array.from({ length: count }, (_, index) => (index < dead ? 1 : 0.001))
    for (const seed of [1, 2, 3]) {
      expect(traffic(shares, 3, seed).allOutAfter).toBe(1)
      const byShare = traffic(shares, 3, seed, 1_000_000)
      expect(byShare.allOutAfter).toBe(1)
      expect(byShare.wrongPercent).toBe(0)
    }
  })

  it.each([2, 3, 5, 10])('where %d all fail half of the time the share ejects nearly none', (count) => {
    expect(traffic(new Array(count).fill(0.5), 500, 1, 1_000_000).wrongPercent).toBeLessThanOrEqual(3)
  })

  it('one that is dead among many that suffer is seen, where twice their share would be beyond all', () => {
    const found = traffic([1, 0.55, 0.55, 0.55, 0.55], 3, 1, 1_000_000)
    expect(found.allOutAfter).toBe(1)
  })
})

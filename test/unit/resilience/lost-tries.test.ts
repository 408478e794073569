import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import { OutlierDetector } from '../../../src/resilience/outlier-detection.ts'
import { endpointsOf, OK, outcomeOf } from '../../support/sample.ts'

const SILENCE = outcomeOf({ verdict: 'failure', kind: 'timeout', unavailable: true, latencyMs: 5_000 })
const LOST = outcomeOf({ verdict: 'ignored', kind: 'aborted', latencyMs: 40 })

function detector(stalledUntil = Number.NEGATIVE_INFINITY, on = true) {
  const set = new EndpointSet(50, seededRandom(1))
  set.replace(endpointsOf(4))
  const detection = new OutlierDetector(on && DEFAULT_POLICY.outlierDetection, set, { ejected() {}, restored() {} }, { stalledUntil })
  const [one, other] = set.all as [Endpoint, Endpoint]
  return { detection, one, other, set }
}

describe('a try that lost to its hedge', () => {
  it('is waited for once its endpoint lost twice and answered nothing since', () => {
    const { detection, one } = detector()
    expect([detection.lost(one), detection.lost(one)]).toEqual([false, true])
    detection.outwaited(one)
    detection.observe(one, OK, 100)
    expect(detection.lost(one)).toBe(false)
  })

  it('five at a time are, and no more', () => {
    const { detection, one } = detector()
    expect(Array.from({ length: 10 }, () => detection.lost(one))).toEqual([false, ...Array(5).fill(true), ...Array(4).fill(false)])
    detection.outwaited(one)
    expect([detection.lost(one), detection.lost(one)]).toEqual([true, false])
  })

  it('five that nothing came of eject; that they lost counts for nothing', () => {
    const { detection, one, other, set } = detector()
    for (let time = 0; time < 50; time++) detection.observe(one, LOST, 10)
    expect(set.ejected).toBe(0)
    for (let time = 0; time < 5; time++) {
      expect(one.ejected).toBe(false)
      detection.observe(other, OK, 4_000)
      detection.observe(one, SILENCE, 5_000)
    }
    expect(one.ejected).toBe(true)
  })

  it('none that fell into a stall of our own counts', () => {
    const { detection, one, other } = detector(1_000)
    detection.observe(other, OK, 4_000)
    for (let time = 0; time < 20; time++) detection.observe(one, SILENCE, 5_500, 500)
    expect(one.ejected).toBe(false)
  })

  it('a probe is always waited for; one of an endpoint that is out is not, nor any while detection is off', () => {
    const { detection, one } = detector()
    one.ejected = true
    expect([detection.lost(one), detection.lost(one), detection.lost(one)]).toEqual([false, false, false])
    one.recovering = true
    one.lostInARow = 0
    expect(detection.lost(one)).toBe(true)
    const off = detector(undefined, false)
    expect([1, 2, 3].map(() => off.detection.lost(off.one))).toEqual([false, false, false])
  })
})

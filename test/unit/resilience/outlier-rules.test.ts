import { describe, expect, it } from 'vitest'
import { EndpointSet } from '../../../src/balancing/endpoint-set.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import type { OutlierSettings } from '../../../src/model/outlier-detection.ts'
import { OutlierDetector } from '../../../src/resilience/outlier-detection.ts'
import { endpointsOf, outcomeOf } from '../../support/sample.ts'

function make(count: number, settings: Partial<OutlierSettings> = {}) {
  const set = new EndpointSet(50, seededRandom(1))
  const endpoints = endpointsOf(count)
  set.replace(endpoints)
  const reasons: string[] = []
  const stalls = { stalledUntil: Number.NEGATIVE_INFINITY }
  const detector = new OutlierDetector(
    { ...DEFAULT_POLICY.outlierDetection, ...settings },
    set,
    { ejected: ({ id }, { reason }) => reasons.push(`${id} ${reason}`), restored() {} },
    stalls,
  )
  let now = 0
  const tell = (endpoint: Endpoint, change: Parameters<typeof outcomeOf>[0], startedAt?: number): void =>
    detector.observe(endpoint, outcomeOf(change), now, startedAt)
  /** `rounds` answers of every endpoint, evenly over `ms`; `failing[i]` and `latency[i]` say how endpoint i behaves. */
  const traffic = (rounds: number, ms: number, failing: readonly number[], latency: readonly number[] = []): void => {
    for (let round = 0; round < rounds; round++) {
      now += ms / rounds
      for (const [index, endpoint] of endpoints.entries()) {
        const share = failing[index] ?? 0
        // Evenly, and never five in a row unless nearly all fail.
        const fails = Math.floor((round + 1) * share) > Math.floor(round * share)
        tell(endpoint, { verdict: fails ? 'failure' : 'success', status: fails ? 500 : 200, latencyMs: latency[index] ?? 10 })
      }
    }
  }
  return {
    set,
    endpoints,
    reasons,
    detector,
    stalls,
    tell,
    traffic,
    out: () => endpoints.map(({ ejected }) => ejected),
    at: () => now,
    wait: (ms: number) => (now += ms),
  }
}

describe('ejection by the share of failures', () => {
  const rows: readonly (readonly [what: string, failing: number[], settings: Partial<OutlierSettings>, out: boolean[]])[] = [
    ['half of its answers, the others none', [0.5, 0, 0], {}, [true, false, false]],
    ['30 % is no half', [0.3, 0, 0], {}, [false, false, false]],
    ['all suffer: the trouble lies behind them', [0.6, 0.5, 0.5], {}, [false, false, false]],
    ['all suffer, compared with nobody: as many as may be', [0.6, 0.6, 0.6], { compare: 'absolute' }, [true, false, false]],
    ['twice as bad as the others', [0.7, 0.3, 0.3], {}, [true, false, false]],
    ['one of two', [0.5, 0], {}, [true, false]],
    ['switched off', [0.7, 0, 0], { failurePercent: false }, [false, false, false]],
    ['another share', [0.3, 0, 0], { failurePercent: 25 }, [true, false, false]],
  ]
  it.each(rows)('%s', (_, failing, settings, out) => {
    const { traffic, out: found } = make(failing.length, settings)
    traffic(100, 10_000, failing)
    // Those that are equally bad take turns.
    if (new Set(failing).size === 1) expect(found().filter((each) => each)).toHaveLength(1)
    else expect(found()).toEqual(out)
  })

  it('not before 20 answers, and says how many failed', () => {
    const { traffic, out, reasons } = make(3)
    traffic(19, 1_000, [0.5])
    expect(out()[0]).toBe(false)
    traffic(1, 100, [1])
    expect(reasons).toEqual(['10.0.0.1:80 failed 50 % of 20 answers, the others 0 % (failurePercent: 50)'])
  })

  it('what is older than the interval counts no more', () => {
    const { traffic, out, wait } = make(3)
    traffic(18, 1_000, [0.5])
    wait(11_000)
    traffic(10, 1_000, [0.5])
    expect(out()[0]).toBe(false)
  })

  it('a single endpoint stays', () => {
    const { traffic, out } = make(1)
    traffic(100, 10_000, [0.7])
    expect(out()).toEqual([false])
  })
})

describe('ejection by latency', () => {
  const rows: readonly (readonly [what: string, latency: number[], settings: Partial<OutlierSettings>, out: boolean[]])[] = [
    ['beyond a second, and far slower than the others', [2_000, 10, 10], {}, [true, false, false]],
    ['far slower, yet within a second', [900, 10, 10], {}, [false, false, false]],
    ['all are slow', [2_000, 1_500, 1_500], {}, [false, false, false]],
    ['all are slow, compared with nobody: as many as may be', [2_000, 2_000, 2_000], { compare: 'absolute' }, [true, false, false]],
    ['one of two', [3_000, 10], {}, [true, false]],
    ['another limit', [300, 10, 10], { latency: { boundMs: 200, quantile: 90, times: 3 } }, [true, false, false]],
    ['switched off', [9_000, 10, 10], { latency: false }, [false, false, false]],
  ]
  it.each(rows)('%s', (_, latency, settings, out) => {
    const { traffic, out: found } = make(latency.length, settings)
    traffic(100, 10_000, [], latency)
    expect(found()).toEqual(out)
  })

  it('one slow answer in ten is no p90, two are', () => {
    for (const [every, out] of [
      [10, false],
      [5, true],
    ] as const) {
      const { tell, endpoints, wait, out: found } = make(2)
      for (let answer = 1; answer <= 100; answer++) {
        wait(20)
        for (const [index, endpoint] of endpoints.entries())
          tell(endpoint, { verdict: 'success', status: 200, latencyMs: index === 0 && answer % every === 0 ? 5_000 : 10 })
      }
      expect(found()[0]).toBe(out)
    }
  })

  it('a wait that the caller gave up shows how slow it is at least, and never how quick', () => {
    const { tell, endpoints, out } = make(2)
    const [hanging, good] = endpoints as [Endpoint, Endpoint]
    for (let call = 0; call < 100; call++) {
      tell(hanging, { verdict: 'ignored', kind: 'aborted', latencyMs: 20 })
      tell(good, { verdict: 'success', status: 200, latencyMs: 10 })
    }
    expect(hanging.record?.counts.sum(2, 0)).toBe(0)
    for (let call = 0; call < 20; call++) tell(hanging, { verdict: 'ignored', kind: 'aborted', latencyMs: 8_000 })
    expect(out()).toEqual([true, false])
  })

  it('what was never sent, or failed on our side, says nothing of latency', () => {
    const { tell, endpoints, out } = make(2)
    for (let call = 0; call < 100; call++) {
      tell(endpoints[0] as Endpoint, { verdict: 'ignored', kind: 'aborted', latencyMs: 8_000, unsent: true })
      tell(endpoints[0] as Endpoint, { verdict: 'ignored', kind: 'local', latencyMs: 8_000 })
      tell(endpoints[1] as Endpoint, { verdict: 'success', status: 200, latencyMs: 10 })
    }
    expect(out()).toEqual([false, false])
  })

  it('a time that ran out early says nothing of latency, late it says how slow it is at least', () => {
    for (const [latencyMs, samples] of [
      [100, 0],
      [2_000, 10],
    ] as const) {
      const { tell, endpoints } = make(2, { consecutiveFailures: 1_000 })
      const [a] = endpoints as [Endpoint]
      for (let call = 0; call < 10; call++) tell(a, { verdict: 'failure', kind: 'timeout', latencyMs })
      expect(a.record?.counts.sum(2, 0)).toBe(samples)
    }
  })

  it('an endpoint that hangs once in forty times is seen by its p99, not by its p90', () => {
    for (const [quantile, out] of [
      [90, false],
      [99, true],
    ] as const) {
      const { tell, endpoints, wait, reasons } = make(3, { latency: { boundMs: 1_000, quantile, times: 3 } })
      for (let answer = 1; answer <= 400; answer++) {
        wait(20)
        for (const [index, endpoint] of endpoints.entries())
          tell(endpoint, { verdict: 'success', status: 200, latencyMs: index === 0 && answer % 40 === 0 ? 4_000 : 10 })
      }
      expect(reasons).toEqual(
        out ? ["10.0.0.1:80 p99 of 4096 ms, the others' 11 ms (latency: beyond 1000 ms and 3 times the others')"] : [],
      )
    }
  })

  it('of tails that are alike the longest is nobody’s fault', () => {
    const { tell, endpoints, wait, reasons } = make(5, { latency: { boundMs: 1_000, quantile: 99, times: 3 } })
    const random = seededRandom(5)
    for (let answer = 0; answer < 20_000; answer++) {
      wait(20)
      for (const endpoint of endpoints) tell(endpoint, { verdict: 'success', status: 200, latencyMs: random() < 0.008 ? 4_000 : 10 })
    }
    expect(reasons.length).toBeLessThanOrEqual(1)
  })

  it('how many times as slow as the others is asked for', () => {
    for (const [times, out] of [
      [3, true],
      [5, false],
    ] as const) {
      const { traffic, out: found } = make(3, { latency: { boundMs: 1_000, quantile: 90, times } })
      traffic(100, 10_000, [], [4_000, 1_000, 1_000])
      expect(found()[0]).toBe(out)
    }
  })

  it('a quick endpoint has no histogram', () => {
    const { traffic, endpoints } = make(2)
    traffic(100, 10_000, [], [10, 10])
    expect(endpoints.map(({ record }) => record?.latencies)).toEqual([undefined, undefined])
  })
})

describe('silence in a row', () => {
  const refused = { verdict: 'failure', kind: 'connect', unsent: true } as const
  const fine = { verdict: 'success', status: 200 } as const

  it('may be our network’s while the others keep silent too, and is the endpoint’s as soon as one of them answers', () => {
    for (const kind of ['connect', 'tls', 'reset', 'timeout'] as const) {
      const { tell, endpoints, out, reasons, wait } = make(3)
      const [a, b] = endpoints as [Endpoint, Endpoint]
      tell(b, fine)
      wait(1)
      for (let call = 0; call < 30; call++) for (const endpoint of endpoints) tell(endpoint, { ...refused, kind })
      expect(out()).toEqual([false, false, false])
      tell(b, fine)
      tell(a, { ...refused, kind })
      expect(reasons).toEqual(['10.0.0.1:80 31 failures in a row (consecutiveFailures: 5)'])
    }
  })

  it('an answer among it is the endpoint’s own word', () => {
    const { tell, endpoints, out } = make(3)
    const [a] = endpoints as [Endpoint]
    for (let call = 0; call < 4; call++) tell(a, refused)
    tell(a, { verdict: 'failure', status: 503 })
    expect(out()).toEqual([true, false, false])
  })

  it('counts alone where nobody is compared', () => {
    const { tell, endpoints, out } = make(3, { compare: 'absolute' })
    for (let call = 0; call < 5; call++) tell(endpoints[0] as Endpoint, refused)
    expect(out()).toEqual([true, false, false])
  })

  it('is the endpoint’s where nobody else is tried: a reserve that gets no calls says nothing', () => {
    const { tell, endpoints, out } = make(2)
    for (let call = 0; call < 5; call++) tell(endpoints[0] as Endpoint, { verdict: 'failure', kind: 'timeout' })
    expect(out()).toEqual([true, false])
  })
})

describe('who left early', () => {
  it('a caller who left blames nobody, one whose time ran out does', () => {
    for (const [change, blamed] of [
      [{ verdict: 'ignored', kind: 'aborted' }, false],
      [{ verdict: 'failure', kind: 'timeout' }, true],
    ] as const) {
      const { tell, endpoints, out } = make(2)
      const [a, b] = endpoints as [Endpoint, Endpoint]
      for (let call = 0; call < 20; call++) {
        tell(a, { ...change, latencyMs: 50 })
        tell(b, { verdict: 'success', status: 200, latencyMs: 5 })
      }
      expect(out()).toEqual([blamed, false])
    }
  })
})

describe('who is out', () => {
  it('is no measure for the others: what it failed before counts for nobody any more', () => {
    const { tell, endpoints, out, reasons } = make(4, { consecutiveFailures: 1_000 })
    const [a, b, c, d] = endpoints as [Endpoint, Endpoint, Endpoint, Endpoint]
    for (let call = 0; call < 100; call++) {
      for (const endpoint of [c, d]) tell(endpoint, { verdict: 'success', status: 200 })
      tell(a, { verdict: 'failure', status: 500 })
    }
    expect(out()).toEqual([true, false, false, false])
    for (let call = 0; call < 100; call++) tell(b, { verdict: 'failure', status: 500 })
    expect(reasons.at(-1)).toBe(`${b.id} failed 100 % of 20 answers, the others 0 % (failurePercent: 50)`)
  })
})

describe('a stall of our own event loop', () => {
  it('silence and slowness that overlap it are held against nobody; an answer is', () => {
    const { tell, endpoints, out, stalls, wait, at } = make(2)
    const [a, b] = endpoints as [Endpoint, Endpoint]
    wait(5_000)
    stalls.stalledUntil = at()
    for (let call = 0; call < 50; call++) {
      tell(a, { verdict: 'failure', kind: 'timeout', latencyMs: 2_000 }, at() - 2_000)
      tell(a, { verdict: 'success', status: 200, latencyMs: 2_000 }, at() - 2_000)
      tell(b, { verdict: 'success', status: 200, latencyMs: 5 }, at())
    }
    for (let call = 0; call < 50; call++) tell(a, { verdict: 'failure', kind: 'reset', latencyMs: 1 }, at() - 1)
    expect([out(), a.consecutiveFailures]).toEqual([[false, false], 0])
    for (let call = 0; call < 5; call++) tell(a, { verdict: 'failure', status: 500, latencyMs: 1 }, at() - 1)
    expect(out()).toEqual([true, false])
  })
})

describe('the probe after an ejection', () => {
  const broken = { verdict: 'failure', status: 500 } as const
  const fine = { verdict: 'success', status: 200 } as const

  it('an outcome of a try that began before says nothing', () => {
    const { tell, endpoints, detector, wait, at } = make(2)
    const [a] = endpoints as [Endpoint]
    for (let call = 0; call < 5; call++) tell(a, broken)
    wait(30_000)
    detector.restoreDue(at())
    tell(a, fine, at() - 1)
    tell(a, broken, at() - 1)
    expect([a.ejected, a.recovering]).toEqual([true, true])
    tell(a, fine, at())
    expect([a.ejected, a.warmFrom]).toEqual([false, at()])
  })

  it('a head is enough: a stream that never ends proves it works', () => {
    const { tell, endpoints, detector, wait, at } = make(2)
    const [a] = endpoints as [Endpoint]
    for (let call = 0; call < 5; call++) tell(a, broken)
    wait(30_000)
    detector.restoreDue(at())
    detector.answered(a, at(), at() + 5)
    expect(a.ejected).toBe(false)
  })

  it('a check that passes lets it be probed at once; one that began before the ejection does not', () => {
    const { tell, endpoints, detector, wait, at } = make(2)
    const [a] = endpoints as [Endpoint]
    wait(1_000)
    for (let call = 0; call < 5; call++) tell(a, broken)
    detector.checkPassed(a, at() - 1, at())
    expect(a.recovering).toBe(false)
    wait(1_000)
    detector.checkPassed(a, at(), at())
    expect([a.ejected, a.recovering]).toEqual([true, true])
    // The page lied: the probe fails, and the next ejection is longer.
    tell(a, broken, at())
    expect(a.ejectedUntil - at()).toBe(60_000)
  })
})

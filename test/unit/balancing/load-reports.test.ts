import { describe, expect, it } from 'vitest'
import { LoadWeights, parseLoadReport, ReportedRoundRobin, SlowStart } from '../../../src/balancing/index.ts'
import { FULL, scaledWeights } from '../../../src/balancing/stride-weights.ts'
import type { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { DEFAULT_LOAD_REPORTS } from '../../../src/model/defaults.ts'
import { callOf, endpointsOf } from '../../support/sample.ts'

const read = (header?: string, binary?: string) => {
  const report = parseLoadReport(header, binary)
  return report && Object.fromEntries(report)
}

/** A protobuf field of a double, and one with a length. */
const double = (field: number, value: number): number[] => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return [(field << 3) | 1, ...bytes]
}
const bytesOf = (field: number, content: readonly number[]): number[] => [(field << 3) | 2, content.length, ...content]
const entry = (field: number, name: string, value: number): number[] =>
  bytesOf(field, [...bytesOf(1, [...Buffer.from(name)]), ...double(2, value)])
const base64 = (...fields: number[][]): string => Buffer.from(fields.flat()).toString('base64')

describe('a load report', () => {
  it.each([
    ['TEXT cpu_utilization=0.3, mem_utilization=0.8', { cpu_utilization: 0.3, mem_utilization: 0.8 }],
    ['TEXT cpu_utilization:0.3,named_metrics.queue:12', { cpu_utilization: 0.3, 'named_metrics.queue': 12 }],
    ['TEXT application_utilization=1.5,rps_fractional=1e3,eps=.5', { application_utilization: 1.5, rps_fractional: 1_000, eps: 0.5 }],
    ['JSON {"cpu_utilization":0.3,"named_metrics":{"queue":12},"rps":"7"}', { cpu_utilization: 0.3, 'named_metrics.queue': 12 }],
    ['JSON {"named_metrics":{"a\\":\\"b":1,"__proto__":2}}', { 'named_metrics.a":"b': 1, 'named_metrics.__proto__': 2 }],
    [
      'JSON {"cpuUtilization":"0.3","rpsFractional":10,"utilization":{"disk":0.1}}',
      { cpu_utilization: 0.3, rps_fractional: 10, 'utilization.disk': 0.1 },
    ],
    [`BIN ${base64(double(1, 0.3), double(6, 100), double(7, 2))}`, { cpu_utilization: 0.3, rps_fractional: 100, eps: 2 }],
    [
      `BIN ${base64(double(9, 0.3), entry(8, 'queue', 12), entry(5, 'disk', 0.5))}`,
      { application_utilization: 0.3, 'named_metrics.queue': 12, 'utilization.disk': 0.5 },
    ],
    // What is unknown or of no interest is passed over: rps, request_cost, a field of a later version.
    [`BIN ${base64([0x18, 0x96, 0x01], entry(4, 'cost', 1), [0x7d, 1, 2, 3, 4], double(2, 1))}`, { mem_utilization: 1 }],
    // Of a number that is there twice the last counts.
    [`BIN ${base64(double(1, 0.3), double(1, 0.4))}`, { cpu_utilization: 0.4 }],
  ])('%s', (header, expected) => expect(read(header)).toEqual(expected))

  it('in the header of its own, which goes before the other', () => {
    expect(read('TEXT cpu_utilization=1', base64(double(1, 0.5)))).toEqual({ cpu_utilization: 0.5 })
  })

  it.each([
    [undefined],
    [''],
    ['cpu_utilization=0.3'],
    ['TEXT '],
    ['TEXT cpu_utilization'],
    ['TEXT =1'],
    ['TEXT cpu_utilization='],
    ['TEXT cpu_utilization=NaN'],
    ['TEXT cpu_utilization=Infinity'],
    ['TEXT cpu_utilization=1e999'],
    ['TEXT cpu_utilization=-0.1'],
    ['TEXT cpu_utilization=0x10'],
    ['TEXT cpu_utilization=0.1,cpu_utilization=0.2'],
    ['TEXT cpu_utilization=0.1,colour=2'],
    ['TEXT cpu_utilization=0.1,named_metrics.=2'],
    ['JSON'],
    ['JSON {'],
    ['JSON []'],
    ['JSON null'],
    ['JSON {"cpu_utilization":"NaN"}'],
    ['JSON {"cpu_utilization":-1}'],
    ['JSON {"cpu_utilization":1,"cpuUtilization":1}'],
    ['JSON {"named_metrics":[1]}'],
    ['JSON {"cpu_utilization":1,"cpu_utilization":2}'],
    ['JSON {"cpu_utilization":1,"named_metrics":{"a":1,"a":2}}'],
    ['JSON {"cpu_utilization":{"a":1}}'],
    ['JSON {"colour":1}'],
    [`BIN ${base64(double(1, Number.NaN))}`],
    [`BIN ${base64(double(1, -1))}`],
    [`BIN ${base64(double(7, Number.POSITIVE_INFINITY))}`],
    [`BIN ${base64(double(1, 1).slice(0, 5))}`],
    [`BIN ${base64(bytesOf(8, [1, 2, 3]).slice(0, 3))}`],
    [`BIN ${base64([0x0b])}`],
    [`BIN ${base64([0x80])}`],
    [`BIN ${base64(entry(8, 'queue', 1), entry(8, 'queue', 2))}`],
  ])('%s is none', (header) => expect(read(header)).toBeUndefined())
})

describe('weights from reports', () => {
  const weights = new LoadWeights({ ...DEFAULT_LOAD_REPORTS, metrics: ['named_metrics.queue', 'utilization.disk'] })
  /** The weight after a report every second for `seconds`. */
  function weightAfter(text: string, seconds = 10, from: LoadWeights = weights): number {
    const [endpoint] = endpointsOf(1) as [Endpoint]
    for (let second = 0; second <= seconds; second++) from.heard(endpoint, `TEXT ${text}`, undefined, second * 1_000)
    return from.weightOf(endpoint, seconds * 1_000)
  }

  it.each([
    // qps ÷ (utilization + eps ÷ qps · penalty)
    ['rps_fractional=100,cpu_utilization=0.5', 200],
    ['rps_fractional=100,cpu_utilization=0.5,eps=50', 100],
    ['rps_fractional=100,cpu_utilization=0.5,application_utilization=0.25', 400],
    ['rps_fractional=100,application_utilization=0.25,named_metrics.queue=0.5,utilization.disk=1', 100],
    ['rps_fractional=100,application_utilization=0,cpu_utilization=0.5', 200],
    ['rps_fractional=0,cpu_utilization=0.5', 0],
    ['rps_fractional=100', 0],
    ['rps_fractional=100,mem_utilization=0.5', 0],
  ])('%s weighs %d', (text, expected) => expect(weightAfter(text)).toBeCloseTo(expected, 9))

  it('a blackout, an expiry, and a blackout after it', () => {
    const [endpoint] = endpointsOf(1) as [Endpoint]
    const hear = (now: number): void => weights.heard(endpoint, 'TEXT rps_fractional=100,cpu_utilization=0.5', undefined, now)
    const at = (now: number): number => weights.weightOf(endpoint, now)
    hear(0)
    expect([at(0), at(9_999), at(10_000), at(179_999), at(180_000)]).toEqual([0, 0, 200, 200, 0])
    hear(200_000)
    expect([at(200_000), at(209_999), at(210_000)]).toEqual([0, 0, 200])
    // Who came back from an ejection is looked at anew.
    endpoint.warmFrom = 250_000
    expect([at(259_999), at(260_000)]).toEqual([0, 200])
  })

  it('a report that says nothing leaves the former one', () => {
    const [endpoint] = endpointsOf(1) as [Endpoint]
    weights.heard(endpoint, 'TEXT rps_fractional=100,cpu_utilization=0.5', undefined, 0)
    weights.heard(endpoint, 'TEXT cpu_utilization=NaN', undefined, 20_000)
    weights.heard(endpoint, undefined, undefined, 20_000)
    expect(weights.weightOf(endpoint, 20_000)).toBe(200)
    expect(endpoint.load?.at).toBe(0)
  })

  it.each([
    [
      [2, 3, 6],
      [21_845, 32_768, 65_535],
    ],
    // Unknown: the mean of the known ones. Fewer than two known: all alike.
    [
      [0, 2, 4],
      [49_151, 32_768, 65_535],
    ],
    [
      [0, 0, 4],
      [FULL, FULL, FULL],
    ],
    [
      [0, 0, 0],
      [FULL, FULL, FULL],
    ],
    // Nobody above ten times the mean, nobody below a tenth of it.
    [
      [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 981],
      [...Array(19).fill(1_311), FULL].map((each, index) => (index < 19 ? 656 : each)),
    ],
  ])('%j scaled', (raw, expected) => expect([...scaledWeights(Float64Array.from(raw))]).toEqual(expected))
})

describe('round robin by reports', () => {
  function make(reports: readonly (string | undefined)[], slowStart?: SlowStart) {
    const endpoints = endpointsOf(reports.length)
    const weights = new LoadWeights(DEFAULT_LOAD_REPORTS)
    const report = (now: number): void => {
      for (const [index, text] of reports.entries())
        if (text !== undefined) weights.heard(endpoints[index] as Endpoint, `TEXT ${text}`, undefined, now)
    }
    for (let now = 0; now <= 10_000; now += 1_000) report(now)
    const balancer = new ReportedRoundRobin(seededRandom(3), weights, 1_000, slowStart)
    const counts = (picks: number, now: number): number[] => {
      const found = endpoints.map(() => 0)
      for (let pick = 0; pick < picks; pick++) {
        const index = endpoints.indexOf(balancer.pick(endpoints, callOf({ tries: 0, startedAt: now })) as Endpoint)
        found[index] = (found[index] as number) + 1
      }
      return found
    }
    return { endpoints, balancer, counts, report }
  }
  const loaded = (utilization: number): string => `rps_fractional=100,cpu_utilization=${utilization}`

  it('follows the weights, evenly spread', () => {
    const { counts } = make([loaded(0.6), loaded(0.3), loaded(0.2), loaded(0.1)])
    // 100 ÷ utilization: 167, 333, 500, 1000.
    const found = counts(12_000, 10_000)
    for (const [index, share] of [1, 2, 3, 6].entries()) expect(Math.abs((found[index] as number) - share * 1_000)).toBeLessThan(20)
  })

  it('goes round before anything is known, and when too little is', () => {
    expect(make([undefined, undefined, undefined]).counts(300, 10_000)).toEqual([100, 100, 100])
    expect(make([loaded(0.1), undefined, undefined]).counts(300, 10_000)).toEqual([100, 100, 100])
    const { counts } = make([loaded(0.1), loaded(0.9), loaded(0.9)])
    expect(counts(300, 5_000)).toEqual([100, 100, 100])
  })

  it('who reports nothing weighs as the others on average', () => {
    const found = make([loaded(0.2), loaded(0.4), undefined]).counts(9_000, 10_000)
    expect(found[2]).toBeGreaterThan(2_950)
    expect(found[2]).toBeLessThan(3_050)
  })

  it('looks again after the update period, and forgets what expired', () => {
    const { counts, endpoints } = make([loaded(0.1), loaded(0.9)])
    const [quick, busy] = endpoints as [Endpoint, Endpoint]
    expect((counts(1_000, 10_000)[0] as number) / 1_000).toBeCloseTo(0.9, 1)
    ;(quick.load as { weight: number }).weight = 100
    ;(busy.load as { weight: number }).weight = 900
    expect((counts(1_000, 10_999)[0] as number) / 1_000).toBeCloseTo(0.9, 1)
    expect((counts(1_000, 11_000)[0] as number) / 1_000).toBeCloseTo(0.1, 1)
    expect(counts(1_000, 190_000)).toEqual([500, 500])
  })

  it('starts slowly where that is asked for', () => {
    const { counts, endpoints } = make(
      [loaded(0.5), loaded(0.5), loaded(0.5)],
      new SlowStart({ windowMs: 60_000, minWeightPercent: 10, aggression: 1 }),
    )
    ;(endpoints[0] as Endpoint).warmFrom = 10_000
    expect(counts(2_100, 10_000)[0]).toBeLessThan(150)
  })
})

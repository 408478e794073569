import { describe, expect, it } from 'vitest'
import { mergePolicy } from '../../../src/config/merge-policy.ts'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import type { MeshError } from '../../../src/index.ts'
import { DEFAULT_POLICY } from '../../../src/model/defaults.ts'
import { DEFAULT_ENVOY_OUTLIERS, DEFAULT_GRPC_OUTLIERS } from '../../../src/model/outlier-detection.ts'

const INMESH = DEFAULT_POLICY.outlierDetection

/** What is in force where `defaults` and then a service wrote these sections. */
function inForce(...written: unknown[]): unknown {
  const layers = written.map((outlierDetection) => {
    const { defaults } = parseMeshOptions({ defaults: { outlierDetection } })
    return { sections: defaults, from: { source: 'options', kind: 'defaults', namespace: '', name: 'test' } as const }
  })
  return mergePolicy(layers).policy.outlierDetection
}

function problemsOf(outlierDetection: unknown): string[] {
  try {
    parseMeshOptions({ services: { orders: { outlierDetection } } })
    return []
  } catch (error) {
    const lines = (error as MeshError).reason.split('\n').filter((line) => !/^\d+ problems$/.test(line))
    return lines.map((line) => line.replace('services.orders.outlierDetection.', ''))
  }
}

describe('what is in force', () => {
  it.each<[string, unknown[], unknown]>([
    ['nothing written', [], INMESH],
    ['empty', [{}], INMESH],
    ['a bound of latency alone', [{ latency: '2s' }], { ...INMESH, latency: { boundMs: 2_000, quantile: 90, times: 3 } }],
    ['a quantile alone', [{ latency: { quantile: 99 } }], { ...INMESH, latency: { boundMs: 1_000, quantile: 99, times: 3 } }],
    ['no latency', [{ latency: false }], { ...INMESH, latency: false }],
    ['Envoy', [{ algorithm: 'envoy' }], DEFAULT_ENVOY_OUTLIERS],
    [
      'Envoy, with some of its own',
      [{ algorithm: 'envoy', consecutive5xx: 0, baseEjectionTime: '1m', maxEjectionTimeJitter: 0, successRate: { stdevFactor: 5_000 } }],
      {
        ...DEFAULT_ENVOY_OUTLIERS,
        consecutive5xx: 0,
        baseEjectionMs: 60_000,
        successRate: { ...DEFAULT_ENVOY_OUTLIERS.successRate, stdevFactor: 5_000 },
      },
    ],
    ['gRPC', [{ algorithm: 'grpc' }], DEFAULT_GRPC_OUTLIERS],
    [
      'gRPC, with both rules',
      [{ algorithm: 'grpc', successRate: {}, failurePercentage: { thresholdPercent: 50 } }],
      {
        ...DEFAULT_GRPC_OUTLIERS,
        successRate: { stdevFactor: 1_900, enforcementPercent: 100, minimumHosts: 5, requestVolume: 100 },
        failurePercentage: { thresholdPercent: 50, enforcementPercent: 100, minimumHosts: 5, requestVolume: 50 },
      },
    ],
    [
      'of one algorithm, field by field',
      [
        { algorithm: 'envoy', interval: '5s' },
        { algorithm: 'envoy', consecutive5xx: 3 },
      ],
      { ...DEFAULT_ENVOY_OUTLIERS, intervalMs: 5_000, consecutive5xx: 3 },
    ],
    [
      'another algorithm takes nothing over',
      [
        { algorithm: 'envoy', interval: '5s' },
        { algorithm: 'grpc', probe: true },
      ],
      { ...DEFAULT_GRPC_OUTLIERS, probe: true },
    ],
    [
      'a section without a name is ours',
      [{ algorithm: 'envoy', interval: '5s' }, { consecutiveFailures: 3 }],
      { ...INMESH, consecutiveFailures: 3 },
    ],
    ['off, and on again', [false, { algorithm: 'envoy' }], DEFAULT_ENVOY_OUTLIERS],
    ['on, and off again', [{ algorithm: 'envoy' }, false], false],
  ])('%s', (_, written, expected) => {
    expect(inForce(...written)).toEqual(expected)
  })
})

describe('bad outlier detection names the place', () => {
  const duration = "expected a duration above 0 such as 250, '250ms' or '2s', at most 24 days, got"
  it.each<[string, unknown, string[]]>([
    ['an unknown algorithm', { algorithm: 'istio' }, ['algorithm: expected inmesh, envoy, grpc, got "istio"']],
    [
      'fields of ours for Envoy',
      { algorithm: 'envoy', consecutiveFailures: 5, latency: '1s' },
      ['consecutiveFailures: unknown key', 'latency: unknown key'],
    ],
    [
      "Envoy's for gRPC",
      { algorithm: 'grpc', consecutive5xx: 5, enforcingPercent: 1 },
      ['consecutive5xx: unknown key', 'enforcingPercent: unknown key'],
    ],
    ["gRPC's for ours", { successRate: {} }, ['successRate: unknown key']],
    [
      'inside a rule',
      { algorithm: 'envoy', successRate: { enforcementPercent: 5, minimumHosts: -1 }, failurePercentage: { thresholdPercent: 0.85 } },
      [
        'successRate.enforcementPercent: unknown key, did you mean "enforcingPercent"?',
        'successRate.minimumHosts: expected an integer from 0 to 4294967295, got -1',
        'failurePercentage.thresholdPercent: expected a percentage from 0 to 100, got 0.85; did you mean 85?',
      ],
    ],
    [
      'latency',
      { latency: { bound: 0, quantile: 30, times: 0, p99: true } },
      [
        'latency.p99: unknown key',
        `latency.bound: ${duration} 0`,
        'latency.quantile: expected a number from 50 to 99.9, got 30',
        'latency.times: expected a number from 1 to 1000, got 0',
      ],
    ],
    [
      'the longest ejection below the first',
      { algorithm: 'envoy', baseEjectionTime: '1m', maxEjectionTime: '10s' },
      ['maxEjectionTime: expected at least baseEjectionTime (1m), got 10s'],
    ],
    ['a rule of Envoy that is switched off', { algorithm: 'envoy', successRate: false }, ['successRate: expected an object, got false']],
  ])('%s', (_, written, problems) => {
    expect(problemsOf(written).sort()).toEqual([...problems].sort())
  })
})

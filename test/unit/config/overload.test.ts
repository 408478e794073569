import { describe, expect, it } from 'vitest'
import { mergePolicy } from '../../../src/config/merge-policy.ts'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { DEFAULT_ADAPTIVE_CONCURRENCY } from '../../../src/model/adaptive-concurrency.ts'
import { DEFAULT_THROTTLE } from '../../../src/model/throttle.ts'

const FROM = { source: 'options', kind: 'defaults', namespace: '', name: 'test' } as const
const policyOf = (...layers: object[]) =>
  mergePolicy(layers.map((defaults) => ({ sections: parseMeshOptions({ defaults }).defaults, from: FROM }))).policy

describe('adaptiveConcurrency and throttle', () => {
  it('are off until they are written, and `true` is all of their defaults', () => {
    expect(policyOf({})).toMatchObject({ adaptiveConcurrency: false, throttle: false })
    expect(policyOf({ adaptiveConcurrency: true, throttle: true })).toMatchObject({
      adaptiveConcurrency: DEFAULT_ADAPTIVE_CONCURRENCY,
      throttle: DEFAULT_THROTTLE,
    })
  })

  it('are read field by field, and laid over what is below', () => {
    const below = {
      adaptiveConcurrency: { algorithm: 'vegas', minLimit: 5, updateInterval: '2s', minRtt: { interval: '30s', requests: 20 } },
      throttle: { successPercent: 90, window: '10s' },
    }
    const above = {
      adaptiveConcurrency: { minRtt: { jitterPercent: 0, bufferPercent: 50 }, maxLatency: '1s', maxLimit: 50 },
      throttle: { aggression: 2, maxRejectPercent: 50, minPerSecond: 3 },
    }
    const both = {
      adaptiveConcurrency: {
        algorithm: 'vegas',
        minLimit: 5,
        maxLimit: 50,
        updateIntervalMs: 2_000,
        minRttIntervalMs: 30_000,
        minRttRequests: 20,
        minRttJitterPercent: 0,
        minRttBufferPercent: 50,
        maxLatencyMs: 1_000,
      },
      throttle: { successPercent: 90, windowMs: 10_000, aggression: 2, maxRejectPercent: 50, minPerSecond: 3 },
    }
    expect(policyOf(below, above)).toMatchObject(both)
    expect(policyOf(below, above, { adaptiveConcurrency: true, throttle: true })).toMatchObject(both)
    expect(policyOf(below, { adaptiveConcurrency: false, throttle: false })).toMatchObject({ adaptiveConcurrency: false, throttle: false })
  })

  it('the adaptive limit stands before the application too', () => {
    expect(parseMeshOptions({}).inbound.adaptiveConcurrency).toBe(false)
    expect(parseMeshOptions({ inbound: { adaptiveConcurrency: true } }).inbound.adaptiveConcurrency).toEqual(DEFAULT_ADAPTIVE_CONCURRENCY)
    expect(parseMeshOptions({ inbound: { adaptiveConcurrency: { maxLimit: 9 } } }).inbound.adaptiveConcurrency).toEqual({
      ...DEFAULT_ADAPTIVE_CONCURRENCY,
      maxLimit: 9,
    })
  })

  it.each([
    [{ adaptiveConcurrency: 'on' }, 'defaults.adaptiveConcurrency: expected an object, got "on"'],
    [
      { adaptiveConcurrency: { algorithm: 'gradient3' } },
      'adaptiveConcurrency.algorithm: expected gradient, gradient2, vegas, aimd, got "gradient3"',
    ],
    [{ adaptiveConcurrency: { minLimit: 0 } }, 'adaptiveConcurrency.minLimit: expected an integer from 1 to 1000000, got 0'],
    [{ adaptiveConcurrency: { minLimit: 9, maxLimit: 8 } }, 'adaptiveConcurrency.maxLimit: expected at least minLimit (9), got 8'],
    [{ adaptiveConcurrency: { minRtt: { request: 5 } } }, 'adaptiveConcurrency.minRtt.request: unknown key, did you mean "requests"?'],
    [{ adaptiveConcurrency: { minRtt: { bufferPercent: 0.25 } } }, 'did you mean 25?'],
    [{ throttle: { successPercent: 0 } }, 'defaults.throttle.successPercent: expected a percentage from 1 to 100, got 0'],
    [{ throttle: { aggression: 0 } }, 'defaults.throttle.aggression: expected a number from 0.1 to 10, got 0'],
    [{ throttle: { window: 0 } }, 'defaults.throttle.window: expected a duration above 0'],
    [{ retry: { repeatRetried: 1 } }, 'defaults.retry.repeatRetried: expected a boolean, got 1'],
  ])('%j is refused', (defaults, message) => expect(() => parseMeshOptions({ defaults })).toThrow(message))

  it('a problem of the inbound limit tells its place', () =>
    expect(() => parseMeshOptions({ inbound: { adaptiveConcurrency: { minLimit: -1 } } })).toThrow(
      'inbound.adaptiveConcurrency.minLimit: expected',
    ))
})

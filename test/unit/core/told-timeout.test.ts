import { describe, expect, it } from 'vitest'
import { grpcTimeout, parseExpectedTimeout, parseGrpcTimeout, toldMs } from '../../../src/core/told-timeout.ts'

const DAY = 86_400_000

describe('grpc-timeout', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['5S', 5_000],
    ['100m', 100],
    ['1500u', 1.5],
    ['1000000n', 1],
    ['0n', 0],
    ['0S', 0],
    ['00000007S', 7_000],
    ['99999999H', 24 * DAY],
    ['99999999S', 24 * DAY],
  ])('%s', (written, ms) => expect(parseGrpcTimeout(written)).toBeCloseTo(ms, 6))

  it.each([undefined, '', 'S', '5', '5s', '5 S', '-5S', '+5S', '1.5S', '123456789S', '5SS', '1e3m', '٥S', '5S, 5S'])(
    '%s is none',
    (written) => expect(parseGrpcTimeout(written)).toBeUndefined(),
  )

  it.each([
    [1, '1m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [24 * DAY, '2073600S'],
  ])('%d ms is written %s, and read back', (ms, written) => {
    expect(grpcTimeout(ms)).toBe(written)
    expect(parseGrpcTimeout(written)).toBe(ms)
  })
})

describe('x-envoy-expected-rq-timeout-ms', () => {
  it.each([
    ['1', 1],
    ['15000', 15_000],
    ['999999999999', 24 * DAY],
  ])('%s', (written, ms) => expect(parseExpectedTimeout(written)).toBe(ms))

  it.each([undefined, '', '0', '-1', '1.5', '1e9', ' 5', '5ms', '0x10', '1234567890123', 'Infinity', 'NaN', '5, 6'])(
    '%s is none',
    (written) => expect(parseExpectedTimeout(written)).toBeUndefined(),
  )

  it.each([
    [0, 1],
    [-5, 1],
    [0.4, 1],
    [99.9, 99],
    [Number.POSITIVE_INFINITY, 24 * DAY],
  ])('%d ms that are left are told as %d', (left, told) => expect(toldMs(left)).toBe(told))
})

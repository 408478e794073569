import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../../src/core/token-bucket.ts'

/** A bucket that holds `burst` and gets `perSecond` tokens a second. */
const bucketOf = (burst: number, perSecond: number) => new TokenBucket({ burst, ratePerMs: perSecond / 1_000 }, 0)

/** How many of `tries` calls at `now` get a token. */
function taken(bucket: TokenBucket, now: number, tries = 100): number {
  let count = 0
  for (let each = 0; each < tries; each++) if (bucket.take(now)) count++
  return count
}

describe('a token bucket', () => {
  it.each<[string, burst: number, perSecond: number, steps: [now: number, taken: number][]]>([
    [
      'begins full, and gives no more',
      5,
      10,
      [
        [0, 5],
        [0, 0],
        [99, 0],
      ],
    ],
    [
      'gets a token when its time has come, not before',
      5,
      10,
      [
        [0, 5],
        [99.9, 0],
        [100, 1],
        [199, 0],
        [200, 1],
      ],
    ],
    [
      'keeps fractions',
      1,
      3,
      [
        [0, 1],
        [333, 0],
        [334, 1],
        [667, 0],
        [668, 1],
      ],
    ],
    [
      'holds no more than its burst, however long it is quiet',
      3,
      10,
      [
        [0, 3],
        [1e9, 3],
        [1e9, 0],
      ],
    ],
    [
      'is not moved by a clock that goes back',
      2,
      1,
      [
        [1_000, 2],
        [0, 0],
        [1_999, 0],
        [2_000, 1],
      ],
    ],
  ])('%s', (_, burst, perSecond, steps) => {
    const bucket = bucketOf(burst, perSecond)
    expect(steps.map(([now]) => [now, taken(bucket, now)])).toEqual(steps)
  })

  it('says how long to wait, and that wait is enough', () => {
    const bucket = bucketOf(1, 3)
    expect(bucket.waitMs(0)).toBe(0)
    bucket.take(0)
    for (let now = 0, turn = 0; turn < 1_000; turn++) {
      now += bucket.waitMs(now)
      expect(bucket.take(now)).toBe(true)
    }
  })

  it('shows whole tokens', () => {
    const bucket = bucketOf(3, 1)
    bucket.take(0)
    expect([bucket.left(0), bucket.left(999), bucket.left(1_000)]).toEqual([2, 2, 3])
  })
})

describe('reconfigured', () => {
  it.each<[string, spent: number, burst: number, left: number]>([
    ['larger: what was spent stays spent', 4, 10, 6],
    ['smaller: what was spent stays spent', 1, 3, 2],
    ['smaller than what was spent: nothing is left', 4, 2, 0],
  ])('%s', (_, spent, burst, left) => {
    const bucket = bucketOf(5, 1)
    taken(bucket, 0, spent)
    bucket.reconfigure({ burst, ratePerMs: 0.001 }, 0)
    expect(bucket.left(0)).toBe(left)
  })

  it('there and back again refills nothing', () => {
    const bucket = bucketOf(10, 1)
    taken(bucket, 0, 9)
    for (const burst of [2, 10, 1, 10]) bucket.reconfigure({ burst, ratePerMs: 0.001 }, 0)
    expect(bucket.left(0)).toBe(1)
  })

  it('time until the push counts at the former rate', () => {
    const bucket = bucketOf(10, 1)
    taken(bucket, 0, 10)
    bucket.reconfigure({ burst: 10, ratePerMs: 0.01 }, 2_000)
    expect([bucket.left(2_000), bucket.left(2_100)]).toEqual([2, 3])
  })
})

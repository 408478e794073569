import { describe, expect, it } from 'vitest'
import { placeShares } from '../../../../src/balancing/spread/place-weights.ts'
import { priorityLoads } from '../../../../src/balancing/spread/priority-load.ts'
import { zoneShares } from '../../../../src/balancing/spread/zone-shares.ts'

const ENVOY = { overprovisioningPercent: 140, panicPercent: 50 }

/** Levels as `[total, healthy, degraded?]`, and what each gets as `healthy`, `healthy+degraded`, `!` in panic. */
type Level = readonly [total: number, healthy: number, degraded?: number]

function loads(levels: readonly Level[], settings = ENVOY): string {
  const counts = levels.map(([total, healthy, degraded = 0]) => ({ total, healthy, degraded }))
  return priorityLoads(counts, settings)
    .map(({ healthy, degraded, panic }) => `${healthy}${degraded === 0 ? '' : `+${degraded}`}${panic ? '!' : ''}`)
    .join(' ')
}

describe('load of priorities: the figures of Envoy', () => {
  it.each<[levels: Level[], expected: string]>([
    [[[100, 100]], '100'],
    [[[100, 50]], '100'],
    [
      [
        [100, 100],
        [100, 100],
      ],
      '100 0',
    ],
    [
      [
        [100, 72],
        [100, 72],
      ],
      '100 0',
    ],
    [
      [
        [100, 71],
        [100, 71],
      ],
      '99 1',
    ],
    [
      [
        [100, 50],
        [100, 100],
      ],
      '70 30',
    ],
    [
      [
        [100, 25],
        [100, 100],
      ],
      '35 65',
    ],
    [
      [
        [100, 0],
        [100, 100],
      ],
      '0 100',
    ],
    [
      [
        [100, 50],
        [100, 50],
      ],
      '70 30',
    ],
    [[[100, 25, 65]], '35+65'],
    [[[4, 3, 1]], '100'],
    [[[4, 2, 2]], '70+30'],
    [[[4, 0, 4]], '0+100'],
    [
      [
        [100, 0, 100],
        [100, 50],
      ],
      '0+30 70',
    ],
    [
      [
        [100, 30, 70],
        [100, 20],
      ],
      '42+30 28',
    ],
    // One level panics and the other does not.
    [
      [
        [5, 1],
        [2, 1],
      ],
      '29! 71',
    ],
    // All panic: by the number of endpoints, and what rounding leaves to the first.
    [
      [
        [2, 0],
        [1, 0],
      ],
      '67! 33!',
    ],
    [
      [
        [3, 0],
        [3, 0],
        [3, 0],
      ],
      '34! 33! 33!',
    ],
    [
      [
        [0, 0],
        [2, 0],
        [1, 0],
      ],
      '0! 67! 33!',
    ],
  ])('%j: %s', (levels, expected) => expect(loads(levels)).toBe(expected))

  it.each<[levels: Level[], settings: typeof ENVOY, expected: string]>([
    // Health 25, 25 and 20 of a hundred: what Envoy's documentation gives as 36, 36, 28 and its code as 37, 35, 28.
    [
      [
        [56, 10],
        [56, 10],
        [7, 1],
      ],
      { ...ENVOY, panicPercent: 0 },
      '37 35 28',
    ],
    // Nobody may panic: calls find nobody, or whoever is left of so many that rounding would forget him.
    [[[10, 0]], { ...ENVOY, panicPercent: 0 }, '100'],
    [
      [
        [10, 0],
        [10, 0],
      ],
      { ...ENVOY, panicPercent: 0 },
      '100 0',
    ],
    [
      [
        [10, 0],
        [1_000, 1],
      ],
      { ...ENVOY, panicPercent: 0 },
      '0 100',
    ],
    [
      [
        [10, 0],
        [1_000, 0, 1],
      ],
      { ...ENVOY, panicPercent: 0 },
      '0 0+100',
    ],
    [
      [
        [100, 90],
        [100, 100],
      ],
      { ...ENVOY, overprovisioningPercent: 100 },
      '90 10',
    ],
    [
      [
        [100, 40],
        [100, 100],
      ],
      { ...ENVOY, overprovisioningPercent: 250 },
      '100 0',
    ],
    [[[100, 49]], { ...ENVOY, overprovisioningPercent: 1_000 }, '100'],
  ])('%j with %j: %s', (levels, settings, expected) => expect(loads(levels, settings)).toBe(expected))
})

describe('weights of places: X weighs 1 and Y 2, of X so many are available', () => {
  it.each([
    [100, 33.33, 66.67],
    [72, 33.33, 66.67],
    [70, 32.89, 67.11],
    [50, 25.93, 74.07],
    [25, 14.89, 85.11],
    [0, 0, 100],
  ])('%d of 100: %d %% and %d %%', (available, x, y) => {
    const shares = placeShares(
      [
        { weight: 1, total: 100, available },
        { weight: 2, total: 100, available: 100 },
      ],
      140,
    )
    expect(shares.map((share) => Math.round(share * 10_000) / 100)).toEqual([x, y])
  })

  it('0 for all when nobody is left', () => {
    expect(placeShares([{ weight: 1, total: 2, available: 0 }], 140)).toEqual([0])
    expect(placeShares([{ weight: 0, total: 2, available: 2 }], 140)).toEqual([0])
  })
})

describe('zones: the calls of the first of them', () => {
  it.each<[capacity: number[], callers: number[], local: number, residual: number[], shares: number[]]>([
    [[25, 50, 25], [40, 40, 20], 6_250, [0, 1_000, 1_500], [0.625, 0.25, 0.125]],
    [[1, 1, 1], [1, 1, 1], 10_000, [0, 0, 0], [1, 0, 0]],
    [[50, 25, 25], [40, 40, 20], 10_000, [0, 0, 500], [1, 0, 0]],
    [[0, 1], [1, 1], 0, [0, 5_000], [0, 1]],
    // All callers are here: as if there were no zones.
    [[2, 2, 4], [3, 0, 0], 2_500, [0, 2_500, 7_500], [0.25, 0.25, 0.5]],
    // None is, as far as anybody knows.
    [[1, 1], [0, 1], 10_000, [0, 0], [1, 0]],
  ])('capacity %j, callers %j: %d of 10,000 stay', (capacity, callers, local, residual, shares) => {
    const zones = capacity.map((each, index) => ({ capacity: each, callers: callers[index] as number }))
    expect(zoneShares(zones, 0)).toEqual({ local, residual, shares })
  })
})

import { describe, expect, it } from 'vitest'
import { quarterOctaveOf } from '../../../src/core/quarter-octaves.ts'

describe('a column of a quarter of an octave', () => {
  it.each([
    [Number.NEGATIVE_INFINITY, 0],
    [0, 0],
    [1, 0],
    [1.000_1, 1],
    [2, 4],
    [2.01, 5],
    [3, 7],
    [1_000, 40],
    [1_024, 40],
    [1_025, 41],
    [2 ** 20.74, 83],
    [2 ** 20.76, 83],
    [2 ** 40, 83],
    [Number.POSITIVE_INFINITY, 83],
    [Number.NaN, 83],
  ])('of %d is %d of 84', (value, column) => {
    expect(quarterOctaveOf(value, 84)).toBe(column)
  })

  it('goes up to its bound, and no further', () => {
    for (let value = 1.01; value < 2 ** 28; value *= 1.013) {
      const column = quarterOctaveOf(value, 120)
      expect(value).toBeLessThanOrEqual(2 ** (column / 4))
      expect(value).toBeGreaterThan(2 ** ((column - 1) / 4))
    }
  })
})

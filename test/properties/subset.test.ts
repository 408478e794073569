import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { subsetOf } from '../../src/balancing/index.ts'
import { subsetSeed } from '../../src/balancing/subset-score.ts'
import type { EndpointSpec } from '../../src/core/endpoint.ts'
import { specOf } from '../support/sample.ts'

const specsOf = (count: number, change: (index: number) => Partial<EndpointSpec> = () => ({})): EndpointSpec[] =>
  Array.from({ length: count }, (_, index) => {
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`
    return specOf(index, { id: address, address, ...change(index) })
  })

describe('a subset', () => {
  const count = fc.integer({ min: 0, max: 400 })
  const size = fc.integer({ min: 1, max: 150 })
  const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 })

  it('has its size, keeps the order, and is the same for the same process', () => {
    fc.assert(
      fc.property(count, size, seed, (all, wanted, start) => {
        const specs = specsOf(all)
        const taken = subsetOf(specs, wanted, start)
        expect(taken).toHaveLength(Math.min(all, wanted))
        expect(taken).toEqual(specs.filter((spec) => taken.includes(spec)))
        expect(subsetOf([...specs].reverse(), wanted, start)).toEqual([...taken].reverse())
        if (all <= wanted) expect(taken).toBe(specs)
      }),
    )
  })

  it('one that comes or goes changes one place at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), size, seed, fc.nat(), (all, wanted, start, which) => {
        const specs = specsOf(all)
        const without = specs.filter((_, index) => index !== which % all)
        const before = new Set(subsetOf(specs, wanted, start))
        const after = subsetOf(without, wanted, start)
        expect(after.filter((spec) => !before.has(spec)).length).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('has its size of every priority', () => {
    const specs = specsOf(600, (index) => ({ priority: index % 3 }))
    const taken = subsetOf(specs, 20, 7)
    for (const priority of [0, 1, 2]) expect(taken.filter((spec) => spec.priority === priority)).toHaveLength(20)
    expect(
      subsetOf(
        specsOf(30, (index) => ({ priority: index % 3 })),
        20,
        7,
      ),
    ).toHaveLength(30)
  })

  it('processes take others, and every endpoint about as many processes', () => {
    const specs = specsOf(1_000)
    const processes = 500
    const counts = new Map(specs.map((spec) => [spec.id, 0]))
    const first = new Set(subsetOf(specs, 100, subsetSeed('default/web', 0)))
    let shared = 0
    for (let instance = 0; instance < processes; instance++) {
      const taken = subsetOf(specs, 100, subsetSeed('default/web', instance * 7_919))
      for (const { id } of taken) counts.set(id, (counts.get(id) as number) + 1)
      if (instance > 0) shared += taken.filter((spec) => first.has(spec)).length
    }
    // 500 × 100 ÷ 1000 = 50 on average, binomial: a standard deviation of 6.7.
    const each = [...counts.values()]
    expect(Math.min(...each)).toBeGreaterThan(50 - 5 * 6.7)
    expect(Math.max(...each)).toBeLessThan(50 + 5 * 6.7)
    const deviation = Math.sqrt(each.reduce((sum, one) => sum + (one - 50) ** 2, 0) / each.length)
    expect(deviation).toBeLessThan(8)
    // Two of them share a tenth of theirs.
    expect(shared / (processes - 1)).toBeCloseTo(10, 0)
  })

  it('two services of one process take others', () => {
    const specs = specsOf(1_000)
    const shared = subsetOf(specs, 100, subsetSeed('default/web', 1)).filter((spec) =>
      subsetOf(specs, 100, subsetSeed('default/api', 1)).includes(spec),
    )
    expect(shared.length).toBeLessThan(30)
  })
})

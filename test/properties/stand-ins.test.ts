import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SubsetMembers, subsetSeed } from '../../src/balancing/index.ts'
import { scoreOf } from '../../src/balancing/subset-score.ts'
import type { EndpointSpec } from '../../src/core/endpoint.ts'
import { specOf } from '../support/sample.ts'

const specsOf = (count: number, from = 0): EndpointSpec[] =>
  Array.from({ length: count }, (_, place) => {
    const index = from + place
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:80`
    return specOf(index, { id: address, address })
  })

/** A process that uses a part of `specs`, and knows of those that it uses whether they are out. */
class Process {
  readonly out = new Set<string>()
  used: readonly EndpointSpec[] = []
  /** Changes of the part so far. */
  changes = 0
  private readonly seed: number
  private readonly members: SubsetMembers

  constructor(seed: number, size: number) {
    this.seed = seed
    this.members = new SubsetMembers(
      () => seed,
      (id) => !this.out.has(id),
    )
    this.members.configure(size)
  }

  /** What endpoints are now, of which `dead` are out: told of those that are used, until nothing changes. */
  settle(specs: readonly EndpointSpec[], dead: ReadonlySet<string>, now: number): void {
    if (this.used.length === 0) this.adopt(specs, now)
    for (;;) {
      for (const { id } of this.used) {
        if (dead.has(id)) this.out.add(id)
        else this.out.delete(id)
      }
      if (!this.members.look(now)) return
      this.adopt(specs, now)
    }
  }

  adopt(specs: readonly EndpointSpec[], now: number): void {
    const steps = this.members.steps(specs, now)
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    this.used = step.value
    this.changes++
  }

  get usable(): number {
    return this.used.filter(({ id }) => !this.out.has(id)).length
  }

  /** All of them as they stand in its row. */
  rowOf(specs: readonly EndpointSpec[]): EndpointSpec[] {
    return [...specs].sort((a, b) => scoreOf(a.id, this.seed) - scoreOf(b.id, this.seed))
  }
}

const count = fc.integer({ min: 1, max: 300 })
const size = fc.integer({ min: 1, max: 40 })
const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const share = fc.double({ min: 0, max: 1, noNaN: true })
const draws = fc.array(share, { minLength: 300, maxLength: 300 })

describe('a part of the endpoints, of which some are out', () => {
  it('has its size in use, or everybody in use that there is; it is the beginning of a row, and no longer than it takes', () => {
    fc.assert(
      fc.property(count, size, seed, share, draws, (all, wanted, start, dying, drawn) => {
        const specs = specsOf(all)
        const dead = new Set(specs.filter((_, index) => (drawn[index] as number) < dying).map(({ id }) => id))
        const process = new Process(start, wanted)
        process.settle(specs, dead, 0)
        const row = process.rowOf(specs)
        const most = row.slice(0, Math.max(4 * wanted, wanted + 32))
        const healthy = most.filter(({ id }) => !dead.has(id)).length
        if (all <= wanted) {
          expect(process.used).toHaveLength(all)
          return
        }
        expect(process.usable).toBe(Math.min(wanted, healthy))
        const ids = new Set(process.used.map(({ id }) => id))
        expect(row.slice(0, ids.size).every(({ id }) => ids.has(id))).toBe(true)
        if (healthy > wanted) expect(dead.has((row[ids.size - 1] as EndpointSpec).id)).toBe(false)
        expect(process.used).toEqual(specs.filter(({ id }) => ids.has(id)))
      }),
    )
  })

  it('whatever comes, goes, fails and heals, and when: never fewer in use than the size, never more than twice of it', () => {
    const step = fc.record({ share, draws, removed: fc.nat({ max: 120 }), added: fc.nat({ max: 120 }), afterMs: fc.nat({ max: 90_000 }) })
    fc.assert(
      fc.property(size, seed, fc.array(step, { minLength: 1, maxLength: 12 }), (wanted, start, steps) => {
        const process = new Process(start, wanted)
        let specs = specsOf(200)
        let next = 1_000
        let now = 0
        process.settle(specs, new Set(), now)
        for (const { share: dying, draws: drawn, removed, added, afterMs } of steps) {
          now += afterMs
          specs = [...specs.slice(Math.min(removed, specs.length - wanted - 1)), ...specsOf(added, next)]
          next += added
          const dead = new Set(specs.filter((_, index) => (drawn[index % 300] as number) < dying).map(({ id }) => id))
          process.adopt(specs, now)
          process.settle(specs, dead, now)
          const most = process.rowOf(specs).slice(0, Math.max(4 * wanted, wanted + 32))
          const healthy = most.filter(({ id }) => !dead.has(id)).length
          expect(process.usable).toBeGreaterThanOrEqual(Math.min(wanted, healthy))
          now += 10_000
          process.settle(specs, dead, now)
          expect(process.usable).toBeGreaterThanOrEqual(Math.min(wanted, healthy))
          expect(process.usable).toBeLessThanOrEqual(2 * wanted)
        }
      }),
      { numRuns: 25 },
    )
  })

  it('endpoints that flap, however many, leave it as it is once it is wide enough', () => {
    fc.assert(
      fc.property(size, seed, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 10, max: 9_000 }), (wanted, start, flapping, everyMs) => {
        const specs = specsOf(300)
        const process = new Process(start, wanted)
        process.settle(specs, new Set(), 0)
        const flap = new Set(
          process
            .rowOf(specs)
            .slice(0, flapping)
            .map(({ id }) => id),
        )
        const end = 30 * everyMs
        process.settle(specs, flap, 0)
        const { changes } = process
        for (let now = everyMs, turn = 1; now < end; now += everyMs, turn++) process.settle(specs, turn % 2 === 0 ? flap : new Set(), now)
        expect(process.changes).toBe(changes)
      }),
      { numRuns: 25 },
    )
  })

  it('the load of those that are out is spread over all that are left, as evenly as the load of the parts is', () => {
    const specs = specsOf(1_000)
    const dead = new Set(specs.filter((_, index) => index % 3 === 0).map(({ id }) => id))
    const uses = new Map(specs.map(({ id }) => [id, 0]))
    const processes = 500
    for (let instance = 0; instance < processes; instance++) {
      const process = new Process(subsetSeed('default/web', instance * 7_919), 50)
      process.settle(specs, dead, 0)
      expect(process.usable).toBe(50)
      for (const { id } of process.used) if (!dead.has(id)) uses.set(id, (uses.get(id) as number) + 1)
    }
    const living = [...uses].filter(([id]) => !dead.has(id)).map(([, times]) => times)
    // 500 × 50 ÷ 666 = 37.5 on average, with the spread of chance: 5.9.
    const mean = (processes * 50) / living.length
    expect(Math.min(...living)).toBeGreaterThan(mean - 5 * Math.sqrt(mean))
    expect(Math.max(...living)).toBeLessThan(mean + 5 * Math.sqrt(mean))
    const deviation = Math.sqrt(living.reduce((sum, one) => sum + (one - mean) ** 2, 0) / living.length)
    expect(deviation).toBeLessThan(1.2 * Math.sqrt(mean))
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import type { HashTable, TableSteps } from '../../../src/balancing/hash-table.ts'
import { BoundedLoad, HashPolicy, loadXxHash64, Maglev, RingHash, type XxHash64 } from '../../../src/balancing/index.ts'
import { MaglevTables } from '../../../src/balancing/maglev-table.ts'
import { MersenneTwister } from '../../../src/balancing/mersenne-twister.ts'
import { ringSteps } from '../../../src/balancing/ring-table.ts'
import { Endpoint } from '../../../src/core/endpoint.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { callOf, specOf } from '../../support/sample.ts'

let hash: XxHash64
beforeAll(async () => {
  hash = await loadXxHash64()
})

function at(address: string, weight = 1): Endpoint {
  return new Endpoint('orders', specOf(1, { id: address, address, weight }))
}

/** The hosts of Envoy's unit tests, 127.0.0.1:90 to :95. */
const hosts = Array.from({ length: 6 }, (_, index) => at(`127.0.0.1:${90 + index}`))
const portOf = (endpoint: Endpoint | undefined): number => Number(endpoint?.address.slice(-2))

function built(steps: TableSteps): HashTable {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** How many slots each member has. */
function sharesOf(table: HashTable): number[] {
  const counts = table.members.map(() => 0)
  for (let slot = 0; slot < table.size; slot++) counts[table.memberAt(slot)] = (counts[table.memberAt(slot)] as number) + 1
  return counts
}

const halves = (value: bigint): [hi: number, lo: number] => [Number(value >> 32n), Number(value & 0xffff_ffffn)]

describe('XXH64', () => {
  it.each([
    // From the reference implementation.
    ['', 0n, 0xef46_db37_51d8_e999n],
    ['a', 0n, 0xd24e_c4f1_a98c_6e5bn],
    ['abc', 0n, 0x44bc_2cf5_ad77_0999n],
    ['', 1n, 0xd5af_ba13_36a3_be4bn],
  ])('of %j with seed %d', (text, seed, expected) => {
    hash.hash(text, seed)
    expect([hash.hi, hash.lo]).toEqual(halves(expected))
  })

  it('of several texts is seeded with the one before', () => {
    hash.hash('a')
    const first = (BigInt(hash.hi) << 32n) | BigInt(hash.lo)
    hash.hash('b', first)
    const expected = [hash.hi, hash.lo]
    hash.hashAll(['a', 'b'])
    expect([hash.hi, hash.lo]).toEqual(expected)
  })
})

describe("Envoy's ring", () => {
  it('has the entries of its unit test', () => {
    const table = built(ringSteps(hosts, { minSize: 12, maxSize: 8_388_608 }, hash))
    const entries: [bigint, number][] = [
      [833437586790550860n, 94],
      [928266305478181108n, 92],
      [1033482794131418490n, 90],
      [3551244743356806947n, 95],
      [3851675632748031481n, 93],
      [5583722120771150861n, 91],
      [6311230543546372928n, 91],
      [7700377290971790572n, 93],
      [13144177310400110813n, 95],
      [13444792449719432967n, 92],
      [15516499411664133160n, 94],
      [16117243373044804889n, 90],
    ]
    expect(table.size).toBe(12)
    for (const [slot, [entry, port]] of entries.entries()) {
      // An entry belongs to its own hash, and to all above the one before.
      expect(table.slotOf(...halves(entry), 0)).toBe(slot)
      expect(table.slotOf(...halves(entry - 1n), 0)).toBe(slot)
      expect(table.slotOf(...halves(entry + 1n), 0)).toBe((slot + 1) % 12)
      expect(portOf(hosts[table.memberAt(slot)])).toBe(port)
      // A further try takes the next entry.
      expect(table.slotOf(...halves(entry), 2)).toBe((slot + 2) % 12)
    }
    expect(table.slotOf(...halves(2n ** 64n - 1n), 0)).toBe(0)
  })

  it.each([
    // weights, minSize, maxSize → entries of each
    [[1, 1, 1, 1, 1, 1], 12, 8_388_608, [2, 2, 2, 2, 2, 2]],
    [[1, 1, 1], 1_024, 8_388_608, [342, 342, 342]],
    [[1, 2], 3, 8_388_608, [1, 2]],
    [[1, 2, 3], 7, 8_388_608, [2, 4, 6]],
    [[1, 999], 1, 8_388_608, [1, 999]],
    // What would be more than the maximum is scaled down to it.
    [[1, 1, 1], 10, 5, [2, 2, 1]],
    [[1, 2], 1_024, 6, [2, 4]],
  ])('weights %j, from %d to %d entries: %j', (weights, minSize, maxSize, expected) => {
    const members = weights.map((weight, index) => at(`10.0.0.${index}:80`, weight))
    expect(sharesOf(built(ringSteps(members, { minSize, maxSize }, hash)))).toEqual(expected)
  })

  it('is in order, whatever its size', () => {
    const members = Array.from({ length: 500 }, (_, index) => at(`10.0.${index >> 8}.${index & 255}:80`, 1 + (index % 7)))
    const table = built(ringSteps(members, { minSize: 60_000, maxSize: 8_388_608 }, hash))
    expect(table.size).toBeGreaterThan(60_000)
    // Each hash leads to a slot of its own owner.
    for (const [index, member] of members.entries()) {
      hash.hash(`${member.address}_0`)
      expect(table.memberAt(table.slotOf(hash.hi, hash.lo, 0))).toBe(index)
    }
  })
})

describe("Envoy's Maglev table", () => {
  it('has the slots of its unit test', () => {
    const table = built(new MaglevTables(7, hash).steps(hosts))
    expect(Array.from({ length: 7 }, (_, slot) => portOf(hosts[table.memberAt(slot)]))).toEqual([92, 94, 90, 91, 95, 90, 93])
    expect(table.slotOf(0, 13, 0)).toBe(6)
  })

  it('follows the weights, and is the same in whatever order the endpoints come', () => {
    const members = [at('127.0.0.1:90', 1), at('127.0.0.1:91', 2)]
    expect(sharesOf(built(new MaglevTables(65_537, hash).steps(members)))).toEqual([21_846, 43_691])
    expect(sharesOf(built(new MaglevTables(65_537, hash).steps([...members].reverse())))).toEqual([43_691, 21_846])
  })

  it('a slot is the remainder of all 64 bits', () => {
    const table = built(new MaglevTables(100_003, hash).steps(hosts))
    for (const value of [0n, 1n, 2n ** 32n, 2n ** 64n - 1n, 0xd24e_c4f1_a98c_6e5bn])
      expect(table.slotOf(...halves(value), 0)).toBe(Number(value % 100_003n))
    // hash ^= ~0 - tries + 1
    for (const tries of [1, 2, 3]) {
      const value = 0xd24e_c4f1_a98c_6e5bn
      expect(table.slotOf(...halves(value), tries)).toBe(Number((value ^ (2n ** 64n - BigInt(tries))) % 100_003n))
    }
  })

  it('what was remembered builds the same table', () => {
    const members = Array.from({ length: 3_000 }, (_, index) => at(`10.0.${index % 50}.${index}:80`))
    const tables = new MaglevTables(65_537, hash)
    built(tables.steps(members.slice(0, 2_000)))
    built(tables.steps(members.slice(500)))
    // In another order, one of them with another key.
    const [first] = members as [Endpoint]
    first.spec = { ...first.spec, metadata: { hash_key: 'first' } }
    built(tables.steps([...members].reverse()))
    const again = built(tables.steps(members))
    const fresh = built(new MaglevTables(65_537, hash).steps(members))
    const slots = (table: HashTable): number[] => Array.from({ length: table.size }, (_, slot) => table.memberAt(slot))
    expect(slots(again).every((member, slot) => member === fresh.memberAt(slot))).toBe(true)
  })
})

describe("Envoy's bounded load", () => {
  it('MT19937 gives the numbers of C++', () => {
    const random = new MersenneTwister()
    random.seed(5_489)
    let last = 0
    for (let draw = 0; draw < 10_000; draw++) last = random.next()
    // ISO C++ [rand.predef]: the 10,000th of a default-constructed generator.
    expect(last).toBe(4_123_659_995)
  })

  /** As in Envoy's unit test: `full` are overloaded, and the key with this hash belongs to `chosen`. */
  function probe(count: number, seed: number, chosen: number, full: readonly number[]): number {
    const endpoints = Array.from({ length: count }, (_, index) => at(`127.0.0.1${index}:90`))
    for (const [order, index] of full.entries()) (endpoints[index] as Endpoint).inflight = 10 + order
    const picked = new BoundedLoad(1, () => 0).pick(endpoints[chosen] as Endpoint, endpoints, seed, callOf({ tries: 0 }))
    return endpoints.indexOf(picked)
  }

  it.each([
    // Its shuffles of five: seed 2 → 2 1 0 4 3, 6 → 4 0 2 3 1, 7 → 0 1 4 3 2.
    [5, 2, 2, [], 2],
    [5, 2, 2, [2], 1],
    [5, 2, 2, [0, 1, 2], 4],
    [5, 6, 3, [3], 4],
    [5, 7, 3, [3], 0],
    // All of them full: the least of it.
    [3, 0, 0, [1, 0, 2], 1],
  ])('of %d, hash %d leads to %d, with %j full: %d', (count, seed, chosen, full, expected) => {
    expect(probe(count, seed, chosen, full)).toBe(expected)
  })

  it('no endpoint has more under way than the factor allows', () => {
    const endpoints = Array.from({ length: 10 }, (_, index) => at(`10.0.0.${index}:80`))
    const policy = new HashPolicy(hash, [], Math.random, '')
    const balancer = new Maglev({ hash, policy, bounded: new BoundedLoad(1.25) })
    for (let call = 1; call <= 1_000; call++) {
      // One key has nearly all calls.
      const picked = balancer.pick(endpoints, callOf({ tries: 0, hashKey: call % 10 === 0 ? `${call}` : 'hot' })) as Endpoint
      picked.inflight++
      const most = Math.max(...endpoints.map(({ inflight }) => inflight))
      expect(most).toBeLessThanOrEqual(Math.ceil((call * 1.25 + 1) / 10) + 1)
    }
  })
})

describe.each(['ring-hash', 'maglev'] as const)('%s', (name) => {
  const make = (rules = {}) => {
    const parts = { hash, policy: new HashPolicy(hash, [], seededRandom(1), ''), ...rules }
    return name === 'maglev' ? new Maglev(parts, 65_537) : new RingHash(parts, { minSize: 1_024, maxSize: 8_388_608 })
  }
  const members = Object.freeze(Array.from({ length: 20 }, (_, index) => at(`10.0.0.${index}:80`)))
  const placeOf = (balancer: Maglev | RingHash, candidates: readonly Endpoint[], key: string, tried: Endpoint[] = []) =>
    balancer.pick(candidates, callOf({ tries: tried.length, hashKey: key }, tried), members) as Endpoint

  it('an ejection moves the keys of the ejected one only, and they come back', () => {
    const balancer = make()
    const keys = Array.from({ length: 2_000 }, (_, index) => `user-${index}`)
    const before = keys.map((key) => placeOf(balancer, members, key))
    const usable = Object.freeze(members.filter((_, index) => index !== 3 && index !== 7))
    const moved = new Set<Endpoint>()
    for (const [index, key] of keys.entries()) {
      const place = placeOf(balancer, usable, key)
      expect(usable).toContain(place)
      if (usable.includes(before[index] as Endpoint)) expect(place).toBe(before[index])
      else moved.add(place)
    }
    // What two endpoints shed is spread over many.
    expect(moved.size).toBeGreaterThan(10)
    expect(keys.map((key) => placeOf(balancer, members, key))).toEqual(before)
  })

  it('a further try takes another, always the same', () => {
    const balancer = make()
    for (const key of ['a', 'b', 'c', 'd']) {
      const first = placeOf(balancer, members, key)
      const second = placeOf(balancer, members, key, [first])
      const third = placeOf(balancer, members, key, [first, second])
      expect(new Set([first, second, third]).size).toBe(3)
      expect(placeOf(balancer, members, key, [first])).toBe(second)
    }
    const pair = Object.freeze(members.slice(0, 2))
    expect(balancer.pick(pair, callOf({ tries: 2, hashKey: 'a' }, [...pair]), pair)).toBeDefined()
  })

  it('none of none, one of one, and without a key a random one', () => {
    const balancer = make()
    expect(balancer.pick([], callOf({ tries: 0 }))).toBeUndefined()
    expect(balancer.pick(members.slice(0, 1), callOf({ tries: 0 }))).toBe(members[0])
    const seen = new Set(Array.from({ length: 500 }, () => balancer.pick(members, callOf({ tries: 0 }))))
    expect(seen.size).toBe(20)
  })

  it('while a table is built the former one serves, and what was begun is completed', () => {
    let now = 0
    const later: (() => void)[] = []
    const clock = { now: () => (now += 6), afterPoll: (fire: () => void) => void later.push(fire) }
    const balancer = make({ clock })
    const pick = (of: readonly Endpoint[]) => balancer.pick(of, callOf({ tries: 0, hashKey: 'user' }), of)
    const settle = (): void => {
      for (let turn = later.shift(); turn !== undefined; turn = later.shift()) turn()
    }
    // Every look at the clock says that a slice is over.
    const early = pick(members)
    expect(later).toHaveLength(1)
    expect(pick(members)).toBe(early)
    settle()
    const settled = pick(members)
    expect(settled).toBe(placeOf(make(), members, 'user'))
    const fewer = Object.freeze(members.filter((endpoint) => endpoint !== settled))
    const meanwhile = pick(fewer)
    expect(meanwhile).not.toBe(settled)
    expect(later).toHaveLength(1)
    // Members that come while it is built do not begin it anew.
    const fewest = Object.freeze(fewer.filter((endpoint) => endpoint !== meanwhile))
    pick(fewest)
    expect(later).toHaveLength(1)
    settle()
    pick(fewest)
    settle()
    expect(pick(fewest)).toBe(make().pick(fewest, callOf({ tries: 0, hashKey: 'user' }), fewest))
  })
})

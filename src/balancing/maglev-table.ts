import type { Endpoint, EndpointSpec } from '../core/endpoint.ts'
import { type HashTable, hashKeyOf, type TableSteps } from './hash-table.ts'
import type { XxHash64 } from './xxhash64.ts'

/** Table of a prime size in which each endpoint has its share of slots, and most keep theirs when others come and go. */
class MaglevTable implements HashTable {
  readonly members: readonly Endpoint[]
  readonly size: number
  /** Place of each slot's endpoint among the members, from 1 on. */
  private readonly owners: Uint16Array | Uint32Array

  constructor(members: readonly Endpoint[], owners: Uint16Array | Uint32Array) {
    this.members = members
    this.size = owners.length
    this.owners = owners
  }

  slotOf(hi: number, lo: number, tries: number): number {
    if (tries === 0) return remainder(hi, lo, this.size)
    // Envoy's `hash ^= ~0 - tries + 1`.
    return remainder(~hi >>> 0, (lo ^ -tries) >>> 0, this.size)
  }

  memberAt(slot: number): number {
    return (this.owners[slot] as number) - 1
  }
}

/** An endpoint's place in the order of keys, and its own permutation of the slots. */
interface Candidate {
  readonly endpoint: Endpoint
  /** What `key` and the permutation were made of. */
  readonly spec: EndpointSpec
  readonly key: string
  readonly offset: number
  readonly skip: number
  /** Its place among the members of the table that is built. */
  member: number
  /** The last build that it was in. */
  build: number
}

/**
 * Builds Maglev tables as Envoy does. It remembers what it hashed and the order of the keys, so that a change of a few endpoints costs
 * little more than filling the table anew.
 */
export class MaglevTables {
  private readonly size: number
  private readonly hash: XxHash64
  /** Those of the last table in the order of its members, and in the order of their keys; and how many tables there were. */
  private placed: readonly Candidate[] = []
  private sorted: readonly Candidate[] = []
  private build = 0

  /** @param size a prime */
  constructor(size: number, hash: XxHash64) {
    this.size = size
    this.hash = hash
  }

  *steps(members: readonly Endpoint[]): TableSteps {
    const sorted = yield* this.order(members)
    const { length } = sorted
    const owners = length < 0xffff ? new Uint16Array(this.size) : new Uint32Array(this.size)
    const slots = new Uint32Array(length)
    const skips = new Uint32Array(length)
    const places = new Uint32Array(length)
    const weights = new Float64Array(length)
    let sum = 0
    for (const { endpoint } of sorted) sum += endpoint.spec.weight
    let most = 0
    for (let index = 0; index < length; index++) {
      const { endpoint, offset, skip, member } = sorted[index] as Candidate
      slots[index] = offset
      skips[index] = skip
      places[index] = member + 1
      weights[index] = endpoint.spec.weight / sum
      most = Math.max(most, weights[index] as number)
    }
    yield
    const filling: Filling = {
      slots,
      skips,
      places,
      weights,
      targets: new Float64Array(length),
      most,
      owners,
      left: this.size,
      round: 1,
      next: 0,
    }
    while (filling.left > 0 && length > 0) {
      fill(filling, SLOTS_PER_STEP)
      yield
    }
    return new MaglevTable(members, owners)
  }

  /** The members in the order of their keys. */
  private *order(members: readonly Endpoint[]): Generator<undefined, readonly Candidate[]> {
    const { placed: former } = this
    const build = ++this.build
    const placed: Candidate[] = []
    const fresh: Candidate[] = []
    let byEndpoint: Map<Endpoint, Candidate> | undefined
    let beside = 0
    for (let index = 0; index < members.length; index++) {
      if (index % HASHES_PER_STEP === HASHES_PER_STEP - 1) yield
      const endpoint = members[index] as Endpoint
      let candidate: Candidate | undefined
      // Mostly the next is the next of before, or the one after it, or somebody new stands in front of it.
      if (former[beside]?.endpoint === endpoint) candidate = former[beside++]
      else if (former[beside + 1]?.endpoint === endpoint) {
        candidate = former[beside + 1]
        beside += 2
      } else if (former[beside] === undefined || former[beside]?.endpoint !== members[index + 1]) {
        byEndpoint ??= new Map(former.map((each) => [each.endpoint, each]))
        candidate = byEndpoint.get(endpoint)
      }
      if (candidate === undefined || candidate.spec !== endpoint.spec) {
        candidate = this.candidateOf(endpoint)
        fresh.push(candidate)
      }
      candidate.member = index
      candidate.build = build
      placed.push(candidate)
    }
    this.placed = placed
    yield
    this.sorted = yield* mergeSorted(
      this.sorted.filter((candidate) => candidate.build === build),
      yield* sortBySlices(fresh),
    )
    return this.sorted
  }

  private candidateOf(endpoint: Endpoint): Candidate {
    const { hash, size } = this
    const key = hashKeyOf(endpoint)
    hash.hash(key)
    const offset = remainder(hash.hi, hash.lo, size)
    hash.hash(key, 1n)
    const skip = remainder(hash.hi, hash.lo, size - 1) + 1
    return { endpoint, spec: endpoint.spec, key, offset, skip, member: 0, build: 0 }
  }
}

/** A table under construction; Envoy's names of the last four are target weight, table index, iteration and host. */
interface Filling {
  /** The slot that each wants next, and how far it is from there to the one after it. */
  readonly slots: Uint32Array
  readonly skips: Uint32Array
  /** Place of each among the members, from 1 on. */
  readonly places: Uint32Array
  readonly weights: Float64Array
  readonly targets: Float64Array
  readonly most: number
  readonly owners: Uint16Array | Uint32Array
  left: number
  round: number
  next: number
}

/** Gives `count` slots away: in each round every endpoint takes the next free one of its permutation, the light ones not in every round. */
function fill(filling: Filling, count: number): void {
  const { slots, skips, places, weights, targets, most, owners } = filling
  const size = owners.length
  const { length } = slots
  let { left, round, next } = filling
  const end = Math.max(0, left - count)
  while (left > end) {
    const weight = weights[next] as number
    const target = targets[next] as number
    if (round * weight >= target) {
      targets[next] = target + most
      const skip = skips[next] as number
      let slot = slots[next] as number
      while (owners[slot] !== NOBODY) {
        slot += skip
        if (slot >= size) slot -= size
      }
      owners[slot] = places[next] as number
      slot += skip
      slots[next] = slot >= size ? slot - size : slot
      left--
    }
    if (++next === length) {
      next = 0
      round++
    }
  }
  filling.left = left
  filling.round = round
  filling.next = next
}

function byKey(a: Candidate, b: Candidate): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

function* sortBySlices(candidates: readonly Candidate[]): Generator<undefined, readonly Candidate[]> {
  let runs: (readonly Candidate[])[] = []
  for (let index = 0; index < candidates.length; index += SORTED_PER_STEP) {
    runs.push(candidates.slice(index, index + SORTED_PER_STEP).sort(byKey))
    yield
  }
  while (runs.length > 1) {
    const merged: (readonly Candidate[])[] = []
    for (let index = 0; index < runs.length; index += 2)
      merged.push(yield* mergeSorted(runs[index] as readonly Candidate[], runs[index + 1] ?? []))
    runs = merged
  }
  return runs[0] ?? []
}

function* mergeSorted(a: readonly Candidate[], b: readonly Candidate[]): Generator<undefined, readonly Candidate[]> {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a
  const merged: Candidate[] = []
  let left = 0
  let right = 0
  while (left < a.length || right < b.length) {
    const end = Math.min(a.length + b.length, merged.length + MERGED_PER_STEP)
    while (merged.length < end) {
      const first = a[left]
      const second = b[right]
      if (second === undefined || (first !== undefined && byKey(first, second) <= 0)) {
        merged.push(first as Candidate)
        left++
      } else {
        merged.push(second)
        right++
      }
    }
    yield
  }
  return merged
}

/** The 64 bits of `hi` and `lo` modulo a number below 2^23, exactly. */
function remainder(hi: number, lo: number, modulus: number): number {
  return ((hi % modulus) * (0x1_0000_0000 % modulus) + lo) % modulus
}

/** Memory that is not written yet is all of it. */
const NOBODY = 0
const HASHES_PER_STEP = 1_024
const SLOTS_PER_STEP = 8_192
const SORTED_PER_STEP = 1_024
const MERGED_PER_STEP = 8_192

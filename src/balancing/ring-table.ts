import type { Endpoint } from '../core/endpoint.ts'
import { type HashTable, hashKeyOf, type TableSteps } from './hash-table.ts'
import type { XxHash64 } from './xxhash64.ts'

/** Ring of hashes in ascending order: a key belongs to the first hash that is not below its own (Envoy's ketama ring). */
class RingTable implements HashTable {
  readonly members: readonly Endpoint[]
  readonly size: number
  private readonly hi: Uint32Array
  private readonly lo: Uint32Array
  private readonly owners: Uint32Array

  constructor(members: readonly Endpoint[], { hi, lo, owners }: Entries) {
    this.members = members
    this.size = hi.length
    this.hi = hi
    this.lo = lo
    this.owners = owners
  }

  slotOf(hi: number, lo: number, tries: number): number {
    let from = 0
    let to = this.size
    while (from < to) {
      const middle = (from + to) >>> 1
      const upper = this.hi[middle] as number
      if (upper < hi || (upper === hi && (this.lo[middle] as number) < lo)) from = middle + 1
      else to = middle
    }
    return (from + tries) % this.size
  }

  memberAt(slot: number): number {
    return this.owners[slot] as number
  }
}

/** Entries of a ring: both halves of their hashes, and the places of their endpoints among the members. */
interface Entries {
  hi: Uint32Array
  lo: Uint32Array
  owners: Uint32Array
}

/**
 * The ring of `members` as Envoy builds it: `key_0`, `key_1` … hashed for each endpoint, so many that the lightest one has a whole
 * number of them and the ring at least `minSize`, at most `maxSize`.
 */
export function* ringSteps(
  members: readonly Endpoint[],
  { minSize, maxSize }: { readonly minSize: number; readonly maxSize: number },
  hash: XxHash64,
): TableSteps {
  let sum = 0
  let least = Number.POSITIVE_INFINITY
  for (const { spec } of members) {
    sum += spec.weight
    if (spec.weight < least) least = spec.weight
  }
  const share = least / sum
  const scale = Math.min(Math.ceil(share * minSize) / share, maxSize)
  const capacity = Math.ceil(scale) + 1
  const entries = entriesOf(capacity)
  let count = 0
  let target = 0
  for (let index = 0; index < members.length; index++) {
    const member = members[index] as Endpoint
    target += scale * (member.spec.weight / sum)
    const prefix = `${hashKeyOf(member)}_`
    for (let number = 0; count < target && count < capacity; number++) {
      hash.hash(prefix + number)
      entries.hi[count] = hash.hi
      entries.lo[count] = hash.lo
      entries.owners[count] = index
      count++
      if (count % HASHES_PER_STEP === 0) yield
    }
  }
  let from = firstOf(entries, count)
  let to = firstOf(entriesOf(capacity), count)
  for (const [half, shift] of DIGITS) {
    yield* sortByDigit(from, to, half, shift)
    const sorted = to
    to = from
    from = sorted
  }
  return new RingTable(members, from)
}

function entriesOf(capacity: number): Entries {
  return { hi: new Uint32Array(capacity), lo: new Uint32Array(capacity), owners: new Uint32Array(capacity) }
}

/** The same memory: a copy of a large ring would take longer than a slice may. */
function firstOf({ hi, lo, owners }: Entries, count: number): Entries {
  return { hi: hi.subarray(0, count), lo: lo.subarray(0, count), owners: owners.subarray(0, count) }
}

/** One pass of a radix sort, which keeps the order of equals; four of them sort 64 bits in pieces of 16. */
function* sortByDigit(from: Entries, to: Entries, half: 'hi' | 'lo', shift: number): Generator<undefined, void> {
  const { length } = from.hi
  const digits = from[half]
  const places = new Uint32Array(0x1_0000)
  for (let begin = 0; begin < length; begin += ENTRIES_PER_STEP) {
    if (begin > 0) yield
    count(digits, shift, places, begin, Math.min(length, begin + ENTRIES_PER_STEP))
  }
  let before = 0
  for (let digit = 0; digit < places.length; digit++) {
    const here = places[digit] as number
    places[digit] = before
    before += here
  }
  for (let begin = 0; begin < length; begin += ENTRIES_PER_STEP) {
    yield
    move(from, to, digits, shift, places, begin, Math.min(length, begin + ENTRIES_PER_STEP))
  }
}

// Loops of their own, since the engine makes little of loops that yield.
function count(digits: Uint32Array, shift: number, places: Uint32Array, begin: number, end: number): void {
  for (let index = begin; index < end; index++) {
    const digit = ((digits[index] as number) >>> shift) & 0xffff
    places[digit] = (places[digit] as number) + 1
  }
}

function move(from: Entries, to: Entries, digits: Uint32Array, shift: number, places: Uint32Array, begin: number, end: number): void {
  for (let index = begin; index < end; index++) {
    const digit = ((digits[index] as number) >>> shift) & 0xffff
    const place = places[digit] as number
    places[digit] = place + 1
    to.hi[place] = from.hi[index] as number
    to.lo[place] = from.lo[index] as number
    to.owners[place] = from.owners[index] as number
  }
}

/** From the least significant 16 bits to the most significant ones. */
const DIGITS = [
  ['lo', 0],
  ['lo', 16],
  ['hi', 0],
  ['hi', 16],
] as const
const HASHES_PER_STEP = 1_024
const ENTRIES_PER_STEP = 8_192

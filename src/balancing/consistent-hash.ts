import type { Affinity, Call } from '../core/call.ts'
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Balancer } from './balancer.ts'
import type { BoundedLoad } from './bounded-load.ts'
import type { HashPolicy } from './hash-policy.ts'
import type { HashTable, TableSteps } from './hash-table.ts'
import { MaglevTables } from './maglev-table.ts'
import { ringSteps } from './ring-table.ts'
import { TableBuilder } from './table-builder.ts'
import { UsableMembers } from './usable-members.ts'
import type { XxHash64 } from './xxhash64.ts'

/** What balancers that hash are made of. */
export interface ConsistentHashParts {
  readonly hash: XxHash64
  readonly policy: HashPolicy
  readonly bounded?: BoundedLoad | undefined
  /** Without one every table is built at once, however large. */
  readonly clock?: Pick<Clock, 'now' | 'afterPoll'> | undefined
}

/**
 * Calls of one key go to one endpoint, and most keys stay where they are when endpoints come and go. The table is built of all
 * members, so that an ejection moves the keys of the ejected one only: they walk on to the next usable slot, and come back with it.
 */
abstract class ConsistentHash implements Balancer {
  abstract readonly name: string
  abstract another(): ConsistentHash
  readonly keyed = true
  private readonly policy: HashPolicy
  private readonly bounded: BoundedLoad | undefined
  private readonly steps: () => (members: readonly Endpoint[]) => TableSteps
  private readonly builder: TableBuilder
  private readonly usable = new UsableMembers()

  /** @param steps gives what builds tables, one after the other */
  constructor({ policy, bounded, clock }: ConsistentHashParts, steps: () => (members: readonly Endpoint[]) => TableSteps) {
    this.policy = policy
    this.bounded = bounded
    this.steps = steps
    this.builder = new TableBuilder(steps(), clock)
  }

  get unprepared(): boolean {
    return this.builder.empty
  }

  prepare(members: readonly Endpoint[], then: () => void): void {
    this.builder.whenFilled(members, then)
  }

  pick(candidates: readonly Endpoint[], call: Call, members: readonly Endpoint[] = candidates): Endpoint | undefined {
    const affinity = this.policy.affinityOf(call)
    if (candidates.length < 2) return candidates[0]
    return this.lookUp(this.builder.tableOf(members), candidates, call, affinity)
  }

  /** Where there is no table yet one is built aside, which nobody keeps. */
  foresee(candidates: readonly Endpoint[], call: Call, members: readonly Endpoint[]): Endpoint | undefined {
    const affinity = this.policy.foreseen(call)
    if (affinity === undefined || candidates.length < 2) return affinity && candidates[0]
    const table = this.builder.serving(members) ?? new TableBuilder(this.steps(), undefined).tableOf(members)
    return this.lookUp(table, candidates, call, affinity)
  }

  private lookUp(table: HashTable | undefined, candidates: readonly Endpoint[], call: Call, affinity: Affinity): Endpoint {
    // Before the first table of a large set is complete, and where its endpoints are all out, a key still has one place.
    const chosen = (table && this.walk(table, candidates, call, affinity)) ?? (candidates[affinity.lo % candidates.length] as Endpoint)
    return this.bounded === undefined ? chosen : this.bounded.pick(chosen, candidates, affinity.lo, call)
  }

  keyOf(call: Call): Affinity | undefined {
    return this.policy.foreseen(call)
  }

  affinityOf(call: Call): Affinity {
    return this.policy.affinityOf(call)
  }

  /** The first usable endpoint from the key's slot on that the call has not tried. */
  private walk(table: HashTable, candidates: readonly Endpoint[], call: Call, { hi, lo }: Affinity): Endpoint | undefined {
    const { members, size } = table
    const marks = this.usable.marksOf(members, candidates)
    const passTried = call.tries > 0 && call.tries < candidates.length
    let slot = table.slotOf(hi, lo, call.tries)
    for (let step = 0; step < MAX_STEPS && step < size; step++) {
      const member = table.memberAt(slot)
      if (++slot === size) slot = 0
      if (marks !== undefined && marks[member] !== 1) continue
      const endpoint = members[member] as Endpoint
      if (!passTried || !call.hasTried(endpoint)) return endpoint
    }
    return undefined
  }
}

/** Ring hash, with Envoy's ring. A lookup is a binary search; keys follow the weights the better the larger the ring. */
export class RingHash extends ConsistentHash {
  readonly name = 'ring-hash'
  private readonly made: ConsistentHashParts
  private readonly sizes: { readonly minSize: number; readonly maxSize: number }

  constructor(parts: ConsistentHashParts, sizes: { readonly minSize: number; readonly maxSize: number }) {
    super(parts, () => (members) => ringSteps(members, sizes, parts.hash))
    this.made = parts
    this.sizes = sizes
  }

  another(): RingHash {
    return new RingHash(forPart(this.made), this.sizes)
  }
}

/** Maglev, with Envoy's table. A lookup is one read; keys follow the weights closely, and a few more of them move than in a ring. */
export class Maglev extends ConsistentHash {
  readonly name = 'maglev'
  private readonly made: ConsistentHashParts
  private readonly tableSize: number

  /** @param tableSize a prime, at least a hundred times the number of endpoints */
  constructor(parts: ConsistentHashParts, tableSize = 65_537) {
    super(parts, () => {
      const tables = new MaglevTables(tableSize, parts.hash)
      return (members) => tables.steps(members)
    })
    this.made = parts
    this.tableSize = tableSize
  }

  another(): Maglev {
    return new Maglev(forPart(this.made), this.tableSize)
  }
}

function forPart(parts: ConsistentHashParts): ConsistentHashParts {
  return { ...parts, bounded: parts.bounded?.another() }
}

/** So many slots in a row without a usable endpoint mean that there are hardly any. */
const MAX_STEPS = 1_024

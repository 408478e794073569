import type { Endpoint } from '../core/endpoint.ts'

/** A table that leads from a hash to an endpoint: slots in a circle, each of which belongs to a member. */
export interface HashTable {
  /** The endpoints it was built for. */
  readonly members: readonly Endpoint[]
  readonly size: number
  /** The slot that a hash leads to; further tries of a call begin elsewhere. */
  slotOf(hi: number, lo: number, tries: number): number
  /** Place of the slot's endpoint in `members`. */
  memberAt(slot: number): number
}

/** Builds a table, interrupted at every `yield`. */
export type TableSteps = Generator<undefined, HashTable>

/** What an endpoint is hashed by: what its metadata says (`hash_key`, as in Envoy), else its address. */
export function hashKeyOf({ spec }: Endpoint): string {
  return spec.metadata['hash_key'] ?? spec.address
}

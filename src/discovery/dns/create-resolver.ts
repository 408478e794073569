import { AddressPolicy } from '../../core/address.ts'
import { type Clock, systemClock } from '../../core/clock.ts'
import { type Random, systemRandom } from '../../core/random.ts'
import type { NameResolver } from '../../model/name-resolver.ts'
import { DnsResolver } from './dns-resolver.ts'
import type { Lifetimes } from './living-name.ts'

/** What `createResolver` takes; all of it optional. */
export interface ResolverOptions {
  /** DNS servers, `address` or `address:port`. Default: those of the system. */
  servers?: string[]
  /** Default 5 s, 5 min, 5 min. */
  lifetimes?: Partial<Lifetimes>
  /** Addresses or CIDR ranges allowed although the address policy refuses them. */
  allowAddresses?: string[]
  clock?: Clock
  random?: Random
}

/** A resolver that stands alone. */
export interface Resolver extends NameResolver {
  /** Asks nothing more, and forgets what it knows. */
  close(): void
}

/** Makes a resolver without a mesh: names to addresses through c-ares, never in the thread pool, kept current by their TTL. */
export function createResolver({ servers, lifetimes = {}, allowAddresses, clock, random }: ResolverOptions = {}): Resolver {
  const resolver = new DnsResolver({
    clock: clock ?? systemClock,
    random: random ?? systemRandom,
    addressPolicy: new AddressPolicy(allowAddresses),
    servers,
    lifetimes,
  })
  resolver.start()
  return resolver
}

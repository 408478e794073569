export type { FollowedName, FollowOptions, NameResolver, ResolvedAddress } from '../model/name-resolver.ts'
export { createResolver, type Resolver, type ResolverOptions } from './dns/create-resolver.ts'
export { DnsError } from './dns/dns-error.ts'
export type { Lifetimes } from './dns/living-name.ts'

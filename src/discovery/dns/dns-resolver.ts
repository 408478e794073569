import { LRUCache } from 'lru-cache'
import type { AddressPolicy } from '../../core/address.ts'
import { isIP } from '../../core/ip.ts'
import type { Random } from '../../core/random.ts'
import type { FollowedName, FollowOptions, NameResolver } from '../../model/name-resolver.ts'
import { DnsError } from './dns-error.ts'
import { type Lifetimes, LivingName } from './living-name.ts'
import { Lookup, type LookupOptions } from './lookup.ts'
import { Turns } from './turns.ts'

/** What a resolver is made of; {@link LookupOptions} says where it asks. */
export interface DnsResolverOptions extends LookupOptions {
  readonly random: Random
  /** Asked about every resolved address. */
  readonly addressPolicy: AddressPolicy
  /** Default 5 s, 5 min, 5 min. */
  readonly lifetimes?: Partial<Lifetimes>
  /** Some name cannot be resolved, after all of them could. */
  failed?(error: Error): void
  /** All of them can be resolved again. */
  recovered?(): void
  /** No name is left that was never resolved, nor failed to be. */
  settled?(): void
}

/** A name with those who follow it. */
interface Shared {
  readonly living: LivingName
  readonly followers: Set<() => void>
}

/**
 * The names of one mesh, each resolved once however many services name it. It asks nothing until {@link DnsResolver.start}, and
 * holds no handle but the queries under way; its timers keep no process alive.
 */
export class DnsResolver implements NameResolver {
  private readonly options: DnsResolverOptions
  private readonly asking: Lookup
  private readonly turns = new Turns(MAX_AT_ONCE)
  private readonly shared = new Map<string, Shared>()
  private readonly failing = new Set<LivingName>()
  private readonly unsettled = new Set<LivingName>()
  private memory: LRUCache<string, readonly string[]> | undefined = undefined
  private readonly underWay = new Map<string, Promise<readonly string[]>>()
  private started = false

  constructor(options: DnsResolverOptions) {
    this.options = options
    this.asking = new Lookup(options)
  }

  /** Names that were never resolved yet, nor failed to be. */
  get pending(): string[] {
    return Array.from(this.unsettled, ({ name }) => name)
  }

  /** Whether every name was resolved once, or failed to be. */
  get settled(): boolean {
    return this.unsettled.size === 0
  }

  /** Begins to ask for what is followed. */
  start(): void {
    if (this.started) return
    this.started = true
    for (const { living } of this.shared.values()) living.refresh()
  }

  follow(name: string, changed: () => void, options: FollowOptions = {}): FollowedName {
    const { type = 'address', minTtlMs, maxTtlMs } = options
    const key = `${type} ${name} ${minTtlMs} ${maxTtlMs}`
    const shared = this.shared.get(key) ?? this.begin(key, name, options)
    const { living, followers } = shared
    // A function of its own, so that one who follows twice is told twice and stops once.
    const told = (): void => changed()
    followers.add(told)
    return {
      get addresses() {
        return living.addresses
      },
      get failure() {
        return living.failure?.message
      },
      get settled() {
        return living.settled
      },
      refresh: () => living.refresh(),
      stop: () => {
        followers.delete(told)
        if (followers.size > 0 || this.shared.get(key) !== shared) return
        this.shared.delete(key)
        living.stop()
        if (this.unsettled.delete(living) && this.unsettled.size === 0) this.options.settled?.()
        this.recover(living)
      },
    }
  }

  lookup(name: string): Promise<readonly string[]> {
    const known = this.memory?.get(name) ?? this.followed(name)
    if (known !== undefined) return Promise.resolve(known)
    const asked = this.underWay.get(name) ?? this.ask(name).finally(() => this.underWay.delete(name))
    this.underWay.set(name, asked)
    return asked
  }

  /** Forgets everything and asks nothing more. */
  close(): void {
    for (const { living } of this.shared.values()) living.stop()
    this.shared.clear()
    this.failing.clear()
    this.memory?.clear()
    this.asking.close()
  }

  private begin(key: string, name: string, { type, minTtlMs, maxTtlMs }: FollowOptions): Shared {
    const { clock, random, addressPolicy } = this.options
    const followers = new Set<() => void>()
    const defaults = this.lifetimes
    const lifetimes = { ...defaults, minTtlMs: minTtlMs ?? defaults.minTtlMs, maxTtlMs: maxTtlMs ?? defaults.maxTtlMs }
    const living: LivingName = new LivingName(
      name,
      () => this.turns.run(() => (type === 'srv' ? this.asking.services(name) : this.asking.addresses(name))),
      lifetimes,
      {
        clock,
        random,
        addressPolicy,
        changed: () => {
          const last = this.unsettled.delete(living) && this.unsettled.size === 0
          for (const told of [...followers]) told()
          if (last) this.options.settled?.()
        },
        failed: (error) => {
          this.failing.add(living)
          if (this.failing.size === 1) this.options.failed?.(error)
        },
        recovered: () => this.recover(living),
      },
    )
    const shared = { living, followers }
    this.shared.set(key, shared)
    this.unsettled.add(living)
    if (this.started) living.refresh()
    return shared
  }

  private recover(living: LivingName): void {
    if (this.failing.delete(living) && this.failing.size === 0) this.options.recovered?.()
  }

  private followed(name: string): readonly string[] | undefined {
    const living = this.shared.get(`address ${name} undefined undefined`)?.living
    return living === undefined || living.addresses.length === 0 ? undefined : living.addresses.map(({ address }) => address)
  }

  private async ask(name: string): Promise<readonly string[]> {
    const { parts, ttlMs = 0 } = await this.asking.addresses(name)
    const found = parts.flatMap(({ result }) => (result instanceof DnsError ? [] : result.map(({ address }) => address)))
    const refusals = found.map((address) => this.options.addressPolicy.refusal(address))
    const allowed = found.filter((_, index) => refusals[index] === undefined)
    if (allowed.length === 0) throw new DnsError(name, 'EADDRESSREFUSED', refusals[0])
    const { minTtlMs, maxTtlMs } = this.lifetimes
    // `ttlResolution` 0: it would otherwise remember the time with a timer of its own.
    this.memory ??= new LRUCache({ max: MAX_REMEMBERED, ttlResolution: 0, perf: this.options.clock })
    if (isIP(name) === 0) this.memory.set(name, allowed, { ttl: Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs) })
    return allowed
  }

  private get lifetimes(): Lifetimes {
    return { ...DEFAULT_LIFETIMES, ...this.options.lifetimes }
  }
}

/** How long answers hold unless told otherwise. */
export const DEFAULT_LIFETIMES: Lifetimes = Object.freeze({ minTtlMs: 5_000, maxTtlMs: 300_000, staleMs: 300_000 })

/** Names that are asked for at the same time. */
const MAX_AT_ONCE = 100

/** Hosts of registries and documents; a process knows a handful. */
const MAX_REMEMBERED = 1_000

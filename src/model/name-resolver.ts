/** One address behind a name. `port`, `priority` and `weight` come from SRV records; an address record says nothing of them. */
export interface ResolvedAddress {
  /** IPv4 or IPv6, without brackets. */
  readonly address: string
  readonly port: number | undefined
  /** 0 is used first. */
  readonly priority: number
  readonly weight: number
}

/** A name that is kept resolved. What it holds changes in place; whoever follows it is told. */
export interface FollowedName {
  readonly addresses: readonly ResolvedAddress[]
  /** Why the last resolution failed, in words; undefined when it did not. */
  readonly failure: string | undefined
  /** The first resolution ended, whichever way. */
  readonly settled: boolean
  /** Somebody found an address of it unreachable: asks again at once, at most once per second. */
  refresh(): void
  /** Nobody here wants it any more. */
  stop(): void
}

/** How one name is followed; every field has a default. Milliseconds. */
export interface FollowOptions {
  readonly type?: 'address' | 'srv' | undefined
  readonly minTtlMs?: number | undefined
  readonly maxTtlMs?: number | undefined
}

/** Turns names into addresses, without the thread pool, and keeps them current. */
export interface NameResolver {
  /** Keeps `name` resolved; `changed` is called when its addresses changed and when it settled. */
  follow(name: string, changed: () => void, options?: FollowOptions): FollowedName
  /** The addresses of `name` now, from memory when they are young enough; rejects when there are none. */
  lookup(name: string): Promise<readonly string[]>
}

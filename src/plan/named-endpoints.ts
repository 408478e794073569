import { AsyncResource } from 'node:async_hooks'
import type { EndpointSpec } from '../core/endpoint.ts'
import { isIP } from '../core/ip.ts'
import type { FollowedName, NameResolver } from '../model/name-resolver.ts'

/**
 * Endpoints that were written by name, as the addresses behind the names: each is an endpoint of its own, `id#address`, with the
 * weight, priority, locality and metadata of what was written.
 */
export class NamedEndpoints {
  private readonly names: NameResolver
  private readonly changed: () => void
  private specs: readonly EndpointSpec[] = []
  private readonly followed = new Map<string, FollowedName>()
  private waiting: (() => void)[] = []

  /** @param changed some name has other addresses now, or its first resolution ended */
  constructor(names: NameResolver, changed: () => void) {
    this.names = names
    this.changed = changed
  }

  /** Takes over what was written. */
  configure(specs: readonly EndpointSpec[]): void {
    this.specs = specs
    // There may be 100,000 of them, and mostly none is a name.
    const hosts = new Set<string>()
    for (const { host } of specs) if (isName(host)) hosts.add(host)
    // The new ones first: a name that only moved is not given up between.
    for (const host of hosts)
      if (!this.followed.has(host))
        this.followed.set(
          host,
          this.names.follow(host, () => this.onChange()),
        )
    for (const [host, name] of this.followed) {
      if (hosts.has(host)) continue
      this.followed.delete(host)
      name.stop()
    }
    if (!this.pending) this.release()
  }

  /** What can be dialled now. */
  get resolved(): readonly EndpointSpec[] {
    if (this.followed.size === 0) return this.specs
    return this.specs.flatMap((spec) => {
      const name = this.followed.get(spec.host)
      return name === undefined ? [spec] : name.addresses.map(({ address }) => at(spec, address))
    })
  }

  /** Nothing can be dialled yet, and some name has not answered for the first time. */
  get pending(): boolean {
    if (this.followed.size === 0) return false
    let waits = false
    for (const { settled, addresses } of this.followed.values()) {
      if (addresses.length > 0) return false
      waits ||= !settled
    }
    return waits && this.followed.size === new Set(this.specs.map(({ host }) => host)).size
  }

  /** Why a name has no address, in words. */
  get failure(): string | undefined {
    for (const { failure, addresses } of this.followed.values()) if (failure !== undefined && addresses.length === 0) return failure
    return undefined
  }

  /** Calls back once there is something to dial, or nothing to wait for. */
  whenSettled(then: () => void): void {
    // Whoever lets them all go does so in a context of its own; each goes on in the one it came from.
    if (this.pending) this.waiting.push(AsyncResource.bind(then))
    else then()
  }

  /** No connection to the endpoint `id` came about: its name may have moved. */
  unreachable(id: string): void {
    if (this.followed.size === 0) return
    for (const spec of this.specs) if (id.startsWith(`${spec.id}#`)) this.followed.get(spec.host)?.refresh()
  }

  private onChange(): void {
    this.changed()
    if (!this.pending) this.release()
  }

  private release(): void {
    const { waiting } = this
    this.waiting = []
    for (const then of waiting) then()
  }
}

function at(spec: EndpointSpec, address: string): EndpointSpec {
  const host = isIP(address) === 6 ? `[${address}]` : address
  return { ...spec, id: `${spec.id}#${address}`, host: address, address: spec.port === 0 ? host : `${host}:${spec.port}` }
}

function isName(host: string): boolean {
  return isIP(host) === 0
}

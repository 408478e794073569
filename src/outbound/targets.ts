import type { HostMatch } from '../plan/host-table.ts'
import type { Plan } from '../plan/plan.ts'
import type { RouteMatch } from '../plan/route-table.ts'
import { secured } from '../plan/secured.ts'
import type { ServicePlan } from '../plan/service-plan.ts'
import type { Target } from './engine.ts'
import { type Origin, parseOrigin } from './origin.ts'
import { type RoutedGround, RoutedOrigin } from './routed-origin.ts'
import type { Wire } from './wire.ts'

/** Where an origin leads: straight to a service, or over the rules of a route. Exactly one of the two is there. */
export interface Destination {
  /** Of the service or the route. */
  readonly name: string
  /** TLS will be spoken, as far as the origin and its service say. */
  readonly secure: boolean
  readonly target: Target | undefined
  readonly routed: RoutedOrigin | undefined
}

/**
 * Where origins lead. What was found is remembered until the configuration changes, so that a call costs one look-up
 * in a map.
 */
export class Targets {
  private readonly plan: Plan
  private readonly ground: Omit<RoutedGround, 'service' | 'wireFor'>
  private readonly known = new Map<string, Destination | null>()
  private readonly elsewhere = new Map<string, Target>()
  private readonly wires = new Map<string, Wire>()
  private version = -1
  /**
   * The origin that was asked for last, and where it leads: mostly the next call asks for the same, and comparing costs less than the hash
   * of a text that was just cut out of a URL.
   */
  private lastKey: string | undefined = undefined
  private last: Destination | undefined = undefined

  /** @param ground what targets behind routes are made with */
  constructor(plan: Plan, ground: Omit<RoutedGround, 'service' | 'wireFor'>) {
    this.plan = plan
    this.ground = ground
  }

  /** Where `origin` leads, or undefined when nobody answers there. */
  find(origin: string | URL): Destination | undefined {
    if (this.plan.version !== this.version) {
      this.known.clear()
      this.elsewhere.clear()
      this.lastKey = undefined
      this.version = this.plan.version
    }
    const key = typeof origin === 'string' ? origin : origin.origin
    if (key === this.lastKey) return this.last
    const known = this.known.get(key)
    const found = known === undefined ? this.remember(key) : (known ?? undefined)
    this.lastKey = key
    this.last = found
    return found
  }

  private remember(key: string): Destination | undefined {
    const found = this.resolve(key)
    // Origins come from outside text: an unlimited memory of them would be a leak.
    if (this.known.size >= MAX_KNOWN) this.known.clear()
    this.known.set(key, found ?? null)
    return found
  }

  /** Who answers `origin`, and by which name; for `explain`. */
  match(origin: Origin): HostMatch | RouteMatch | undefined {
    return this.plan.find(origin.host, origin.port)
  }

  /**
   * The origin of the service with an endpoint at `address` (`host:port`), or undefined. A walk over all endpoints: for what is rare, such
   * as a redirect that names one.
   */
  originOfEndpoint(address: string): string | undefined {
    for (const plan of this.plan.services()) {
      if (!plan.set.all.some((endpoint) => endpoint.address === address)) continue
      const origin = `http://${plan.name.toLowerCase()}`
      if (this.find(origin)?.target?.plan === plan) return origin
    }
    return undefined
  }

  /** The same URL, answered by another service; its `Host` stays the URL's. */
  redirected({ wire, host, ruled }: Target, plan: ServicePlan): Target {
    const key = `${wire.origin}>${plan.name}`
    const known = ruled === undefined ? this.elsewhere.get(key) : undefined
    if (known !== undefined) return known
    const own = this.wireFor(key, parseOrigin(wire.origin) as Origin, plan)
    // What a rule did to the request is done; how long and how often is for the service that gets the call.
    const choice = plan.choices.whole
    const target = { plan, choice, wire: own, host, gone: false, ruled: ruled && { ...ruled, policy: plan.callPolicy }, shadow: undefined }
    if (ruled === undefined) this.elsewhere.set(key, target)
    return target
  }

  /** The service that is called so in events, errors and stats. */
  service(name: string): ServicePlan | undefined {
    return this.plan.service(name)
  }

  private resolve(key: string): Destination | undefined {
    const origin = parseOrigin(key)
    const match = origin === undefined ? undefined : this.match(origin)
    if (origin === undefined || match === undefined) return undefined
    if ('route' in match) {
      const routed = new RoutedOrigin(origin, match, this.routedGround)
      return { name: match.name, secure: origin.secure, target: undefined, routed }
    }
    const { plan, gone } = match
    const wire = this.wireFor(key, origin, plan)
    const choice = plan.choices.whole
    const target: Target = { plan, choice, wire, host: origin.authority, gone, ruled: undefined, shadow: undefined }
    return { name: plan.name, secure: wire.tls !== undefined, target, routed: undefined }
  }

  private get routedGround(): RoutedGround {
    return {
      ...this.ground,
      service: (name) => this.service(name),
      wireFor: (key, origin, plan) => this.wireFor(key, origin, plan),
    }
  }

  /** The same wire as before where nothing about it changed, since connections are kept by it. */
  private wireFor(key: string, origin: Origin, { policy, snapshot }: ServicePlan): Wire {
    const settings = secured(policy)
    const tls = origin.secure || settings !== undefined ? { settings, serverName: settings?.serverName ?? bare(origin.host) } : undefined
    const protocol = snapshot.protocol === 'auto' && tls === undefined ? 'http1' : snapshot.protocol
    const http1: Wire = {
      origin: `${origin.secure ? 'https' : 'http'}://${origin.authority}`,
      port: settings !== undefined && !origin.secure && origin.port === 80 ? 443 : origin.port,
      tls,
      connectTimeoutMs: policy.timeouts.connectTimeoutMs,
      protocol: 'http1',
      forUpgrades: undefined,
    }
    const wire = protocol === 'http1' ? http1 : { ...http1, protocol, forUpgrades: protocol === 'auto' ? http1 : undefined }
    const former = this.wires.get(key)
    if (former !== undefined && sameWire(former, wire)) return former
    if (this.wires.size >= MAX_KNOWN) this.wires.clear()
    this.wires.set(key, wire)
    return wire
  }
}

function sameWire(a: Wire, b: Wire): boolean {
  return (
    a.origin === b.origin &&
    a.port === b.port &&
    a.connectTimeoutMs === b.connectTimeoutMs &&
    a.protocol === b.protocol &&
    a.tls?.serverName === b.tls?.serverName &&
    a.tls?.settings === b.tls?.settings
  )
}

function bare(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

const MAX_KNOWN = 10_000

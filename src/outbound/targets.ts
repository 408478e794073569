import { canonicalHost } from '../core/host.ts'
import type { HostMatch } from '../plan/host-table.ts'
import type { Plan } from '../plan/plan.ts'
import type { ServicePlan } from '../plan/service-plan.ts'
import type { Wire } from './connections.ts'
import type { Target } from './engine.ts'

/** An origin taken apart. */
export interface Origin {
  readonly secure: boolean
  /** Canonical: lower case, no trailing dot, IPv6 in brackets. */
  readonly host: string
  readonly port: number
  /** `host` or `host:port` as the URL wrote it. */
  readonly authority: string
}

/** Takes `origin` apart; undefined when it is not an http or https URL. */
export function parseOrigin(origin: string | URL): Origin | undefined {
  let url: URL
  try {
    url = origin instanceof URL ? origin : new URL(origin)
  } catch {
    return undefined
  }
  const secure = url.protocol === 'https:'
  if (!secure && url.protocol !== 'http:') return undefined
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return { secure, host: canonicalHost(url.hostname), port, authority: url.host }
}

/**
 * Where origins lead. What was found is remembered until the configuration changes, so that a call costs one look-up
 * in a map.
 */
export class Targets {
  private readonly plan: Plan
  private readonly known = new Map<string, Target | null>()
  private readonly wires = new Map<string, Wire>()
  private version = -1

  constructor(plan: Plan) {
    this.plan = plan
  }

  /** The target behind `origin`, or undefined when no service answers there. */
  find(origin: string | URL): Target | undefined {
    if (this.plan.version !== this.version) {
      this.known.clear()
      this.version = this.plan.version
    }
    const key = typeof origin === 'string' ? origin : origin.origin
    const known = this.known.get(key)
    if (known !== undefined) return known ?? undefined
    const target = this.resolve(key)
    // Origins come from outside text: an unlimited memory of them would be a leak.
    if (this.known.size >= MAX_KNOWN) this.known.clear()
    this.known.set(key, target ?? null)
    return target
  }

  /** The service that answers `origin`, and by which name; for `explain`. */
  match(origin: Origin): HostMatch | undefined {
    return this.plan.table.find(origin.host, origin.port)
  }

  /**
   * The origin of the service with an endpoint at `address` (`host:port`), or undefined. A walk over all endpoints: for what is rare, such
   * as a redirect that names one.
   */
  originOfEndpoint(address: string): string | undefined {
    for (const plan of this.plan.services()) {
      if (!plan.set.all.some((endpoint) => endpoint.address === address)) continue
      const origin = `http://${plan.name.toLowerCase()}`
      if (this.find(origin)?.plan === plan) return origin
    }
    return undefined
  }

  /** The same URL, answered by another service; its `Host` stays the URL's. */
  redirected({ wire, host }: Target, plan: ServicePlan): Target {
    const key = `${wire.origin}>${plan.name}`
    const known = this.known.get(key)
    if (known != null) return known
    const target = { plan, wire: this.wireFor(key, parseOrigin(wire.origin) as Origin, plan), host, gone: false }
    this.known.set(key, target)
    return target
  }

  /** The service that is called so in events, errors and stats. */
  service(name: string): ServicePlan | undefined {
    return this.plan.service(name)
  }

  private resolve(key: string): Target | undefined {
    const origin = parseOrigin(key)
    const match = origin === undefined ? undefined : this.match(origin)
    if (origin === undefined || match === undefined) return undefined
    return { plan: match.plan, wire: this.wireFor(key, origin, match.plan), host: origin.authority, gone: match.gone }
  }

  /** The same wire as before where nothing about it changed, since connections are kept by it. */
  private wireFor(key: string, origin: Origin, { policy }: ServicePlan): Wire {
    const settings = policy.tls?.mode === 'simple' ? policy.tls : undefined
    const tls = origin.secure || settings !== undefined ? { settings, serverName: settings?.serverName ?? bare(origin.host) } : undefined
    const wire: Wire = {
      origin: `${origin.secure ? 'https' : 'http'}://${origin.authority}`,
      port: policy.tls?.mode === 'simple' && !origin.secure && origin.port === 80 ? 443 : origin.port,
      tls,
      connectTimeoutMs: policy.timeouts.connectTimeoutMs,
    }
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
    a.tls?.serverName === b.tls?.serverName &&
    a.tls?.settings === b.tls?.settings
  )
}

function bare(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

const MAX_KNOWN = 10_000

import type { ServiceSnapshot } from '../model/snapshot.ts'
import { canonicalHost, splitHost } from './host.ts'
import type { ServicePlan } from './service-plan.ts'

/** Which service answers a host, and by which of its names. */
export interface HostMatch {
  readonly plan: ServicePlan
  /** The name or pattern that matched. */
  readonly match: string
}

interface Claim extends HostMatch {
  /** Ports it answers on; empty: any. */
  readonly ports: readonly number[]
}

const DNS_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/i

/** Every host a service answers to by its name alone: `name`, `name.namespace`, `….svc`, `….svc.cluster.local`. */
function serviceNames({ name, namespace }: { name: string; namespace: string }): string[] {
  if (!DNS_NAME.test(name)) return []
  const base = canonicalHost(name)
  const qualified = `${base}.${namespace.toLowerCase()}`
  return [base, qualified, `${qualified}.svc`, `${qualified}.svc.cluster.local`]
}

/**
 * Hosts to services. Exact names before wildcards, longer wildcards before shorter ones; among services of the same
 * name the one in the mesh's own namespace answers to the bare name.
 */
export class HostTable {
  private readonly exact = new Map<string, Claim[]>()
  private readonly wildcards = new Map<string, Claim[]>()
  private readonly ownNamespace: string

  constructor(plans: Iterable<ServicePlan>, ownNamespace: string) {
    this.ownNamespace = ownNamespace
    for (const plan of plans) this.enter(plan, plan.snapshot)
    for (const claims of this.exact.values()) claims.sort((a, b) => this.rank(a) - this.rank(b))
    for (const claims of this.wildcards.values()) claims.sort((a, b) => this.rank(a) - this.rank(b))
  }

  /** The service that answers `host` (canonical) on `port`. */
  find(host: string, port: number): HostMatch | undefined {
    const exact = answering(this.exact.get(host), port)
    if (exact !== undefined || this.wildcards.size === 0) return exact
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wildcard = answering(this.wildcards.get(host.slice(dot)), port)
      if (wildcard !== undefined) return wildcard
    }
    return undefined
  }

  private enter(plan: ServicePlan, service: ServiceSnapshot): void {
    for (const name of serviceNames(service)) add(this.exact, name, { plan, match: name, ports: service.ports })
    for (const written of service.hosts) {
      const { host, port } = splitHost(written)
      const ports = port === undefined ? service.ports : [port]
      if (host.startsWith('*.')) add(this.wildcards, host.slice(1), { plan, match: written, ports })
      else add(this.exact, host, { plan, match: written, ports })
    }
  }

  /** Present before removed, own namespace before others. */
  private rank({ plan }: Claim): number {
    return (plan.present ? 0 : 2) + (plan.snapshot.namespace === this.ownNamespace ? 0 : 1)
  }
}

function add(table: Map<string, Claim[]>, host: string, claim: Claim): void {
  const claims = table.get(host)
  if (claims === undefined) table.set(host, [claim])
  else claims.push(claim)
}

function answering(claims: readonly Claim[] | undefined, port: number): HostMatch | undefined {
  return claims?.find(({ ports }) => ports.length === 0 || ports.includes(port))
}

import { type ServedName, servedNames } from './host.ts'
import type { ServicePlan } from './service-plan.ts'

/** Which service answers a host, and by which of its names. */
export interface HostMatch {
  readonly plan: ServicePlan
  /** The name or pattern that matched. */
  readonly match: string
  /** It was a name of the service once, or the service itself is gone: nobody is called under it. */
  readonly gone: boolean
}

interface Claim extends HostMatch {
  /** Ports it answers on; empty: any. */
  readonly ports: readonly number[]
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
    for (const plan of plans) {
      for (const name of servedNames(plan.snapshot)) this.enter(plan, name, !plan.present)
      for (const name of plan.formerNames()) this.enter(plan, name, true)
    }
    for (const claims of this.exact.values()) claims.sort((a, b) => this.rank(a) - this.rank(b))
    for (const claims of this.wildcards.values()) claims.sort((a, b) => this.rank(a) - this.rank(b))
  }

  /** The service that answers `host` (canonical) on `port`; one that only did so once comes after everybody who does. */
  find(host: string, port: number): HostMatch | undefined {
    const exact = answering(this.exact.get(host), port)
    if ((exact !== undefined && !exact.gone) || this.wildcards.size === 0) return exact
    let gone = exact
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wildcard = answering(this.wildcards.get(host.slice(dot)), port)
      if (wildcard === undefined) continue
      if (!wildcard.gone) return wildcard
      gone ??= wildcard
    }
    return gone
  }

  private enter(plan: ServicePlan, { host, written, ports }: ServedName, gone: boolean): void {
    if (host.startsWith('*.')) add(this.wildcards, host.slice(1), { plan, match: written, ports, gone })
    else add(this.exact, host, { plan, match: written, ports, gone })
  }

  /** Present before gone, own namespace before others. */
  private rank({ plan, gone }: Claim): number {
    return (gone ? 2 : 0) + (plan.snapshot.namespace === this.ownNamespace ? 0 : 1)
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

/** What a service needs to have for its hosts to be compared. */
export interface HostClaimant {
  readonly name: string
  readonly namespace: string
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
}

/** A host that is taken already. */
export interface HostConflict {
  /** As the later service wrote it; one of its own names when it wrote none. */
  readonly host: string
  /** Where it stands in `hosts`; undefined for a name that the service has by being called so. */
  readonly index: number | undefined
  /** `namespace/name` of the service that has it. */
  readonly holder: string
}

interface Claim {
  readonly host: string
  readonly ports: readonly number[]
  readonly written: string
  readonly index: number | undefined
}

/**
 * Who answers on which host and port. Two services on one would make it a matter of order which of them gets the calls;
 * kept as an index, so that one more service is compared with those of its hosts only.
 */
export class HostClaims {
  private readonly namespace: string
  private readonly holders = new Map<string, Map<string, readonly (readonly number[])[]>>()
  private readonly hostsOf = new Map<string, readonly string[]>()

  /** @param namespace the mesh's own: bare names are claimed in this one only, those of others are found after its own */
  constructor(namespace: string) {
    this.namespace = namespace
  }

  /** The first host of `service` that another service has. */
  conflict(service: HostClaimant): HostConflict | undefined {
    const own = keyOf(service)
    for (const { host, ports, written, index } of claimsOf(service, this.namespace)) {
      for (const [holder, taken] of this.holders.get(host) ?? [])
        if (holder !== own && taken.some((other) => overlap(ports, other))) return { host: written, index, holder }
    }
    return undefined
  }

  /** Enters every host of `service`, in place of what it had. */
  claim(service: HostClaimant): void {
    const key = keyOf(service)
    this.release(key)
    const claims = claimsOf(service, this.namespace)
    for (const { host, ports } of claims) {
      const holders = this.holders.get(host)
      if (holders === undefined) this.holders.set(host, new Map([[key, [ports]]]))
      else holders.set(key, [...(holders.get(key) ?? []), ports])
    }
    this.hostsOf.set(
      key,
      claims.map(({ host }) => host),
    )
  }

  /** Gives up every host of the service with this key (`namespace/name`). */
  release(key: string): void {
    for (const host of this.hostsOf.get(key) ?? []) {
      const holders = this.holders.get(host)
      holders?.delete(key)
      if (holders?.size === 0) this.holders.delete(host)
    }
    this.hostsOf.delete(key)
  }
}

function keyOf({ namespace, name }: HostClaimant): string {
  return `${namespace}/${name}`
}

const DNS_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

/** The hosts that it wrote, and the names that it has by being called so (API: Addressing). */
function claimsOf({ name, namespace, hosts, ports }: HostClaimant, ownNamespace: string): Claim[] {
  const claims: Claim[] = hosts.map((written, index) => {
    const [, host = '', port] = /^(.*?)\.?(?::(\d+))?$/.exec(written.toLowerCase()) ?? []
    return { host, ports: port === undefined ? ports : [Number(port)], written, index }
  })
  const base = name.toLowerCase().replace(/\.$/, '')
  if (!DNS_NAME.test(base)) return claims
  const qualified = `${base}.${namespace.toLowerCase()}`
  const names = [qualified, `${qualified}.svc`, `${qualified}.svc.cluster.local`]
  if (namespace === ownNamespace) names.unshift(base)
  return [...claims, ...names.map((host) => ({ host, ports, written: host, index: undefined }))]
}

function overlap(a: readonly number[], b: readonly number[]): boolean {
  return a.length === 0 || b.length === 0 || a.some((port) => b.includes(port))
}

import type { Locality } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Snapshot } from '../model/snapshot.ts'
import { OutboundPolicies } from '../resilience/outbound-policies.ts'
import { CallerZones } from './caller-zones.ts'
import { type HostMatch, HostTable } from './host-table.ts'
import { ProcessIdentity } from './process-identity.ts'
import { type RouteMatch, RouteTable } from './route-table.ts'
import { type PlanContext, type ServiceContext, ServicePlan } from './service-plan.ts'

/**
 * The running side of the configuration: one {@link ServicePlan} per service, and the table of hosts. A new snapshot
 * touches only the services that changed.
 */
export class Plan {
  table: HostTable
  readonly routes: RouteTable
  readonly random: Random
  /** Grows when hosts, routes or policies change (not with endpoints): what was looked up under an older one is void. */
  version = 0
  private readonly context: ServiceContext
  private readonly ownNamespace: string
  private readonly ownKey: string
  private readonly callers: CallerZones
  private readonly policies: OutboundPolicies
  private readonly plans = new Map<string, ServicePlan>()
  /** By the name in events, errors and stats. */
  private readonly named = new Map<string, ServicePlan>()

  /**
   * @param ownService who the mesh is, for policies that ask whose calls they are
   * @param place where it runs
   */
  constructor(context: PlanContext, ownNamespace: string, ownService?: string, place: Locality = {}) {
    this.policies = new OutboundPolicies({ service: ownService, namespace: ownNamespace }, context.time)
    this.random = context.random
    this.ownNamespace = ownNamespace
    this.ownKey = `${ownNamespace}/${ownService ?? ''}`
    this.callers = new CallerZones(place, () => this.callersChanged())
    this.context = { ...context, identity: new ProcessIdentity(this.ownKey, context.random), ground: this.callers }
    this.table = new HostTable([], ownNamespace)
    this.routes = new RouteTable(context.random)
  }

  apply(snapshot: Snapshot, changed: Iterable<string>): void {
    const routesChanged = this.routes.reconfigure(snapshot.routes)
    const rulesChanged = this.policies.reconfigure(snapshot.policies)
    let hostsChanged = false
    let policyChanged = false
    for (const key of changed) {
      const next = snapshot.services.get(key)
      const plan = this.plans.get(key)
      if (next === undefined) {
        if (plan?.present !== true) continue
        plan.remove()
        hostsChanged = true
      } else if (plan === undefined) {
        // Two services of one name in different namespaces are told apart; our own namespace goes without saying.
        const name = next.namespace === this.ownNamespace ? next.name : `${next.name}.${next.namespace}`
        const made = new ServicePlan(name, next, this.context)
        made.applyPolicies(this.policies.gateFor({ service: next.name, namespace: next.namespace }))
        this.plans.set(key, made)
        if (key === this.ownKey) this.callers.follow(made.set)
        this.named.set(name, made)
        hostsChanged = true
      } else {
        hostsChanged ||= !plan.present || plan.snapshot.hosts !== next.hosts || plan.snapshot.ports !== next.ports
        policyChanged ||= plan.policy !== next.policy
        plan.apply(next)
      }
    }
    if (rulesChanged) {
      for (const plan of this.plans.values()) {
        const { name, namespace } = plan.snapshot
        plan.applyPolicies(this.policies.gateFor({ service: name, namespace }))
      }
    }
    if (hostsChanged) this.table = new HostTable(this.plans.values(), this.ownNamespace)
    if (hostsChanged || policyChanged || routesChanged) this.version++
  }

  /**
   * Who answers `host` (canonical) on `port`: a route that names it, a service that is called so, a route with a pattern for it, a service
   * with one; and after them all whoever did so once.
   */
  find(host: string, port: number): HostMatch | RouteMatch | undefined {
    const named = this.routes.exact(host, port)
    if (named?.route !== undefined) return named
    const service = this.table.find(host, port)
    const served = service !== undefined && !service.gone
    if (served && !service.match.startsWith('*')) return service
    const pattern = this.routes.wildcard(host, port)
    if (pattern?.route !== undefined || served) return pattern?.route === undefined ? service : pattern
    return named ?? service ?? pattern
  }

  /** The service that is called so in events, errors and stats. */
  service(name: string): ServicePlan | undefined {
    return this.named.get(name)
  }

  /** Ends what waits for its time. */
  close(): void {
    for (const plan of this.plans.values()) plan.close()
  }

  private callersChanged(): void {
    for (const { set } of this.plans.values()) set.callersChanged()
  }

  /** Every service, those that left and keep their names included. */
  services(): Iterable<ServicePlan> {
    return this.plans.values()
  }
}

import type { Snapshot } from '../model/snapshot.ts'
import { HostTable } from './host-table.ts'
import { type PlanContext, ServicePlan } from './service-plan.ts'

/**
 * The running side of the configuration: one {@link ServicePlan} per service, and the table of hosts. A new snapshot
 * touches only the services that changed.
 */
export class Plan {
  table: HostTable
  /** Grows when hosts or policies change (not with endpoints): what was looked up under an older one is void. */
  version = 0
  private readonly context: PlanContext
  private readonly ownNamespace: string
  private readonly plans = new Map<string, ServicePlan>()

  constructor(context: PlanContext, ownNamespace: string) {
    this.context = context
    this.ownNamespace = ownNamespace
    this.table = new HostTable([], ownNamespace)
  }

  apply(snapshot: Snapshot, changed: Iterable<string>): void {
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
        this.plans.set(key, new ServicePlan(name, next, this.context))
        hostsChanged = true
      } else {
        hostsChanged ||= !plan.present || plan.snapshot.hosts !== next.hosts || plan.snapshot.ports !== next.ports
        policyChanged ||= plan.policy !== next.policy
        plan.apply(next)
      }
    }
    if (hostsChanged) this.table = new HostTable(this.plans.values(), this.ownNamespace)
    if (hostsChanged || policyChanged) this.version++
  }

  /** Ends what waits for its time. */
  close(): void {
    for (const plan of this.plans.values()) plan.close()
  }

  /** Every service, those that left and keep their names included. */
  services(): Iterable<ServicePlan> {
    return this.plans.values()
  }
}

import { SubsetMembers } from '../balancing/subset-members.ts'
import type { Clock } from '../core/clock.ts'
import type { Endpoint, EndpointSpec } from '../core/endpoint.ts'
import { StandingIn } from '../plan/standing-in.ts'
import type { WatchedSet } from '../plan/watched-set.ts'

/** What a {@link ModelSubset} is made of. */
export interface ModelSubsetParts {
  readonly clock: Clock
  readonly size: number
  /** Who calls. */
  readonly seed: number
  readonly endpoints: readonly Endpoint[]
  /** Those that are used. */
  readonly set: WatchedSet
  /** Called when others are used. */
  readonly changed: () => void
}

/** The part of the endpoints that one modelled process uses, and who stands in for whom in it: by the objects that decide it in a mesh. */
export class ModelSubset {
  private readonly parts: ModelSubsetParts
  private readonly specs: readonly EndpointSpec[]
  private readonly byId: ReadonlyMap<string, Endpoint>
  private readonly members: SubsetMembers
  private readonly standingIn: StandingIn

  constructor(parts: ModelSubsetParts) {
    const { endpoints, seed, size, clock, set } = parts
    this.parts = parts
    this.specs = endpoints.map(({ spec }) => spec)
    this.byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]))
    this.members = new SubsetMembers(
      () => seed,
      (id) => this.byId.get(id)?.out !== true,
    )
    this.members.configure(size)
    this.standingIn = new StandingIn(clock, this.members, () => this.apply())
    set.onUse = () => this.standingIn.look()
    this.apply()
  }

  private apply(): void {
    const { members, parts, byId, specs, standingIn } = this
    const { set, clock, changed, size } = parts
    const steps = members.steps(specs, clock.now())
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    set.enough = members.partial ? size : Number.POSITIVE_INFINITY
    set.spare = members.spare ? 1 : 0
    set.replace(step.value.map(({ id }) => byId.get(id) as Endpoint))
    changed()
    standingIn.wait()
  }
}

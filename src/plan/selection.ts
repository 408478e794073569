import type { Balancer } from '../balancing/balancer.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { LaneSettings } from '../model/route-settings.ts'
import type { Choosable, ServiceBalancing } from './service-balancing.ts'
import type { WatchedSet } from './watched-set.ts'

/** A division of endpoints by what a call says in a header. */
export interface Division {
  /** Those that the next try of `call` chooses among. */
  selectionFor(call: Call, colour: string | undefined, now: number): Choosable
  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call, colour: string | undefined): boolean
  /** In words, where a call that says `colour` goes. */
  describe(colour: string | undefined): string
}

/** Endpoints that calls choose among, by lane where their service has lanes. */
export interface Divided {
  /** As they are now; ask before `lanes`. */
  readonly current: Choosable
  readonly lanes: Division | undefined
}

/** What the selections of one service share. */
export interface SelectionGround {
  /** All endpoints that this process uses of the service. */
  readonly set: WatchedSet
  readonly balancing: Pick<ServiceBalancing, 'balancer' | 'another'>
  readonly time: { readonly now: number }
}

/**
 * Some endpoints of a service that calls choose among by themselves: a lane, or those with certain metadata. It has a set of its own, so
 * that it panics by itself, and a balancer of its own, since balancers remember what they built from whom they choose among. Ejection,
 * health and latency are the endpoints' own, so every selection sees them.
 */
export class Selection implements Choosable, Divided {
  readonly set: EndpointSet
  /** Its endpoints by colour, where the service has lanes. */
  lanes: Division | undefined = undefined
  /** Clock time of the last call that asked. */
  usedAt: number
  /** What its lanes were made of. */
  dividedBy: LaneSettings | false = false
  private readonly ground: SelectionGround
  private own: Balancer | undefined = undefined
  /** The balancer of the service, which its own is like. */
  private like: Balancer
  private endpoints: readonly Endpoint[] = NOBODY
  /** The change of the service's endpoints that `set` knows of. */
  private known = -1

  constructor(ground: SelectionGround) {
    const { balancing, set, time } = ground
    this.ground = ground
    this.like = balancing.balancer
    this.set = set.part()
    this.usedAt = time.now
  }

  /** Made when a call first needs it, since those who only look must not. */
  get balancer(): Balancer {
    this.own ??= this.ground.balancing.another()
    return this.own
  }

  /** Selects `endpoints` from now on: frozen, and the same list as long as its content stays. */
  select(endpoints: readonly Endpoint[]): this {
    if (endpoints !== this.endpoints) this.known = -1
    this.endpoints = endpoints
    return this
  }

  /** Itself, as its endpoints and the policy of its service are now. */
  get current(): this {
    const { set, balancing, time } = this.ground
    this.usedAt = time.now
    const changed = this.known !== set.changes || this.like !== balancing.balancer || this.set.spreading !== set.spreading
    if (changed) this.catchUp()
    return this
  }

  private catchUp(): void {
    const { set, balancing } = this.ground
    if (this.like !== balancing.balancer) this.own = undefined
    if (this.set.spreading !== set.spreading) this.set.reconfigure(set.spreading)
    this.set.enough = set.enough
    this.like = balancing.balancer
    if (this.known !== set.changes) this.set.replace(this.endpoints)
    this.known = set.changes
  }
}

/** Selections by key. Each is made when a call first asks for it; those that nobody asks for in a minute go when another is made. */
export class Selections {
  private readonly ground: SelectionGround
  private readonly byKey = new Map<string, Selection>()

  constructor(ground: SelectionGround) {
    this.ground = ground
  }

  get size(): number {
    return this.byKey.size
  }

  /** The selection that is called so, of these endpoints. */
  of(key: string, endpoints: readonly Endpoint[]): Selection {
    const known = this.byKey.get(key)
    if (known !== undefined) return known.select(endpoints)
    const unusedSince = this.ground.time.now - KEPT_MS
    for (const [each, { usedAt }] of this.byKey) if (usedAt < unusedSince) this.byKey.delete(each)
    const made = new Selection(this.ground)
    this.byKey.set(key, made)
    return made.select(endpoints)
  }
}

/**
 * Whether the next try of `call` should stay here where it could go elsewhere too: somebody is usable, or may be back, and else one alone would stay out for good; for a further try,
 * somebody usable whom it did not try.
 */
export function isPromising({ set }: Choosable, call: Call, now: number): boolean {
  if (call.tries > 0) return set.all.some((endpoint) => !endpoint.out && !call.hasTried(endpoint))
  return hasUsable(set) || set.awaitsProbe(call, now)
}

/** Whether one of them is in use. */
export function hasUsable({ usable }: EndpointSet): boolean {
  for (const endpoint of usable) if (!endpoint.out) return true
  return false
}

/** How long a selection is kept that nobody uses. */
const KEPT_MS = 60_000
const NOBODY: readonly Endpoint[] = Object.freeze([])

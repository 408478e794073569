import type { Endpoint } from '../../core/endpoint.ts'
import type { Nearness } from '../../model/locality.ts'
import { Part } from './part.ts'

/** A group of endpoints that calls are shared out to: those in order and the degraded ones apart. */
class Group {
  /** Frozen, and the same array until the group changes. */
  readonly members: readonly Endpoint[]
  /** The healthy ones, or all of them in panic; and the degraded ones. */
  readonly main: Part
  readonly reserve: Part
  healthy = 0
  degraded = 0

  /** @param former what it was before: where nothing changed the parts stay, so that nobody builds anew what he has */
  constructor(members: readonly Endpoint[], former?: Group) {
    const same = former !== undefined && sameMembers(former.members, members)
    this.members = same ? former.members : Object.freeze(members)
    this.main = same ? former.main : new Part(this.members)
    this.reserve = same ? former.reserve : new Part(this.members)
  }

  get total(): number {
    return this.members.length
  }

  /** Counts anew after an endpoint changed. */
  count(): void {
    this.healthy = 0
    this.degraded = 0
    for (const endpoint of this.members) {
      if (endpoint.out) continue
      if (endpoint.degraded) this.degraded++
      else this.healthy++
    }
  }

  /** What its healthy endpoints weigh together. */
  get capacity(): number {
    let sum = 0
    for (const endpoint of this.members) if (isHealthy(endpoint)) sum += endpoint.spec.weight
    return sum
  }

  /** The healthy endpoints. */
  chooseHealthy(): Part {
    if (this.healthy === this.total) this.main.chooseAll()
    else this.main.choose(isHealthy)
    return this.main
  }

  chooseDegraded(): Part {
    this.reserve.choose(isDegraded)
    return this.reserve
  }

  /** All of them, in panic; or none, where calls fail then. */
  chooseInPanic(fails: boolean): Part {
    if (fails) this.main.choose(nobody)
    else this.main.chooseAll()
    return this.main
  }
}

/** The endpoints of one place in a level. */
export class Place extends Group {
  readonly text: string
  /** `weighted`: its share against the others. */
  readonly weight: number
  /** `zone-aware`: it is our zone. */
  readonly own: boolean

  constructor(members: readonly Endpoint[], { text, weight, own }: Pick<Place, 'text' | 'weight' | 'own'>, former?: Place) {
    super(members, former)
    this.text = text
    this.weight = weight
    this.own = own
  }
}

/** The endpoints of one priority; with mode `failover`, of one nearness within it. */
export class Level extends Group {
  readonly priority: number
  readonly nearness: Nearness | undefined
  /** Undefined where places do not count. */
  readonly places: readonly Place[] | undefined

  constructor(
    members: readonly Endpoint[],
    { priority, nearness, places }: Pick<Level, 'priority' | 'nearness' | 'places'>,
    former: Level | undefined,
  ) {
    super(members, former)
    this.priority = priority
    this.nearness = nearness
    this.places = places
  }

  override count(): void {
    super.count()
    if (this.places !== undefined) for (const place of this.places) place.count()
  }
}

function isHealthy(endpoint: Endpoint): boolean {
  return !endpoint.out && !endpoint.degraded
}

function isDegraded(endpoint: Endpoint): boolean {
  return !endpoint.out && endpoint.degraded
}

function nobody(): boolean {
  return false
}

function sameMembers(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a === b || (a.length === b.length && a.every((endpoint, index) => endpoint === b[index]))
}

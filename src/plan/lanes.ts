import type { Balancer } from '../balancing/balancer.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { LaneSettings } from '../model/route-settings.ts'
import { isUnprepared, type Part, type ServiceBalancing } from './service-balancing.ts'
import type { WatchedSet } from './watched-set.ts'

/** The endpoints of one colour, with a balancer of their own, since balancers remember what they built from whom they choose among. */
interface Lane {
  readonly endpoints: readonly Endpoint[]
  readonly set: EndpointSet
  readonly balancer: Balancer
  /** The change of all endpoints that `set` knows of. */
  known: number
}

/** What lanes are made of. */
export interface LaneGround {
  readonly set: WatchedSet
  readonly balancing: Pick<ServiceBalancing, 'balancer' | 'another'>
}

/**
 * The endpoints of a service by their colour. A call of a colour goes to the endpoints of that colour while one of them is usable, else to
 * the baseline: those without a colour, or all where every endpoint has one. A call without a colour goes to the baseline.
 */
export class Lanes {
  private readonly ground: LaneGround
  private readonly settings: LaneSettings
  private readonly lanes = new Map<string, Lane>()
  private baseline: Lane
  /** Where calls of a colour go that nobody has, when lanes are strict. */
  private readonly nobody: Lane
  private memberships = -1
  /** The balancer of all endpoints, which those of the lanes are like. */
  private like: Balancer | undefined = undefined
  /** Some lane may have a balancer that has built nothing yet. */
  private unready = true

  constructor(settings: LaneSettings, ground: LaneGround) {
    this.settings = settings
    this.ground = ground
    this.baseline = this.laneOf([])
    this.nobody = this.laneOf([])
  }

  /** Request header that holds a call's colour. */
  get header(): string {
    return this.settings.header
  }

  /** No call can be sent as it will be: the first table of some lane is being built. */
  get pending(): boolean {
    this.refresh()
    if (this.unready) this.unready = this.unprepared() !== undefined
    return this.unready
  }

  /** Calls back once every lane has its table. */
  whenSettled(then: () => void): void {
    const lane = this.pending ? this.unprepared() : undefined
    if (lane === undefined) then()
    else lane.set.prepare(lane.balancer, () => this.whenSettled(then))
  }

  /** The endpoint for the next try of `call`; undefined when there is none for its colour. */
  pick(call: Call, colour: string | undefined, now: number): Endpoint | undefined {
    const { set, balancer } = this.laneFor(call, colour, now)
    const picked = set.pick(balancer, call, now)
    // Whoever else has it in a lane must not probe it at the same time.
    if (picked?.recovering === true) this.ground.set.changes++
    return picked
  }

  /** Those that a first try chooses among. */
  usable(call: Call, colour: string | undefined): readonly Endpoint[] {
    return this.laneFor(call, colour, call.startedAt).set.usable
  }

  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call, colour: string | undefined): boolean {
    this.refresh()
    const own = this.own(colour)
    if (own !== undefined && this.current(own).set.hasUntried(call)) return true
    return !this.isStrict(colour) && this.current(this.baseline).set.hasUntried(call)
  }

  /** Which of the lanes `endpoint` is in for a call of a colour: `undefined` for none that such a call goes to. */
  takes(endpoint: Endpoint, colour: string | undefined): boolean {
    this.refresh()
    const own = this.own(colour)
    if (own !== undefined && hasUsable(this.current(own))) return own.endpoints.includes(endpoint)
    return !this.isStrict(colour) && this.baseline.endpoints.includes(endpoint)
  }

  /** In words, where a call of a colour goes. */
  describe(colour: string | undefined): string {
    const { header, label, strict } = this.settings
    if (this.isBaseline(colour)) return `no lane (${header}): the baseline`
    const where = `the lane ${colour} (${header}): `
    const own = this.divided().coloured.get(colour as string)
    if (own?.some(({ out }) => !out) === true) return `${where}endpoints whose ${label} is ${colour}`
    return `${where}no usable endpoint has ${label} ${colour}, ${strict ? 'and lanes are strict' : 'so the baseline takes it'}`
  }

  /** What a first try of `call` would choose among; nothing is kept of it, since whoever only looks must not divide anew for all. */
  foresee(call: Call, colour: string | undefined, now: number): Part {
    const { balancing, set: whole } = this.ground
    const { plain, coloured } = this.divided()
    const { balancer } = balancing
    const part = (endpoints: readonly Endpoint[]): Part => {
      const set = whole.part()
      set.replace(endpoints)
      return { set, balancer }
    }
    const own = this.isBaseline(colour) ? undefined : coloured.get(colour as string)
    if (own !== undefined) {
      const lane = part(own)
      if (this.settings.strict || hasUsable(lane) || lane.set.foreseeProbe(call, now) !== undefined) return lane
    }
    return part(this.isStrict(colour) ? [] : plain)
  }

  /** The endpoints that a try of `call` chooses among, and who chooses. */
  laneFor(call: Call, colour: string | undefined, now: number): Lane {
    this.refresh()
    const own = this.own(colour)
    if (own !== undefined) {
      const lane = this.current(own)
      const { strict } = this.settings
      // A further try stays in its lane as long as there is one that it did not try.
      if (strict || (call.tries === 0 ? hasUsable(lane) || awaitsProbe(lane, call, now) : lane.set.hasUntried(call))) return lane
    }
    return this.isStrict(colour) ? this.nobody : this.current(this.baseline)
  }

  private isBaseline(colour: string | undefined): boolean {
    return colour === undefined || colour === '' || colour === this.settings.baseline
  }

  private isStrict(colour: string | undefined): boolean {
    return this.settings.strict && !this.isBaseline(colour)
  }

  private own(colour: string | undefined): Lane | undefined {
    return this.isBaseline(colour) ? undefined : this.lanes.get(colour as string)
  }

  /** Divides the endpoints anew when some came or went. */
  private refresh(): void {
    const { set, balancing } = this.ground
    const renewed = balancing.balancer !== this.like
    if (set.memberships === this.memberships && !renewed) return
    this.memberships = set.memberships
    this.like = balancing.balancer
    this.unready = true
    const { plain, coloured } = this.divided()
    for (const colour of this.lanes.keys()) if (!coloured.has(colour)) this.lanes.delete(colour)
    for (const [colour, endpoints] of coloured) this.lanes.set(colour, this.laneOf(endpoints, this.lanes.get(colour), renewed))
    this.baseline = this.laneOf(plain, this.baseline, renewed)
  }

  /** The endpoints of the baseline, and of each colour. */
  private divided(): { readonly plain: readonly Endpoint[]; readonly coloured: ReadonlyMap<string, readonly Endpoint[]> } {
    const { label, baseline } = this.settings
    const { all } = this.ground.set
    const plain: Endpoint[] = []
    const coloured = new Map<string, Endpoint[]>()
    for (const endpoint of all) {
      const colour = endpoint.spec.metadata[label]
      if (colour === undefined || colour === '' || colour === baseline) plain.push(endpoint)
      else if (coloured.has(colour)) coloured.get(colour)?.push(endpoint)
      else coloured.set(colour, [endpoint])
    }
    return { plain: plain.length === 0 ? all : plain, coloured }
  }

  private laneOf(endpoints: readonly Endpoint[], former?: Lane, renewed = false): Lane {
    const { balancing } = this.ground
    const set = former?.set ?? this.ground.set.part()
    const balancer = former === undefined || renewed ? balancing.another() : former.balancer
    return { endpoints: Object.freeze(endpoints), set, balancer, known: -1 }
  }

  private unprepared(): Lane | undefined {
    return [this.baseline, ...this.lanes.values()].find((lane) => isUnprepared(lane.balancer, this.current(lane).set))
  }

  /** `lane`, as its endpoints are now. */
  private current(lane: Lane): Lane {
    const { changes } = this.ground.set
    if (lane.known !== changes) {
      lane.known = changes
      lane.set.replace(lane.endpoints)
    }
    return lane
  }
}

/** An endpoint of the lane may be back, and `call` is one to try it with; else a lane of one would stay out for good. */
function awaitsProbe({ endpoints }: Lane, call: Call, now: number): boolean {
  return endpoints.some(
    ({ recovering, unhealthy, probedAt, ejectedUntil }) =>
      recovering && !unhealthy && Number.isNaN(probedAt) && (call.idempotent || now - ejectedUntil >= REPEATABLE_FIRST_MS),
  )
}

/** As in the endpoint set: for so long a probe is kept for calls that may be repeated. */
const REPEATABLE_FIRST_MS = 500

function hasUsable({ set }: Pick<Lane, 'set'>): boolean {
  return set.usable.some(({ out }) => !out)
}

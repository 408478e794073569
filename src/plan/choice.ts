import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { WantedMetadata } from '../balancing/metadata-index.ts'
import { pickWithRoom } from '../balancing/pick-with-room.ts'
import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Protections } from './protections.ts'
import { type Divided, type Division, isPromising } from './selection.ts'
import type { Choosable, ServiceBalancing } from './service-balancing.ts'

/** One place that calls may go to: the endpoints with certain metadata, or all. */
export interface ChoiceStep {
  /** Undefined: all endpoints of the service. */
  readonly metadata: WantedMetadata | undefined
  /** The same for the same metadata. */
  readonly key: string
  /** In words: `version v2`, or `any`. */
  readonly said: string
  /** Nobody, since it is a subset that the service does not have. */
  readonly missing?: boolean
}

/** Metadata that a call asks for, and what their choice is kept by. */
export interface CallMetadata {
  readonly key: string
  readonly wanted: WantedMetadata
}

/** Calls that went by one choice, and those of them that went to another place than they were meant for. */
export interface ChoiceCounters {
  calls: number
  otherwise: number
}

/** What the choices of one service share. */
export interface ChoiceGround {
  readonly balancing: ServiceBalancing
  readonly protections: Protections
  readonly random: Random
  /** Somebody to choose among where there is nobody. */
  readonly nobody: Choosable
  /** Grows when what {@link matching} gives may be different. */
  readonly version: number
  /** The endpoints of a step; undefined when there is none. */
  matching(step: ChoiceStep): Divided | undefined
  /** A call was sent to probe `endpoint`. */
  probed(endpoint: Endpoint): void
}

/** What a choice is. */
export interface ChoiceParts {
  /** How it is called in words: `the subset v2`. */
  readonly title: string
  /** In the order in which they are looked at; the first is what is meant. */
  readonly steps: readonly ChoiceStep[]
  /** The resource that says so. */
  readonly from: string | undefined
  /** Why nobody can be chosen, whatever endpoints there are. */
  readonly problem?: string | undefined
  readonly counters?: ChoiceCounters | undefined
}

/** Where a call goes. */
export interface Place {
  /** The number of the step; -1: none. */
  readonly at: number
  readonly chosen: Choosable
  /** The endpoints of the step, of which `chosen` are those of the call's lane. */
  readonly within: EndpointSet
  readonly lanes: Division | undefined
  /** Which of the steps some endpoint belongs to. */
  readonly there: readonly boolean[]
}

/**
 * Whom the calls of one backend choose among: the first of its steps where somebody is usable, and there by lane where the service has
 * lanes. It is made with the backend; what its steps are is looked up when endpoints change, so that a call makes nothing.
 */
export class Choice {
  readonly title: string
  readonly steps: readonly ChoiceStep[]
  readonly from: string | undefined
  readonly problem: string | undefined
  readonly counters: ChoiceCounters | undefined
  private readonly ground: ChoiceGround
  /** The endpoints of each step. */
  private places: readonly (Divided | undefined)[] = []
  private version = -1
  /** For calls that ask for more, by what they ask for. */
  private readonly narrower = new Map<string, Choice>()
  /** The step that the last question led to; -1: none. */
  private at = -1

  constructor({ title, steps, from, problem, counters }: ChoiceParts, ground: ChoiceGround) {
    this.title = title
    this.steps = steps
    this.from = from
    this.problem = problem
    this.counters = counters
    this.ground = ground
  }

  /** The same for calls that ask for certain metadata: what is meant must have them too. What they say goes before what is said here. */
  narrowed({ key, wanted }: CallMetadata): Choice {
    const { narrower, steps, problem, title, from, counters } = this
    const known = problem === undefined ? narrower.get(key) : this
    if (known !== undefined) return known
    const [meant, ...otherwise] = steps
    const parts = {
      title: meant?.metadata === undefined ? 'the metadata of the call' : `${title} with the metadata of the call`,
      steps: [stepOf({ ...meant?.metadata, ...wanted }), ...otherwise],
      from,
      counters,
    }
    const made = new Choice(parts, this.ground)
    // They come with calls: an unlimited memory of them would be a leak.
    if (narrower.size >= MAX_NARROWER) narrower.clear()
    narrower.set(key, made)
    return made
  }

  /** The endpoint for the next try of `call`; undefined when there is none, or none with room for one more try. */
  pick(call: Call, colour: string | undefined, now: number): Endpoint | undefined {
    const { counters, ground } = this
    const { balancing, protections, random } = ground
    const chosen = this.choosable(call, colour, now)
    const picked = this.pickAmong(chosen, call, now)
    if (picked === undefined) return undefined
    if (counters !== undefined && call.tries === 0) {
      counters.calls++
      if (this.at > 0) counters.otherwise++
    }
    if (protections.hasRoom(picked)) return picked
    return balancing.binds(call) ? undefined : pickWithRoom(chosen.set.usable, call, protections.hasRoom, random)
  }

  /** Another endpoint for a try beside the one under way, of those that first tries go to; undefined when there is none with room. */
  pickBeside(call: Call, colour: string | undefined, now: number): Endpoint | undefined {
    const { balancing, protections } = this.ground
    if (balancing.binds(call) || balancing.inSession(call)) return undefined
    const { set, balancer } = this.choosable(call, colour, now)
    const picked = set.pickBeside(balancer, call, now)
    return picked !== undefined && protections.hasRoom(picked) ? picked : undefined
  }

  /** Those that a first try of `call` chooses among. */
  usable(call: Call, colour: string | undefined): readonly Endpoint[] {
    return this.choosable(call, colour, call.startedAt).set.usable
  }

  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call, colour: string | undefined): boolean {
    if (this.ground.balancing.binds(call)) return false
    if (this.version !== this.ground.version) this.refresh()
    for (const place of this.places) {
      if (place === undefined) continue
      const { set } = place.current
      if (place.lanes === undefined ? set.hasUntried(call) : place.lanes.hasUntried(call, colour)) return true
    }
    return false
  }

  /** Whether a priority that `call` may be drawn for is in panic and fails its calls. */
  failsInPanic(call: Call, colour: string | undefined): boolean {
    return this.choosable(call, colour, call.startedAt).set.failing
  }

  /** Whether some endpoint has room for one more try; true when there are none, which is for the pick to say. */
  hasRoom(call: Call, colour: string | undefined): boolean {
    const usable = this.usable(call, colour)
    return usable.length === 0 || usable.some(this.ground.protections.hasRoom)
  }

  /** Whether every endpoint is full, and nothing but an answer from one of them changes that. */
  isFull(call: Call, colour: string | undefined): boolean {
    const { endpointMaxRequests } = this.ground.protections
    return this.usable(call, colour).every(({ inflight }) => inflight >= endpointMaxRequests)
  }

  /** The picks of `call` are not yet as they will be: the first table of whom it chooses among is being built. */
  pending(call: Call, colour: string | undefined): boolean {
    // Most balancers build nothing.
    if (this.ground.balancing.balancer.unprepared === undefined) return false
    const { balancer, set } = this.choosable(call, colour, call.startedAt)
    return set.isUnprepared(balancer)
  }

  /** Calls back once they are. */
  whenSettled(call: Call, colour: string | undefined, then: () => void): void {
    if (!this.pending(call, colour)) {
      then()
      return
    }
    const { balancer, set } = this.choosable(call, colour, call.startedAt)
    set.prepare(balancer, then)
  }

  /** Whom the next try of `call` chooses among, and who chooses. */
  choosable(call: Call, colour: string | undefined, now: number): Choosable {
    if (this.version !== this.ground.version) this.refresh()
    const { places } = this
    if (places.length === 1) return this.only(places[0], call, colour, now)
    let found = this.ground.nobody
    this.at = -1
    for (let at = 0; at < places.length; at++) {
      const place = places[at]
      if (place === undefined) continue
      const whole = place.current
      found = place.lanes === undefined ? whole : place.lanes.selectionFor(call, colour, now)
      this.at = at
      if (at === places.length - 1 || isPromising(found, call, now)) return found
    }
    return found
  }

  /** Where a first try of `call` goes, for whoever asks. */
  place(call: Call, colour: string | undefined, now: number): Place {
    const chosen = this.choosable(call, colour, now)
    const { at, places } = this
    const within = (places[at]?.current ?? this.ground.nobody).set
    return { at, chosen, within, lanes: places[at]?.lanes, there: places.map((place) => place !== undefined) }
  }

  /** A session that is not strict stays within what is chosen among. */
  private pickAmong({ set, balancer }: Choosable, call: Call, now: number): Endpoint | undefined {
    const { balancing } = this.ground
    const own = balancing.pickOfSession(call)
    if (balancing.binds(call)) return own
    if (own !== undefined && (set === balancing.set || set.all.includes(own))) return own
    const picked = set.pick(balancer, call, now)
    // Whoever else has it in a selection must not probe it at the same time.
    if (picked?.recovering === true) this.ground.probed(picked)
    return picked
  }

  /** The same where there is one place, as there mostly is. */
  private only(place: Divided | undefined, call: Call, colour: string | undefined, now: number): Choosable {
    this.at = place === undefined ? -1 : 0
    if (place === undefined) return this.ground.nobody
    const whole = place.current
    return place.lanes === undefined ? whole : place.lanes.selectionFor(call, colour, now)
  }

  private refresh(): void {
    const { ground } = this
    this.version = ground.version
    this.places = this.steps.map((step) => ground.matching(step))
  }
}

/** A text that is the same for the same metadata, in whatever order they were written. */
export function metadataKey(metadata: WantedMetadata): string {
  return JSON.stringify(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The endpoints with these metadata. */
export function stepOf(metadata: WantedMetadata): ChoiceStep {
  const said = Object.entries(metadata).map(([key, value]) => `${key} ${value}`)
  return { metadata, key: metadataKey(metadata), said: said.join(' and ') }
}

const MAX_NARROWER = 256

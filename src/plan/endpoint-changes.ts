import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Timer } from '../core/clock.ts'
import type { Endpoint, EndpointSpec } from '../core/endpoint.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import { KnownEndpoints } from './known-endpoints.ts'

/** What a change of endpoints does to its service. */
export interface EndpointsOwner {
  /** The endpoints that calls choose among now. */
  readonly set: EndpointSet
  /** Those of `specs` that are used here, in steps; all of them without it. */
  part?(specs: readonly EndpointSpec[]): Generator<undefined, readonly EndpointSpec[]>
  /** The living endpoint behind a specification that is new here. */
  join(spec: EndpointSpec, now: number): Endpoint
  /** Another specification of a living endpoint. */
  renew(endpoint: Endpoint, spec: EndpointSpec): void
  /** From here on calls choose among `present`: frozen, nobody in it twice. */
  replace(present: readonly Endpoint[]): void
  /** `endpoint` is chosen by nobody any more. */
  leave(endpoint: Endpoint): void
}

/** A change under way. */
interface Change {
  readonly specs: readonly EndpointSpec[]
  readonly former: readonly Endpoint[]
  readonly number: number
  readonly now: number
  /** Where in `former` the next of `specs` is looked for first. */
  beside: number
  readonly present: Endpoint[]
  /** Those that had left. */
  readonly returning: Endpoint[]
}

/**
 * Takes changes of a service's endpoints over. The first is applied at once, further ones 50 ms after it together, so that a
 * thousand pushes a second are twenty changes. A large change is worked out in slices of 5 ms while calls choose among the
 * former endpoints; then all of it holds at one moment. Nobody waits for calls: what is under way ends where it began.
 */
export class EndpointChanges {
  readonly known: KnownEndpoints
  private readonly time: TimerWheel
  private readonly owner: EndpointsOwner
  /** The newest word, as long as nothing was done about it. */
  private wanted: readonly EndpointSpec[] | undefined = undefined
  private running: Generator<undefined, void> | undefined = undefined
  private sliceMs = 0
  private number = 0
  private begunAt = Number.NEGATIVE_INFINITY
  private timer: Timer | undefined = undefined
  private closed = false

  constructor(time: TimerWheel, owner: EndpointsOwner) {
    this.time = time
    this.owner = owner
    this.known = new KnownEndpoints(time.clock)
  }

  /** These are the endpoints now, by the time that is promised. */
  apply(specs: readonly EndpointSpec[]): void {
    if (this.closed) return
    this.wanted = specs
    if (this.running === undefined) this.next()
  }

  /** Something newer is known than calls go by. */
  get pending(): boolean {
    return this.running !== undefined || this.wanted !== undefined
  }

  /** Applies everything at once, for somebody who looks or because nothing may be chosen any more. */
  finish(): void {
    while (this.running !== undefined || this.wanted !== undefined) {
      if (this.running === undefined) this.begin()
      this.sliceMs = Number.POSITIVE_INFINITY
      this.run()
    }
  }

  /** Applies nothing any more. */
  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.timer = undefined
    this.wanted = undefined
    this.running = undefined
    this.known.close()
  }

  /** Begins with what is wanted, or says when. */
  private next(): void {
    if (this.wanted === undefined) return
    const waitMs = this.begunAt + TOGETHER_MS - this.time.read()
    // Nobody is served by an empty set, so there is nothing to be gained by waiting.
    if (waitMs <= 0 || this.owner.set.all.length === 0) {
      this.begin()
      this.run()
    } else {
      this.timer ??= this.time.clock.setTimer(() => {
        this.timer = undefined
        if (this.running === undefined) this.next()
      }, waitMs)
      this.timer.unref()
    }
  }

  private begin(): void {
    const specs = this.wanted as readonly EndpointSpec[]
    const { length } = this.owner.set.all
    this.wanted = undefined
    this.timer?.cancel()
    this.timer = undefined
    // What a service begins with is no change of it.
    if (this.number > 0) this.begunAt = this.time.read()
    this.running = this.steps(specs)
    this.sliceMs = length === 0 || Math.max(length, specs.length) <= SMALL ? Number.POSITIVE_INFINITY : SLICE_MS
  }

  private readonly run = (): void => {
    const { running, sliceMs, time } = this
    if (running === undefined) return
    const endsAt = sliceMs === Number.POSITIVE_INFINITY ? sliceMs : time.clock.now() + sliceMs
    while (running.next().done !== true) {
      if (endsAt !== Number.POSITIVE_INFINITY && time.clock.now() >= endsAt) {
        time.clock.afterPoll(this.run)
        return
      }
    }
    this.running = undefined
    this.next()
  }

  /** One change; it may be interrupted at every `yield`. */
  private *steps(offered: readonly EndpointSpec[]): Generator<undefined, void> {
    const { known, owner, time } = this
    const specs = owner.part === undefined ? offered : yield* owner.part(offered)
    const former = owner.set.all
    const number = ++this.number
    const change: Change = { specs, former, number, now: time.read(), beside: 0, present: [], returning: [] }
    for (let index = 0; index < specs.length; index += STRIDE) {
      if (index > 0) yield
      this.adopt(change, index, Math.min(specs.length, index + STRIDE))
    }
    const { present, returning } = change
    const leaving: Endpoint[] = []
    for (let index = 0; index < former.length; index++) {
      if (index % STRIDE === STRIDE - 1) yield
      const endpoint = former[index] as Endpoint
      if (endpoint.namedBy !== number) leaving.push(endpoint)
    }
    // No interruption here: who counts as ejected is counted by who is present.
    for (const endpoint of returning) known.returns(endpoint)
    const leftAt = time.read()
    for (const endpoint of leaving) endpoint.removedAt = leftAt
    owner.replace(Object.freeze(present))
    // Only now: sockets that are let go while calls still choose the endpoint would be opened anew.
    for (let index = 0; index < leaving.length; index++) {
      if (index % STRIDE === STRIDE - 1) yield
      const endpoint = leaving[index] as Endpoint
      owner.leave(endpoint)
      known.departs(endpoint)
    }
  }

  /** The living endpoints behind a piece of the list. A loop of its own, since the engine makes little of loops that yield. */
  private adopt(change: Change, from: number, to: number): void {
    const { known, owner } = this
    const { specs, former, number, now, present, returning } = change
    let { beside } = change
    for (let index = from; index < to; index++) {
      const spec = specs[index] as EndpointSpec
      // Mostly the next is the next of before, or the one after it; whoever came or went costs a look-up.
      let endpoint: Endpoint | undefined
      if (former[beside]?.id === spec.id) endpoint = former[beside++]
      else if (former[beside + 1]?.id === spec.id) {
        endpoint = former[beside + 1]
        beside += 2
      } else endpoint = known.get(spec.id)
      if (endpoint === undefined) {
        endpoint = owner.join(spec, now)
        known.add(endpoint)
      } else if (endpoint.spec !== spec) owner.renew(endpoint, spec)
      if (endpoint.namedBy === number) continue
      endpoint.namedBy = number
      if (endpoint.removedAt !== undefined) returning.push(endpoint)
      present.push(endpoint)
    }
    change.beside = beside
  }
}

/** Changes that come within this time after one are applied together. */
const TOGETHER_MS = 50
/** The longest that a large change may hold the loop up at a time. */
const SLICE_MS = 5
/** So few endpoints that slicing them would cost more than they do. */
const SMALL = 1_000
/** Endpoints between two looks at the clock. */
const STRIDE = 256

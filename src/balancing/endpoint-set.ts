import type { Call } from '../core/call.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { LevelShare } from '../model/locality.ts'
import type { Balancer } from './balancer.ts'
import { nextLevel, pickConnecting, pickUntried, refusedLately, untriedIn } from './pick-again.ts'
import type { Level } from './spread/level.ts'
import { levelShares } from './spread/level-shares.ts'
import { levelsOf } from './spread/levels.ts'
import type { Part } from './spread/part.ts'
import { Spread, type SpreadGround, type SpreadSettings } from './spread/spread.ts'

/**
 * The endpoints of a service that are in its configuration now. A pick reads a frozen array; what is usable is worked out
 * anew only when somebody picks after an endpoint came, went, was ejected, failed its checks or came back.
 */
export class EndpointSet implements EndpointGroup {
  all: readonly Endpoint[] = EMPTY
  ejected = 0
  private candidates: readonly Endpoint[] = EMPTY
  private memberList: readonly Endpoint[] = EMPTY
  /** `candidates` is older than the last change. Many ejections between two picks are worked out once. */
  private stale = false
  /** How calls are spread over its priorities and places. */
  spreading: SpreadSettings
  /** So many in use are all that is wanted of a priority, since others are offered beside these: who has them is in no panic. */
  enough = Number.POSITIVE_INFINITY
  /** How many more would be used if one more went out of use: 0 or 1. */
  spare = 0
  private inPanic = false
  /** `all` by priority and place, and whether that is older than `all`. */
  private divided: readonly Level[] = []
  private outdated = true
  private state: Spread | undefined = undefined
  /** The same where calls are divided among several parts; undefined when all of them choose among `candidates`. */
  private spread: Spread | undefined = undefined
  /** Those whose ejection is over and that wait for a call to probe them. */
  private awaiting: Endpoint[] = []
  private readonly random: Random
  private readonly ground: SpreadGround

  /** @param settings a number is the share of usable endpoints below which all of them are used, with the defaults for the rest; 0 never */
  constructor(settings: number | SpreadSettings, random: Random, ground: SpreadGround = NOWHERE) {
    this.spreading = completed(settings)
    this.random = random
    this.ground = ground
  }

  /** A set for some of these endpoints, that spreads calls as this one does. */
  part(): EndpointSet {
    const part = new EndpointSet(this.spreading, this.random, this.ground)
    part.enough = this.enough
    return part
  }

  /** So few endpoints are usable that ejection is more likely wrong than right: all of them are used. */
  get panic(): boolean {
    if (this.stale) this.refresh()
    return this.inPanic
  }

  /** Some calls find nobody, since their priority is in panic and fails them. */
  get failing(): boolean {
    return this.panic && this.spreading.priorities.failTrafficOnPanic
  }

  /** The endpoints that a first try chooses among: frozen, and the same array until something changes. */
  get usable(): readonly Endpoint[] {
    if (this.stale) this.refresh()
    return this.candidates
  }

  /** Where `balancer` would send a first try by its key, of which nobody hears. */
  foresee(balancer: Balancer, call: Call): Endpoint | undefined {
    if (this.stale) this.refresh()
    if (this.spread !== undefined) return this.spread.foresee(balancer, call)
    return balancer.foresee?.(this.candidates, call, this.memberList)
  }

  /** The chance of each endpoint to get a first try at `now`, where `balancer` can tell; who is not in it gets none. */
  shares(balancer: Balancer, now: number): ReadonlyMap<Endpoint, number> | undefined {
    const { usable, spread } = this
    // In panic the balancer does not have the last word.
    if (this.inPanic && usable.some((endpoint) => refusedLately(endpoint, now))) return undefined
    if (spread !== undefined) return spread.chances(balancer, now)
    const shares = balancer.shares?.(usable, now)
    return shares && new Map(usable.map((endpoint, index) => [endpoint, shares[index] as number]))
  }

  /** Whether a first try of `call` would probe somebody. */
  awaitsProbe(call: Call, now: number): boolean {
    return this.awaiting.some((endpoint) => isProbedBy(endpoint, call, now))
  }

  /** The endpoint that a first try of `call` would probe at `now`; one whose ejection ended since the last call waits for it too. */
  foreseeProbe(call: Call, now: number): Endpoint | undefined {
    const ended = this.all.filter(({ ejected, recovering, ejectedUntil }) => ejected && !recovering && ejectedUntil <= now)
    return [...this.awaiting, ...ended].findLast((endpoint) => isProbedBy(endpoint, call, now))
  }

  /**
   * What each priority gets of the calls now, and why.
   * @param keyed whether calls go by a key, and zones do not count for them
   */
  levels(keyed = false): LevelShare[] {
    if (this.stale) this.refresh()
    return this.state === undefined ? [] : levelShares(this.state, this.spreading, keyed)
  }

  /** Picks of `balancer`, or of those like it that choose in parts of the set, are not yet as they will be, and it matters. */
  isUnprepared(balancer: Balancer): boolean {
    // Most build nothing, and nothing like them does.
    if (balancer.unprepared === undefined) return false
    if (this.stale) this.refresh()
    if (this.spread === undefined) return balancer.unprepared && this.candidates.length > 1
    return this.unpreparedPart(balancer, this.spread) !== undefined
  }

  /** Calls back once they are. */
  prepare(balancer: Balancer, then: () => void): void {
    if (this.stale) this.refresh()
    if (this.spread === undefined) {
      if (balancer.prepare === undefined) then()
      else balancer.prepare(this.memberList, then)
      return
    }
    const found = this.unpreparedPart(balancer, this.spread)
    if (found?.balancer.prepare === undefined) then()
    else found.balancer.prepare(found.part.members, () => this.prepare(balancer, then))
  }

  reconfigure(settings: number | SpreadSettings): void {
    this.spreading = completed(settings)
    this.outdated = true
    this.changed()
  }

  /** What is known of the callers changed. */
  callersChanged(): void {
    this.changed()
  }

  /**
   * Takes over a new configuration; endpoints that stay are the same objects as before. One named twice counts once; a frozen
   * array is taken as it is, so whoever froze it has seen to that.
   */
  replace(endpoints: readonly Endpoint[]): void {
    const all = Object.isFrozen(endpoints) ? endpoints : Object.freeze([...new Set(endpoints)])
    // Whoever keeps a part of a set gives the same list again to have it counted anew.
    if (all !== this.all) this.outdated = true
    this.all = all
    this.ejected = 0
    this.awaiting = []
    // One walk: of very many endpoints each is cold when it is met.
    for (const endpoint of all) {
      this.count(endpoint, 1)
      // One that comes back waits again as soon as outlier detection looks.
      if (endpoint.recovering && Number.isNaN(endpoint.probedAt)) this.awaiting.push(endpoint)
    }
    this.changed()
  }

  setEjected(endpoint: Endpoint, ejected: boolean): void {
    if (this.awaiting.length > 0) this.awaiting = this.awaiting.filter((each) => each !== endpoint)
    if (endpoint.ejected === ejected) return
    this.count(endpoint, -1)
    endpoint.ejected = ejected
    this.count(endpoint, 1)
    this.changed()
  }

  /** What active checks found out. */
  setHealth(endpoint: Endpoint, unhealthy: boolean, degraded: boolean): void {
    if (endpoint.unhealthy === unhealthy && endpoint.degraded === degraded) return
    endpoint.unhealthy = unhealthy
    endpoint.degraded = degraded
    this.changed()
  }

  awaitProbe(endpoint: Endpoint): void {
    if (endpoint.removedAt === undefined && !this.awaiting.includes(endpoint)) this.awaiting.push(endpoint)
  }

  /** The endpoint for the next try of `call`: a further try takes one not yet tried, the promising ones first. */
  pick(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (this.stale) this.refresh()
    if (call.tries > 0) return this.pickAgain(balancer, call, now)
    if (this.awaiting.length > 0) {
      const probe = this.takeProbe(call, now)
      if (probe !== undefined) return probe
    }
    const picked = this.pickFirst(balancer, call)
    if (this.inPanic && picked !== undefined && refusedLately(picked, now)) return pickConnecting(this.all, now, this.random) ?? picked
    return picked
  }

  /**
   * The endpoint for a try beside one under way: the balancer's own choice if that was not tried yet, else any that is in use. There is none
   * where only doubtful ones are left: the try under way is worth more.
   */
  pickBeside(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (this.stale) this.refresh()
    const chosen = this.pickFirst(balancer, call)
    const untried = chosen !== undefined && !call.hasTried(chosen)
    const picked = untried ? chosen : pickUntried(this.all, this.divided, call, now, this.random)
    return picked === undefined || picked.out || refusedLately(picked, now) ? undefined : picked
  }

  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call): boolean {
    for (const endpoint of this.all) if (!call.hasTried(endpoint)) return true
    return false
  }

  /**
   * One that waits for its probe, which this call becomes. Calls that may be repeated come first, since a failed probe costs
   * them nothing; where there are none others must do, or it would never come back.
   */
  private takeProbe(call: Call, now: number): Endpoint | undefined {
    for (let index = this.awaiting.length - 1; index >= 0; index--) {
      const endpoint = this.awaiting[index] as Endpoint
      if (!isProbedBy(endpoint, call, now)) continue
      this.awaiting.splice(index, 1)
      endpoint.probedAt = now
      return endpoint
    }
    return undefined
  }

  /** For a further try. Keyed calls stay with what their key leads to next, as long as that was not tried. */
  private pickAgain(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    const { divided, random, spread, all } = this
    if (divided.length > 1 && call.tries >= (call.otherPrioritiesAfter || Number.POSITIVE_INFINITY)) {
      const elsewhere = nextLevel(divided, call, now, random)
      if (elsewhere !== undefined) return elsewhere
    }
    if (balancer.keyed === true) {
      const next = this.pickFirst(balancer, call)
      if (next !== undefined && !call.hasTried(next) && !refusedLately(next, now)) return next
    }
    if (spread !== undefined) {
      const drawn = untriedIn(spread.partOf(balancer, call)?.candidates ?? [], call, now, random)
      if (drawn !== undefined) return drawn
      for (const { part } of spread.parts(balancer)) {
        const next = untriedIn(part.candidates, call, now, random)
        if (next !== undefined) return next
      }
    }
    return pickUntried(all, divided, call, now, random) ?? this.pickFirst(balancer, call)
  }

  private pickFirst(balancer: Balancer, call: Call): Endpoint | undefined {
    return this.spread === undefined ? balancer.pick(this.candidates, call, this.memberList) : this.spread.pick(balancer, call)
  }

  private unpreparedPart(balancer: Balancer, spread: Spread): { part: Part; balancer: Balancer } | undefined {
    for (const each of spread.parts(balancer)) if (each.balancer.unprepared === true && each.part.candidates.length > 1) return each
    return undefined
  }

  /** One that left the configuration is remembered as it was, but does not count here. */
  private count(endpoint: Endpoint, one: 1 | -1): void {
    if (endpoint.ejected && endpoint.removedAt === undefined) this.ejected += one
  }

  private changed(): void {
    this.stale = true
  }

  private refresh(): void {
    this.stale = false
    const { all, spreading: settings, ground } = this
    if (this.outdated) {
      this.outdated = false
      this.divided = levelsOf(all, { locality: settings.locality, own: ground.own }, this.divided)
    }
    for (const level of this.divided) level.count()
    const state = new Spread(this.divided, settings, this.random, ground, this.enough)
    const { single } = state
    this.state = state
    this.inPanic = state.panic
    this.spread = single === undefined && all.length > 0 ? state : undefined
    this.memberList = single?.members ?? all
    this.candidates = single?.candidates ?? state.usable
  }
}

/** Whether `call` is one to try with whether an endpoint is back. */
function isProbedBy({ unhealthy, ejectedUntil }: Endpoint, { idempotent }: Call, now: number): boolean {
  return !unhealthy && (idempotent || now - ejectedUntil >= REPEATABLE_FIRST_MS)
}

/** How long a probe is kept for calls that may be repeated. */
const REPEATABLE_FIRST_MS = 500
const EMPTY: readonly Endpoint[] = Object.freeze([])
const NOWHERE: SpreadGround = Object.freeze({ own: Object.freeze({}), callers: () => undefined })

function completed(settings: number | SpreadSettings): SpreadSettings {
  return typeof settings === 'number' ? { ...DEFAULT_POLICY, panicPercent: settings } : settings
}

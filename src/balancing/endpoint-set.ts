import type { Call } from '../core/call.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import { firstLevel, type PriorityLevel, priorityLevels } from './priority-levels.ts'

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
  private panicPercent: number
  private inPanic = false
  /** How many of `all` are ejected or unhealthy; how many are degraded. */
  private out = 0
  private degraded = 0
  /** By priority, where their priorities differ. */
  private levels: readonly PriorityLevel[] | undefined = undefined
  /** Those whose ejection is over and that wait for a call to probe them. */
  private awaiting: Endpoint[] = []
  private readonly random: Random

  /** @param panicPercent below this share of usable endpoints all of them are used; 0 never */
  constructor(panicPercent: number, random: Random) {
    this.panicPercent = panicPercent
    this.random = random
  }

  /** So few endpoints are usable that ejection is more likely wrong than right: all of them are used. */
  get panic(): boolean {
    if (this.stale) this.refresh()
    return this.inPanic
  }

  /** The endpoints that a first try chooses among: frozen, and the same array until something changes. */
  get usable(): readonly Endpoint[] {
    if (this.stale) this.refresh()
    return this.candidates
  }

  /** The endpoints of which the usable ones are usable: all, or those of one priority. Likewise frozen. */
  get members(): readonly Endpoint[] {
    if (this.stale) this.refresh()
    return this.memberList
  }

  /** Where `balancer` would send a first try, of which nobody hears. */
  wouldPick(balancer: Balancer, call: Call): Endpoint | undefined {
    if (this.stale) this.refresh()
    return balancer.pick(this.candidates, call, this.memberList)
  }

  reconfigure(panicPercent: number): void {
    this.panicPercent = panicPercent
    this.changed()
  }

  /**
   * Takes over a new configuration; endpoints that stay are the same objects as before. One named twice counts once; a frozen
   * array is taken as it is, so whoever froze it has seen to that.
   */
  replace(endpoints: readonly Endpoint[]): void {
    this.all = Object.isFrozen(endpoints) ? endpoints : Object.freeze([...new Set(endpoints)])
    this.ejected = 0
    this.out = 0
    this.degraded = 0
    for (const endpoint of this.all) this.count(endpoint, 1)
    this.levels = priorityLevels(this.all)
    // One that comes back waits again as soon as outlier detection looks.
    this.awaiting = []
    for (const endpoint of this.all) if (endpoint.recovering && Number.isNaN(endpoint.probedAt)) this.awaiting.push(endpoint)
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
    this.count(endpoint, -1)
    endpoint.unhealthy = unhealthy
    endpoint.degraded = degraded
    this.count(endpoint, 1)
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
    const picked = balancer.pick(this.candidates, call, this.memberList)
    if (this.inPanic && picked !== undefined && refusedLately(picked, now)) return this.pickConnecting(now) ?? picked
    return picked
  }

  /**
   * The endpoint for a try beside one under way: the balancer's own choice if that was not tried yet, else any that is in use. There is none
   * where only doubtful ones are left: the try under way is worth more.
   */
  pickBeside(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (this.stale) this.refresh()
    const chosen = balancer.pick(this.candidates, call, this.memberList)
    const picked = chosen === undefined || call.hasTried(chosen) ? this.pickUntried(call, now) : chosen
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
      if (endpoint.unhealthy || (!call.idempotent && now - endpoint.ejectedUntil < REPEATABLE_FIRST_MS)) continue
      this.awaiting.splice(index, 1)
      endpoint.probedAt = now
      return endpoint
    }
    return undefined
  }

  /** For a further try. Keyed calls stay with what their key leads to next, as long as that was not tried. */
  private pickAgain(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (balancer.keyed === true) {
      const next = balancer.pick(this.candidates, call, this.memberList)
      if (next !== undefined && !call.hasTried(next) && !refusedLately(next, now)) return next
    }
    return this.pickUntried(call, now) ?? balancer.pick(this.candidates, call, this.memberList)
  }

  /**
   * The best of the endpoints that `call` did not try: usable, of the first priority, then usable but refused in the past second, then those that are out.
   * The walk begins at a random place, so that what one endpoint sheds is spread over all others.
   */
  private pickUntried(call: Call, now: number): Endpoint | undefined {
    const { all } = this
    let best: Endpoint | undefined
    let refused: Endpoint | undefined
    let out: Endpoint | undefined
    let index = Math.floor(this.random() * all.length)
    for (let step = 0; step < all.length; step++) {
      const endpoint = all[index] as Endpoint
      if (++index === all.length) index = 0
      if (call.hasTried(endpoint)) continue
      if (endpoint.out) out ??= endpoint
      else if (endpoint.degraded || refusedLately(endpoint, now)) refused ??= endpoint
      else if (this.levels === undefined) return endpoint
      else if (best === undefined || endpoint.spec.priority < best.spec.priority) best = endpoint
    }
    return best ?? refused ?? out
  }

  /** Any endpoint that was not refused lately, from a random place on. */
  private pickConnecting(now: number): Endpoint | undefined {
    const { all } = this
    let index = Math.floor(this.random() * all.length)
    for (let step = 0; step < all.length; step++) {
      const endpoint = all[index] as Endpoint
      if (++index === all.length) index = 0
      if (!refusedLately(endpoint, now)) return endpoint
    }
    return undefined
  }

  /** One that left the configuration is remembered as it was, but does not count here. */
  private count(endpoint: Endpoint, one: 1 | -1): void {
    if (endpoint.removedAt !== undefined) return
    if (endpoint.ejected) this.ejected += one
    if (endpoint.out) this.out += one
    else if (endpoint.degraded) this.degraded += one
  }

  private changed(): void {
    this.stale = true
  }

  private refresh(): void {
    this.stale = false
    const { all, out, degraded, panicPercent } = this
    const level = this.levels && firstLevel(this.levels, panicPercent)
    this.memberList = level ?? all
    this.inPanic = level === undefined && all.length > 0 && (all.length - out) * 100 < panicPercent * all.length
    if (level !== undefined) {
      this.candidates = out === 0 ? level : Object.freeze(level.filter((endpoint) => !endpoint.out))
      return
    }
    const whole = all.length - out - degraded
    // Degraded endpoints are a reserve for when the others alone are too few.
    const spared = degraded > 0 && whole > 0 && whole * 100 >= panicPercent * all.length
    this.candidates =
      this.inPanic || (out === 0 && !spared)
        ? all
        : Object.freeze(all.filter((endpoint) => !endpoint.out && !(spared && endpoint.degraded)))
  }
}

/** In the second after a refused connect others are preferred. */
function refusedLately(endpoint: Endpoint, now: number): boolean {
  return now - endpoint.connectFailedAt < 1_000
}

/** How long a probe is kept for calls that may be repeated. */
const REPEATABLE_FIRST_MS = 500
const EMPTY: readonly Endpoint[] = Object.freeze([])

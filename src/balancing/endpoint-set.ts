import type { Call } from '../core/call.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'

/**
 * The endpoints of a service that are in its configuration now. A pick reads a frozen array; what is usable is worked out
 * anew only when somebody picks after an endpoint came, went, was ejected or came back.
 */
export class EndpointSet implements EndpointGroup {
  all: readonly Endpoint[] = EMPTY
  ejected = 0
  private candidates: readonly Endpoint[] = EMPTY
  /** `candidates` is older than the last change. Many ejections between two picks are worked out once. */
  private stale = false
  private panicPercent: number
  private inPanic = false
  private readonly random: Random

  /** @param panicPercent below this share of usable endpoints all of them are used; 0 never */
  constructor(panicPercent: number, random: Random) {
    this.panicPercent = panicPercent
    this.random = random
  }

  /** So few endpoints are usable that ejection is more likely wrong than right: all of them are used. */
  get panic(): boolean {
    return this.inPanic
  }

  /** The endpoints that a first try chooses among: frozen, and the same array until something changes. */
  get usable(): readonly Endpoint[] {
    if (this.stale) this.refresh()
    return this.candidates
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
    this.ejected = this.all.reduce((count, endpoint) => count + (endpoint.ejected ? 1 : 0), 0)
    this.changed()
  }

  setEjected(endpoint: Endpoint, ejected: boolean): void {
    if (endpoint.ejected === ejected) return
    endpoint.ejected = ejected
    // One that left the configuration meanwhile is remembered as ejected, but does not count here.
    if (endpoint.removedAt !== undefined) return
    this.ejected += ejected ? 1 : -1
    this.changed()
  }

  /** The endpoint for the next try of `call`: a further try takes one not yet tried, the promising ones first. */
  pick(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (this.stale) this.refresh()
    if (call.tries > 0) return this.pickUntried(call, now) ?? balancer.pick(this.candidates, call)
    const picked = balancer.pick(this.candidates, call)
    if (this.inPanic && picked !== undefined && refusedLately(picked, now)) return this.pickConnecting(now) ?? picked
    return picked
  }

  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call): boolean {
    for (const endpoint of this.all) if (!call.hasTried(endpoint)) return true
    return false
  }

  /**
   * The best of the endpoints that `call` did not try: usable, then usable but refused in the past second, then ejected.
   * The walk begins at a random place, so that what one endpoint sheds is spread over all others.
   */
  private pickUntried(call: Call, now: number): Endpoint | undefined {
    const { all } = this
    let refused: Endpoint | undefined
    let ejected: Endpoint | undefined
    let index = Math.floor(this.random() * all.length)
    for (let step = 0; step < all.length; step++) {
      const endpoint = all[index] as Endpoint
      if (++index === all.length) index = 0
      if (call.hasTried(endpoint)) continue
      if (endpoint.ejected) ejected ??= endpoint
      else if (refusedLately(endpoint, now)) refused ??= endpoint
      else return endpoint
    }
    return refused ?? ejected
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

  private changed(): void {
    const { length } = this.all
    this.inPanic = length > 0 && (length - this.ejected) * 100 < this.panicPercent * length
    this.stale = true
  }

  private refresh(): void {
    this.stale = false
    this.candidates = this.inPanic || this.ejected === 0 ? this.all : Object.freeze(this.all.filter((endpoint) => !endpoint.ejected))
  }
}

/** In the second after a refused connect others are preferred. */
function refusedLately(endpoint: Endpoint, now: number): boolean {
  return now - endpoint.connectFailedAt < 1_000
}

const EMPTY: readonly Endpoint[] = Object.freeze([])

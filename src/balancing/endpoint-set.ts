import type { Call } from '../core/call.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'

/**
 * The endpoints of a service that are in its configuration now. A pick reads a frozen array; what is usable is worked out
 * anew only when an endpoint came, went, was ejected or came back.
 */
export class EndpointSet implements EndpointGroup {
  all: readonly Endpoint[] = EMPTY
  ejected = 0
  private candidates: readonly Endpoint[] = EMPTY
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

  /** The endpoints that a first try chooses among. */
  get usable(): readonly Endpoint[] {
    return this.candidates
  }

  reconfigure(panicPercent: number): void {
    this.panicPercent = panicPercent
    this.refresh()
  }

  replace(endpoints: readonly Endpoint[]): void {
    this.all = Object.freeze([...endpoints])
    this.ejected = endpoints.reduce((count, endpoint) => count + (endpoint.ejected ? 1 : 0), 0)
    this.refresh()
  }

  setEjected(endpoint: Endpoint, ejected: boolean): void {
    if (endpoint.ejected === ejected) return
    endpoint.ejected = ejected
    // One that left the configuration meanwhile is remembered as ejected, but does not count here.
    if (endpoint.removedAt !== undefined) return
    this.ejected += ejected ? 1 : -1
    this.refresh()
  }

  /** The endpoint for the next try of `call`: a further try takes one not yet tried, the promising ones first. */
  pick(balancer: Balancer, call: Call, now: number): Endpoint | undefined {
    if (call.tries > 0) return this.pickUntried(call, now) ?? balancer.pick(this.candidates, call)
    const picked = balancer.pick(this.candidates, call)
    if (this.inPanic && picked !== undefined && refusedLately(picked, now))
      return this.search((endpoint) => !refusedLately(endpoint, now)) ?? picked
    return picked
  }

  /** Whether `call` could go on to an endpoint that it did not try. */
  hasUntried(call: Call): boolean {
    return this.all.some((endpoint) => !call.hasTried(endpoint))
  }

  private pickUntried(call: Call, now: number): Endpoint | undefined {
    return (
      this.search((endpoint) => !endpoint.ejected && !call.hasTried(endpoint) && !refusedLately(endpoint, now)) ??
      this.search((endpoint) => !endpoint.ejected && !call.hasTried(endpoint)) ??
      this.search((endpoint) => !call.hasTried(endpoint))
    )
  }

  /** The first that fits, from a random place on, so that what one endpoint sheds is spread over all others. */
  private search(fits: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    const { all } = this
    const start = Math.floor(this.random() * all.length)
    for (let step = 0; step < all.length; step++) {
      const endpoint = all[(start + step) % all.length] as Endpoint
      if (fits(endpoint)) return endpoint
    }
    return undefined
  }

  private refresh(): void {
    const usable = this.all.length - this.ejected
    this.inPanic = this.all.length > 0 && usable * 100 < this.panicPercent * this.all.length
    this.candidates = this.inPanic || this.ejected === 0 ? this.all : Object.freeze(this.all.filter((endpoint) => !endpoint.ejected))
  }
}

/** In the second after a refused connect others are preferred. */
function refusedLately(endpoint: Endpoint, now: number): boolean {
  return now - endpoint.connectFailedAt < 1_000
}

const EMPTY: readonly Endpoint[] = Object.freeze([])

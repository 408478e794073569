import type { Call } from '../../core/call.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { Balancer } from '../balancer.ts'

/**
 * Endpoints that share a part of the calls, with a balancer of their own, since balancers remember what they built from whom they
 * choose among. What the endpoints went through is kept in themselves, so dividing them costs no history.
 */
export class Part {
  /** Those of which the candidates are usable: frozen, and the same array until endpoints come or go. */
  readonly members: readonly Endpoint[]
  /** Those that calls choose among: likewise, until one of them changes. */
  candidates: readonly Endpoint[] = EMPTY
  private own: Balancer | undefined = undefined
  /** The balancer that `own` is like. */
  private like: Balancer | undefined = undefined

  /** @param members frozen */
  constructor(members: readonly Endpoint[]) {
    this.members = members
  }

  /** From here on calls choose among those that `fits` takes. */
  choose(fits: (endpoint: Endpoint) => boolean): void {
    const { members, candidates } = this
    let count = 0
    let same = true
    for (const endpoint of members) {
      if (!fits(endpoint)) continue
      if (candidates[count] !== endpoint) same = false
      count++
    }
    if (count === members.length) this.candidates = members
    else if (!same || count !== candidates.length) this.candidates = Object.freeze(members.filter(fits))
  }

  /** The same, of everybody, without a look at them. */
  chooseAll(): void {
    this.candidates = this.members
  }

  /** The endpoint for a first try, by a balancer like `balancer`. */
  pick(balancer: Balancer, call: Call): Endpoint | undefined {
    return this.balancerLike(balancer).pick(this.candidates, call, this.members)
  }

  /** The balancer of this part, which is of the kind of `balancer`. */
  balancerLike(balancer: Balancer): Balancer {
    if (this.like !== balancer || this.own === undefined) {
      this.like = balancer
      this.own = balancer.another?.() ?? balancer
    }
    return this.own
  }

  /** The same, where it has chosen already: for somebody who looks, and makes nothing. */
  known(balancer: Balancer): Balancer | undefined {
    return this.like === balancer ? this.own : undefined
  }

  /** From here on `balancer` itself chooses here. */
  lead(balancer: Balancer): void {
    this.like = balancer
    this.own = balancer
  }
}

const EMPTY: readonly Endpoint[] = Object.freeze([])

import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import { Calendar } from './calendar.ts'
import type { SlowStart } from './slow-start.ts'

/**
 * Each endpoint as often as its weight says, and spread out: of any `sum of weights` picks in a row from the start it gets exactly its
 * weight. Earliest deadline first, as in Envoy: who is picked is due again 1 ÷ weight later.
 * Every endpoint begins at a random point of its turn, so that processes started together do not march in step.
 */
export class WeightedRoundRobin implements Balancer {
  readonly name = 'weighted-round-robin'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private candidates: readonly Endpoint[] = EMPTY
  /** When each candidate is due, in turns of the whole, and the time between its turns. */
  private due = new Float64Array(0)
  private periods = new Float64Array(0)
  private calendar = new Calendar(this.due, 1)
  private time = 0

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.slowStart = slowStart
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    if (this.candidates !== candidates || this.time > MAX_TIME) this.rebuild(candidates)
    if (candidates.length < 2) return candidates[0]
    const { calendar } = this
    const index = calendar.next()
    const endpoint = candidates[index] as Endpoint
    let period = this.periods[index] as number
    if (this.slowStart !== undefined && call !== undefined) period /= this.slowStart.share(endpoint, call.startedAt)
    this.time = calendar.dueAt(index)
    calendar.again(index, this.time + period)
    return endpoint
  }

  /** Of many calls. */
  shares(candidates: readonly Endpoint[], now: number): number[] {
    const weights = candidates.map((each) => each.spec.weight * (this.slowStart?.share(each, now) ?? 1))
    const sum = weights.reduce((all, weight) => all + weight, 0)
    return weights.map((weight) => weight / sum)
  }

  another(): WeightedRoundRobin {
    return new WeightedRoundRobin(this.random, this.slowStart)
  }

  /** Whoever stays keeps his turn; who is new begins somewhere in his first. */
  private rebuild(candidates: readonly Endpoint[]): void {
    const { candidates: former, due: formerDue } = this
    const { length } = candidates
    const due = new Float64Array(length)
    const periods = new Float64Array(length)
    let sum = 0
    let byEndpoint: Map<Endpoint, number> | undefined
    let beside = 0
    for (let index = 0; index < length; index++) {
      const endpoint = candidates[index] as Endpoint
      let place: number | undefined
      // Mostly the next is the next of before, or the one after it, or somebody new stands in front of it.
      if (former[beside] === endpoint) place = beside
      else if (former[beside + 1] === endpoint) place = beside + 1
      else if (former[beside] === undefined || former[beside] !== candidates[index + 1]) {
        byEndpoint ??= new Map(former.map((each, at) => [each, at]))
        place = byEndpoint.get(endpoint)
      }
      const { weight } = endpoint.spec
      periods[index] = 1 / weight
      sum += weight
      if (place === undefined) due[index] = this.random() / weight
      else {
        // Time begins anew: the sums of a long life would lose their last digits.
        due[index] = Math.max(0, (formerDue[place] as number) - this.time)
        beside = place + 1
      }
    }
    this.candidates = candidates
    this.due = due
    this.periods = periods
    this.time = 0
    this.calendar = new Calendar(due, sum)
  }
}

const EMPTY: readonly Endpoint[] = Object.freeze([])
/** Turns of the whole after which time begins anew. */
const MAX_TIME = 2 ** 20

import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'

/**
 * Each endpoint as often as its weight says, and spread out: of any `sum of weights` picks in a row from the start it gets exactly its
 * weight. Earliest deadline first, as in Envoy: who is picked is due again 1 ÷ weight later. The heap is flat and four wide, so that
 * it stays cheap for ten thousand.
 * Every endpoint begins at a random point of its turn, so that processes started together do not march in step.
 */
export class WeightedRoundRobin implements Balancer {
  readonly name = 'weighted-round-robin'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private candidates: readonly Endpoint[] = EMPTY
  /** When each candidate is due next, in turns of the whole. */
  private due = new Float64Array(0)
  /** Places of the candidates, who is due first on top. */
  private heap = new Uint32Array(0)
  private time = 0

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.slowStart = slowStart
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    if (this.candidates !== candidates) this.rebuild(candidates)
    if (candidates.length < 2) return candidates[0]
    const place = this.heap[0] as number
    const endpoint = candidates[place] as Endpoint
    const share = this.slowStart === undefined || call === undefined ? 1 : this.slowStart.share(endpoint, call.startedAt)
    this.time = this.due[place] as number
    this.due[place] = this.time + 1 / (endpoint.spec.weight * share)
    this.sink(0)
    return endpoint
  }

  /** Whoever stays keeps his turn; who is new begins somewhere in his first. */
  private rebuild(candidates: readonly Endpoint[]): void {
    const { candidates: former, due: formerDue } = this
    const { length } = candidates
    const due = new Float64Array(length)
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
      if (place === undefined) due[index] = this.time + this.random() / endpoint.spec.weight
      else {
        due[index] = formerDue[place] as number
        beside = place + 1
      }
    }
    this.candidates = candidates
    this.due = due
    this.heap = Uint32Array.from(due, (_, index) => index)
    for (let index = (length - 2) >> 2; index >= 0; index--) this.sink(index)
  }

  private sink(from: number): void {
    const { heap, due } = this
    const { length } = heap
    const place = heap[from] as number
    const own = due[place] as number
    let index = from
    for (;;) {
      const first = 4 * index + 1
      if (first >= length) break
      let child = first
      let least = due[heap[first] as number] as number
      const end = Math.min(first + 4, length)
      for (let other = first + 1; other < end; other++) {
        const its = due[heap[other] as number] as number
        if (its >= least) continue
        least = its
        child = other
      }
      if (least >= own) break
      heap[index] = heap[child] as number
      index = child
    }
    heap[index] = place
  }
}

const EMPTY: readonly Endpoint[] = Object.freeze([])

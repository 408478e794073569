import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'

/** When an endpoint is due next, in turns of the whole. */
interface Turn {
  readonly endpoint: Endpoint
  deadline: number
}

/**
 * Each endpoint as often as its weight says, and spread out: of any `sum of weights` picks in a row from the start it gets exactly its
 * weight. Earliest deadline first, as in Envoy: who is picked is due again 1 ÷ weight later; a heap makes a pick cost log n.
 * Every endpoint begins at a random point of its turn, so that processes started together do not march in step.
 */
export class WeightedRoundRobin implements Balancer {
  readonly name = 'weighted-round-robin'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private heapOf: readonly Endpoint[] | undefined = undefined
  private heap: Turn[] = []
  private time = 0

  constructor(random: Random, slowStart?: SlowStart) {
    this.random = random
    this.slowStart = slowStart
  }

  pick(candidates: readonly Endpoint[], call?: Call): Endpoint | undefined {
    if (this.heapOf !== candidates) this.rebuild(candidates)
    const first = this.heap[0]
    if (first === undefined) return undefined
    const { endpoint } = first
    const share = this.slowStart === undefined || call === undefined ? 1 : this.slowStart.share(endpoint, call.startedAt)
    this.time = first.deadline
    first.deadline += 1 / (endpoint.spec.weight * share)
    this.sink(0)
    return endpoint
  }

  /** Whoever stays keeps his turn; who is new begins somewhere in his first. */
  private rebuild(candidates: readonly Endpoint[]): void {
    const former = new Map(this.heap.map((turn) => [turn.endpoint, turn]))
    this.heapOf = candidates
    this.heap = candidates.map(
      (endpoint) => former.get(endpoint) ?? { endpoint, deadline: this.time + this.random() / endpoint.spec.weight },
    )
    for (let index = (this.heap.length >> 1) - 1; index >= 0; index--) this.sink(index)
  }

  private sink(from: number): void {
    const { heap } = this
    const turn = heap[from] as Turn
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && right.deadline < (heap[child] as Turn).deadline) child++
      if ((heap[child] as Turn).deadline >= turn.deadline) break
      heap[index] = heap[child] as Turn
      index = child
    }
    heap[index] = turn
  }
}

import type { EndpointSpec } from '../core/endpoint.ts'

/**
 * The `size` endpoints of each priority that a process with this `seed` uses: those whose ids score lowest under it (rendezvous
 * hashing, as in gRFC A68). Every process takes others, each endpoint is taken by about as many processes, and one that comes or
 * goes changes one place at most. The order stays, and nothing is copied where there are no more than `size`.
 */
export function subsetOf(specs: readonly EndpointSpec[], size: number, seed: number): readonly EndpointSpec[] {
  const steps = subsetSteps(specs, size, seed)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same, interrupted at every `yield`. */
export function* subsetSteps(specs: readonly EndpointSpec[], size: number, seed: number): Generator<undefined, readonly EndpointSpec[]> {
  if (specs.length <= size) return specs
  const scores = new Float64Array(specs.length)
  const leasts = new Map<number, LeastOf>()
  for (let begin = 0; begin < specs.length; begin += SPECS_PER_STEP) {
    if (begin > 0) yield
    score(specs, begin, Math.min(specs.length, begin + SPECS_PER_STEP), { scores, leasts, size, seed })
  }
  yield
  const taken = specs.filter((spec, index) => (scores[index] as number) <= (leasts.get(spec.priority) as LeastOf).highest)
  return taken.length === specs.length ? specs : Object.freeze(taken)
}

interface Scoring {
  readonly scores: Float64Array
  readonly leasts: Map<number, LeastOf>
  readonly size: number
  readonly seed: number
}

// A loop of its own, since the engine makes little of loops that yield.
function score(specs: readonly EndpointSpec[], begin: number, end: number, { scores, leasts, size, seed }: Scoring): void {
  let priority: number | undefined
  let least: LeastOf | undefined
  for (let index = begin; index < end; index++) {
    const spec = specs[index] as EndpointSpec
    const its = scoreOf(spec.id, seed)
    scores[index] = its
    if (least === undefined || spec.priority !== priority) {
      priority = spec.priority
      least = leasts.get(priority) ?? new LeastOf(size)
      leasts.set(priority, least)
    }
    least.add(its)
  }
}

/** The `size` least of many numbers, as a heap with the highest of them on top. */
class LeastOf {
  private readonly heap: Float64Array
  private count = 0

  constructor(size: number) {
    this.heap = new Float64Array(size)
  }

  /** All that are not above this one are among the least. */
  get highest(): number {
    return this.count < this.heap.length ? Number.POSITIVE_INFINITY : (this.heap[0] as number)
  }

  add(score: number): void {
    const { heap } = this
    if (this.count < heap.length) {
      this.rise(score)
      return
    }
    if (score >= (heap[0] as number)) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && (heap[child + 1] as number) > (heap[child] as number)) child++
      if ((heap[child] as number) <= score) break
      heap[index] = heap[child] as number
      index = child
    }
    heap[index] = score
  }

  private rise(score: number): void {
    const { heap } = this
    let index = this.count++
    while (index > 0) {
      const parent = (index - 1) >> 1
      if ((heap[parent] as number) >= score) break
      heap[index] = heap[parent] as number
      index = parent
    }
    heap[index] = score
  }
}

/** A number below 2^53 that `text` and `seed` decide, in two rounds of 32 bits as MurmurHash mixes them. */
function scoreOf(text: string, seed: number): number {
  let a = seed | 0
  let b = ~seed
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, 0x85eb_ca77)
    b = Math.imul(b ^ code, 0xc2b2_ae3d)
    a ^= a >>> 15
  }
  a = Math.imul(a ^ (a >>> 16) ^ b, 0x85eb_ca6b)
  b = Math.imul(b ^ (b >>> 13) ^ a, 0xc2b2_ae35)
  return ((a ^ (a >>> 16)) >>> 0) * 0x20_0000 + ((b ^ (b >>> 16)) >>> 11)
}

/** The number that stands for a process: who it is, and which of its kind. */
export function subsetSeed(service: string, instance: number): number {
  return scoreOf(service, instance) % 0x1_0000_0000
}

const SPECS_PER_STEP = 4_096

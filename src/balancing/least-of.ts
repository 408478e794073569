/** The `size` least of many numbers, as a heap with the highest of them on top. */
export class LeastOf {
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

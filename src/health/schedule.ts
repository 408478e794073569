/** Something that is due at a time. */
export interface Due {
  /** Clock time. */
  dueAt: number
  /** Place in the heap; -1 outside. */
  slot: number
}

/** Who is due next among ten thousand: a binary heap, out of which anybody can be taken at any time. */
export class Schedule<Entry extends Due> {
  private readonly heap: Entry[] = []

  get first(): Entry | undefined {
    return this.heap[0]
  }

  /** Puts `entry` in, or moves it to its new time. */
  set(entry: Entry): void {
    if (entry.slot < 0) entry.slot = this.heap.push(entry) - 1
    this.rise(entry)
    this.sink(entry)
  }

  remove(entry: Entry): void {
    const { slot } = entry
    if (slot < 0) return
    entry.slot = -1
    const last = this.heap.pop() as Entry
    if (last === entry) return
    last.slot = slot
    this.heap[slot] = last
    this.rise(last)
    this.sink(last)
  }

  entries(): Entry[] {
    return [...this.heap]
  }

  private rise(entry: Entry): void {
    let { slot } = entry
    while (slot > 0) {
      const parent = this.heap[(slot - 1) >> 1] as Entry
      if (parent.dueAt <= entry.dueAt) break
      this.put(parent, slot)
      slot = (slot - 1) >> 1
    }
    this.put(entry, slot)
  }

  private sink(entry: Entry): void {
    const { heap } = this
    let { slot } = entry
    for (;;) {
      let child = 2 * slot + 1
      const right = heap[child + 1]
      if (right !== undefined && right.dueAt < (heap[child] as Entry).dueAt) child++
      const next = heap[child]
      if (next === undefined || next.dueAt >= entry.dueAt) break
      this.put(next, slot)
      slot = child
    }
    this.put(entry, slot)
  }

  private put(entry: Entry, slot: number): void {
    this.heap[slot] = entry
    entry.slot = slot
  }
}

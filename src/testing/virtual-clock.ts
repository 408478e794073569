import type { Clock, Timer } from '../core/clock.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly fire: () => void
  /** Its place in the heap; -1 once it is out. */
  place: number
}

/**
 * A clock whose hands the test turns: timers fire in order while `advance` passes them, those of the same time in the order in which
 * they were set. Thirty seconds pass in no time, and the same way in every run. A million timers are no burden, so that whole services
 * can be simulated on one. While nobody advances it nothing fires: no deadline passes and no backoff ends.
 */
export class VirtualClock implements Clock {
  private time = 0
  private order = 0
  /** A binary heap: the next one to fire is first. */
  private readonly heap: Pending[] = []

  now(): number {
    return this.time
  }
  wallTime(): number {
    return 1_800_000_000_000 + this.time
  }
  /** Timers that wait. */
  get timers(): number {
    return this.heap.length
  }
  setTimer(fire: () => void, delayMs: number): Timer {
    const entry: Pending = { at: this.time + Math.max(0, delayMs), order: this.order++, fire, place: this.heap.length }
    this.heap.push(entry)
    this.rise(entry)
    return { cancel: () => this.remove(entry), ref: () => {}, unref: () => {} }
  }
  afterPoll(fire: () => void): void {
    fire()
  }
  /** Lets `ms` milliseconds pass, and everything happen that was to happen in them. */
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const next = this.heap[0]
      if (next === undefined || next.at > end) break
      this.remove(next)
      this.time = Math.max(this.time, next.at)
      next.fire()
    }
    this.time = end
  }

  private remove(entry: Pending): void {
    const { place } = entry
    if (place < 0) return
    entry.place = -1
    const last = this.heap.pop() as Pending
    if (last === entry) return
    this.put(last, place)
    this.rise(last)
    this.sink(last)
  }

  private rise(entry: Pending): void {
    while (entry.place > 0) {
      const parent = this.heap[(entry.place - 1) >> 1] as Pending
      if (isBefore(parent, entry)) return
      const { place } = parent
      this.put(parent, entry.place)
      this.put(entry, place)
    }
  }

  private sink(entry: Pending): void {
    for (;;) {
      const left = this.heap[2 * entry.place + 1]
      const right = this.heap[2 * entry.place + 2]
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || isBefore(entry, child)) return
      const { place } = child
      this.put(child, entry.place)
      this.put(entry, place)
    }
  }

  private put(entry: Pending, place: number): void {
    this.heap[place] = entry
    entry.place = place
  }
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

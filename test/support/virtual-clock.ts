import type { Clock, Timer } from '../../src/core/clock.ts'

interface Pending {
  at: number
  order: number
  fire: () => void
}

/** A clock whose hands the test turns: timers fire in order while `advance` passes them. */
export class VirtualClock implements Clock {
  private time = 0
  private order = 0
  private readonly pending = new Set<Pending>()

  now(): number {
    return this.time
  }
  wallTime(): number {
    return 1_800_000_000_000 + this.time
  }
  /** Timers that wait. */
  get timers(): number {
    return this.pending.size
  }
  setTimer(fire: () => void, delayMs: number): Timer {
    const entry: Pending = { at: this.time + Math.max(0, delayMs), order: this.order++, fire }
    this.pending.add(entry)
    return { cancel: () => this.pending.delete(entry), ref: () => {}, unref: () => {} }
  }
  afterPoll(fire: () => void): void {
    fire()
  }
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const next = [...this.pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined) break
      this.pending.delete(next)
      this.time = Math.max(this.time, next.at)
      next.fire()
    }
    this.time = end
  }
}

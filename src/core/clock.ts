/** A pending timer; `unref` lets the process end while it waits. */
export interface Timer {
  cancel(): void
  ref(): void
  unref(): void
}

/**
 * Time as the mesh sees it. Every wait and every comparison goes through this port, so that a test
 * can turn the hands itself. `now` is monotonic milliseconds with fractions; its zero means nothing.
 */
export interface Clock {
  now(): number
  /** Milliseconds since the Unix epoch; for people and certificates, never for measuring a wait. */
  wallTime(): number
  /** Runs `fire` once, never before `delayMs` have passed. The delay is clamped to what a timer can hold. */
  setTimer(fire: () => void, delayMs: number): Timer
  /** Runs `fire` after the events that already wait in the kernel were delivered. */
  afterPoll(fire: () => void): void
  /** Milliseconds that the event loop has waited for events so far: what is left of the time it was busy. Absent where nobody knows. */
  idleTime?(): number
}

/** Longest wait of one platform timer; beyond it `setTimeout` fires after one millisecond instead. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** A delay that a platform timer bears: NaN and negatives become 0, everything too large the maximum. */
export function clampDelay(delayMs: number): number {
  return delayMs > 0 ? Math.min(delayMs, MAX_TIMER_MS) : 0
}

class SystemTimer implements Timer {
  private readonly handle: NodeJS.Timeout
  constructor(fire: () => void, delayMs: number) {
    // Timers of the platform count whole milliseconds and may fire a fraction early: round up.
    this.handle = setTimeout(fire, Math.ceil(clampDelay(delayMs)))
  }
  cancel(): void {
    clearTimeout(this.handle)
  }
  ref(): void {
    this.handle.ref()
  }
  unref(): void {
    this.handle.unref()
  }
}

/** The platform's monotonic clock and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (fire, delayMs) => new SystemTimer(fire, delayMs),
  afterPoll: (fire) => {
    setImmediate(fire)
  },
  idleTime: () => performance.eventLoopUtilization().idle,
}

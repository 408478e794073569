import type { Clock } from '../core/clock.ts'

/** What a {@link LoopWatch} needs of the clock. */
export type LoopClock = Pick<Clock, 'now' | 'afterPoll' | 'idleTime'>

/**
 * Watches how long the event loop is held up at a time. A turn is what runs between two looks for new events: whatever arrived since
 * waits until it is over, so the length of turns is the queue in front of the process, which nobody else can see. Turns are measured
 * only while requests come in, and cost no timer.
 */
export class LoopWatch {
  /** Requests that ended in this window, counted by whoever lets them in. */
  ended = 0
  /** Requests that were turned away in this window, counted by whoever does so. */
  refused = 0
  /** What one request costs the loop, with all that goes on beside it, in milliseconds; 0 until some have ended. */
  costMs = 0
  /** {@link utilisation} of the last second or so. */
  longUtilisation = 0
  private readonly clock: LoopClock
  private readonly onTurn: (turnMs: number, now: number, full: boolean) => void
  private inTurn = false
  private startedAt = 0
  private enteredAt = 0
  private lastTurnMs = 0
  private formerMs = 0
  /** When the last measured turn ended, and how long the loop had waited before it. */
  private endedAt: number
  private idleMs: number
  private windowAt: number
  private windowIdleMs: number
  private busyMs = 0
  private longestMs = 0
  /** Of the last full window. */
  private before = { longestMs: 0, demand: 0, utilisation: 0 }

  /** @param onTurn told of each turn in which a request came in, at its end; `full`: a window ended with it */
  constructor(clock: LoopClock, onTurn: (turnMs: number, now: number, full: boolean) => void) {
    this.clock = clock
    this.onTurn = onTurn
    this.endedAt = clock.now()
    this.windowAt = this.endedAt
    this.idleMs = clock.idleTime?.() ?? 0
    this.windowIdleMs = this.idleMs
  }

  /** A request came in: gives the time, which the caller may have read already. */
  enter(now = this.clock.now()): number {
    if (this.inTurn) return now
    this.inTurn = true
    this.enteredAt = now
    this.startedAt = this.startOf(now)
    this.clock.afterPoll(this.end)
    return now
  }

  /** How long the present turn has lasted. */
  turnMs(now: number): number {
    return now - this.startedAt
  }

  /** How long the turn before lasted: 0 when the loop had to wait for events since, so that nobody has waited for it. */
  get formerTurnMs(): number {
    return this.formerMs
  }

  /** How long requests of the present turn have kept the others of it waiting. */
  sinceFirstMs(now: number): number {
    return now - this.enteredAt
  }

  /** Share of the last window that it would have taken to do all that was asked: beyond one there is more than can be done. */
  get demand(): number {
    return this.before.demand
  }

  /** Share of the last window that the loop was busy, 0–1; where the clock cannot tell, busy with turns in which requests came in. */
  get utilisation(): number {
    return this.before.utilisation
  }

  /** The longest turn lately; 0 when no request came for two windows. */
  get delayMs(): number {
    return this.clock.now() - this.windowAt > 2 * WINDOW_MS ? 0 : Math.max(this.before.longestMs, this.longestMs)
  }

  /** When the turn began in which a request comes in now. Had the loop not to wait since the last turn, this is the same hold-up. */
  private startOf(now: number): number {
    // The loop waits between turns only, so that one look for each of them is enough.
    const idleMs = this.clock.idleTime?.()
    const waited = idleMs === undefined ? now - this.endedAt : idleMs - this.idleMs
    this.idleMs = idleMs ?? 0
    this.formerMs = waited > WAITED_MS ? 0 : this.lastTurnMs
    return waited > WAITED_MS ? now : this.endedAt
  }

  private readonly end = (): void => {
    const now = this.clock.now()
    const turnMs = now - this.startedAt
    this.lastTurnMs = turnMs
    this.inTurn = false
    this.endedAt = now
    this.busyMs += turnMs
    this.longestMs = Math.max(this.longestMs, turnMs)
    const full = now - this.windowAt >= WINDOW_MS
    if (full) this.turnWindow(now)
    this.onTurn(turnMs, now, full)
  }

  private turnWindow(now: number): void {
    const passed = now - this.windowAt
    const busyMs = this.clock.idleTime === undefined ? this.busyMs : passed - (this.idleMs - this.windowIdleMs)
    const utilisation = Math.min(1, Math.max(0, busyMs / passed))
    if (this.ended > 0) {
      const costMs = (utilisation * passed) / this.ended
      this.costMs = this.costMs === 0 ? costMs : (this.costMs + costMs) / 2
    }
    this.longUtilisation += (utilisation - this.longUtilisation) * Math.min(1, passed / LONG_MS)
    const demand = utilisation + (this.refused * this.costMs) / passed
    this.before = { longestMs: this.longestMs, demand, utilisation }
    this.windowAt = now
    this.windowIdleMs = this.idleMs
    this.busyMs = 0
    this.longestMs = 0
    this.ended = 0
    this.refused = 0
  }
}

const WINDOW_MS = 100
const LONG_MS = 1_000
/** A loop that looks for events and finds some at once waits some microseconds all the same. */
const WAITED_MS = 0.1

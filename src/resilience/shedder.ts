import type { Priority } from '../core/call.ts'
import type { Permit, Refusal } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { InboundCall, InboundGate } from '../model/inbound-call.ts'
import type { SheddingSettings, SheddingStats } from '../model/inbound-limits.ts'
import { type LoopClock, LoopWatch } from './loop-watch.ts'
import { requestPriority } from './request-priority.ts'
import { ShedRefusals } from './shed-refusals.ts'

/**
 * Turns requests away while the process is asked for more than it can do, low priority first and high last, so that what it still
 * takes is answered as fast as ever. It looks at the queue in front of the event loop: how long the present turn of the loop has
 * lasted is how long the request has waited already.
 *
 * Calm, it lets a turn grow to `maxLoopDelay`, so that bursts pass. Once a turn grew longer there is a standing queue, and it keeps turns
 * short: one request of each turn is always taken, more only within a few milliseconds, the rest refused at once. That costs no
 * throughput, since a loop that is overloaded finds more work in its next turn.
 */
export class Shedder implements InboundGate, Permit {
  readonly name = 'shedding'
  readonly refused?: false
  /** Requests that were let go and have not ended. */
  inflight = 0
  private readonly watch: LoopWatch
  private readonly random: Random
  private settings: SheddingSettings
  private exempt: ReadonlySet<string>
  /** How busy the loop shall be in an overload, 0–1. */
  private target: number
  private refusals: ShedRefusals
  private allowed = 0
  private readonly shed = { low: 0, normal: 0, high: 0 }
  /** There is a standing queue: turns are kept short. */
  private overloaded = false
  /** From 0 to 2: how much of low, and beyond 1 of normal priority is shed because something more urgent had to be. */
  private pressure = 0
  /** Until when it goes on without further signs of overload. */
  private until = 0
  private turnedAt = 0
  /** When everything that was let in during the overload would be done, if it cost what requests cost. */
  private workDueAt = 0
  private takenAt = 0
  /** How long the queue may be, in milliseconds, for one more of normal priority. */
  private roomMs = 0

  constructor(settings: SheddingSettings, clock: LoopClock, random: Random) {
    this.settings = settings
    this.exempt = new Set(settings.exemptPaths)
    this.target = targetOf(settings)
    this.refusals = new ShedRefusals(settings)
    this.random = random
    this.watch = new LoopWatch(clock, (turnMs, now, full) => this.turned(turnMs, now, full))
  }

  /** Applies to the living state: requests under way stay counted, and an overload is not over. */
  reconfigure(settings: SheddingSettings): void {
    this.settings = settings
    this.exempt = new Set(settings.exemptPaths)
    this.target = targetOf(settings)
    this.refusals = new ShedRefusals(settings)
  }

  /** For a request that has been read already. */
  admit(call: InboundCall): Permit | Refusal {
    const now = this.watch.enter()
    if (this.calm(now) || this.exempt.has(call.pathname)) return this.take(now)
    return this.decide(call.priority, now)
  }

  /**
   * For a request of which nothing but the head is there, before anything is made of it. While all is calm no header is looked at.
   * @param target as in the request line
   * @param rawHeaders names and values in turn
   * @param trusted whether the peer's word on its priority counts
   * @param at clock time, where the caller has just read it
   */
  admitRaw(target: string, rawHeaders: readonly string[], trusted: boolean, at?: number): Permit | Refusal {
    const now = this.watch.enter(at)
    if (this.calm(now)) return this.take(now)
    const query = target.indexOf('?')
    if (this.exempt.has(query < 0 ? target : target.slice(0, query))) return this.take(now)
    return this.decide(trusted ? requestPriority(rawHeaders, this.settings.priorityHeader) : 'normal', now)
  }

  settle(): void {
    this.inflight--
    this.watch.ended++
  }

  stats(): SheddingStats {
    const { allowed, shed, inflight, pressure, watch } = this
    const utilisationPercent = Math.round(watch.longUtilisation * 1_000) / 10
    return { allowed, shed: { ...shed }, inflight, loopDelayMs: watch.delayMs, utilisationPercent, pressure }
  }

  /** Nobody is refused, whatever his priority. */
  private calm(now: number): boolean {
    const { maxInflight } = this.settings
    return !this.overloaded && !this.tooLate('low', now) && (maxInflight === undefined || this.inflight < maxInflight * INFLIGHT_SHARE.low)
  }

  private decide(priority: Priority, now: number): Permit | Refusal {
    const { maxInflight } = this.settings
    if (maxInflight !== undefined && this.inflight >= Math.max(1, maxInflight * INFLIGHT_SHARE[priority]))
      return this.refuse(priority, this.refusals.inflight(priority, this.random()))
    const tooLate = this.tooLate(priority, now)
    if (!this.overloaded && !tooLate) return this.take(now)
    this.overload(now, this.watch.costMs)
    const drawn = priority === 'high' ? 0 : this.pressure - (priority === 'low' ? 0 : 1)
    const late = priority === 'high' ? tooLate : this.aheadMs(now) > this.roomMs * ROOM_SHARE[priority] && !this.starving(priority, now)
    if (!late && (drawn <= 0 || this.random() >= drawn)) return this.take(now)
    // Who is more urgent than others must not be refused while those are taken.
    if (late && priority !== 'low') this.pressure = Math.min(priority === 'high' ? 2 : Math.max(1, this.pressure), this.pressure + STEP)
    return this.refuse(priority, this.refusals.delay(priority, this.random()))
  }

  /** Whether the loop was held up too long for this priority, and before that too: one hold-up alone is no queue that stands. */
  private tooLate(priority: Priority, now: number): boolean {
    const { maxLoopDelayMs } = this.settings
    const { watch } = this
    return watch.turnMs(now) > maxLoopDelayMs * DELAY_SHARE[priority] && watch.formerTurnMs > maxLoopDelayMs * FORMER_SHARE
  }

  /**
   * How long somebody who comes now would wait, or has waited: for the turn before, for others of this turn, and for what was let in
   * and cannot be done yet.
   */
  private aheadMs(now: number): number {
    const { watch } = this
    return watch.formerTurnMs + watch.sinceFirstMs(now) + Math.max(0, this.workDueAt - now)
  }

  /** When something else than requests keeps the loop busy, some are taken all the same. */
  private starving(priority: Priority, now: number): boolean {
    return priority === 'normal' && now - this.takenAt > Math.max(STARVING_MS, 10 * this.watch.costMs)
  }

  private take(now: number): Permit {
    this.inflight++
    this.allowed++
    this.takenAt = now
    if (this.overloaded) this.workDueAt = Math.max(this.workDueAt, now) + this.watch.costMs / this.target
    return this
  }

  private refuse(priority: Priority, refusal: Refusal): Refusal {
    this.shed[priority]++
    this.watch.refused++
    return refusal
  }

  private overload(now: number, roomMs: number): void {
    if (this.overloaded) return
    this.overloaded = true
    this.until = now + HOLD_MS
    this.roomMs = Math.max(LEAST_ROOM_MS, roomMs)
  }

  /** The shortest queue that leaves the loop no time to wait is the one that costs neither time nor throughput. */
  private adapt(): void {
    const { utilisation } = this.watch
    if (utilisation < this.target - TOLERANCE) {
      this.roomMs = Math.min(this.settings.maxLoopDelayMs, this.roomMs * 1.25)
      this.pressure *= 0.5
    } else if (utilisation > this.target + TOLERANCE) this.roomMs = Math.max(LEAST_ROOM_MS, this.roomMs * 0.8)
  }

  private turned(turnMs: number, now: number, full: boolean): void {
    const { maxLoopDelayMs } = this.settings
    const passed = now - this.turnedAt
    this.turnedAt = now
    this.pressure = Math.max(0, this.pressure - passed / RELIEF_MS)
    const tooBusy = this.settings.maxUtilisationPercent !== undefined && this.watch.longUtilisation >= this.target
    const standing = tooBusy || (turnMs > maxLoopDelayMs && this.watch.formerTurnMs > maxLoopDelayMs * FORMER_SHARE)
    // Where nobody waits, the room is as large as may be at first: whom it refuses is found out as it shrinks.
    if (standing) this.overload(now, tooBusy ? maxLoopDelayMs : this.watch.costMs)
    if (!this.overloaded) return
    if (full) this.adapt()
    // A queue that was empty now and then was none.
    if (standing || this.watch.demand >= Math.min(STANDING_DEMAND, this.target)) this.until = now + HOLD_MS
    else if (now >= this.until) this.overloaded = false
  }
}

function targetOf({ maxUtilisationPercent = 100 }: SheddingSettings): number {
  return Math.min(FULL, maxUtilisationPercent / 100)
}

/** As busy as a loop can be seen to be: it has to be seen that it waits a little. */
const FULL = 0.98
const TOLERANCE = 0.01
/** A turn may last so much of `maxLoopDelay` until somebody of this priority is refused. */
const DELAY_SHARE = { low: 0.5, normal: 1, high: 2 } as const
/** And the turn before it has to have lasted so much of it. */
const FORMER_SHARE = 0.25
/** In an overload: how much of the room somebody may find taken. */
const ROOM_SHARE = { low: 0.5, normal: 1 } as const
const LEAST_ROOM_MS = 0.5
const STARVING_MS = 50
const INFLIGHT_SHARE = { low: 0.7, normal: 0.9, high: 1 } as const
/** What one refusal of something urgent adds to the pressure on what is less so, and how long the pressure takes to go by one. */
const STEP = 0.05
const RELIEF_MS = 1_000
/** Of what can be done: from here on it is not over yet. */
const STANDING_DEMAND = 0.9
const HOLD_MS = 500

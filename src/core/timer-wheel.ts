import type { Clock, Timer } from './clock.ts'

/**
 * Something that waits in a {@link TimerWheel}. Extending it puts the links into the object itself, so that
 * a wait costs no allocation.
 */
export abstract class WheelEntry {
  /** @internal */ before: WheelEntry | undefined = undefined
  /** @internal */ after: WheelEntry | undefined = undefined
  /** @internal */ slot = -1
  /** Clock time at which {@link onTime} is wanted. */
  wakeAt = 0

  /** Called at the first tick at or after `wakeAt`; the entry is out of the wheel then. */
  abstract onTime(now: number): void
}

/**
 * One ticking clock for all deadlines of a mesh: putting a wait in and taking it out is a few pointer writes,
 * where a platform timer per call costs 0.2 µs and an `AbortSignal.timeout` six. It ticks only while
 * something waits, and keeps the process alive as long.
 *
 * A tick that comes late (the event loop was blocked) lets the kernel's waiting events in first: an answer
 * that arrived in time is never turned into a timeout by our own stall.
 */
export class TimerWheel {
  /** Clock time as of the last tick or call: at most one tick and the loop's delay behind, free to read. */
  now: number
  /** The clock behind it, for waits that are too long or too rare to tick for. */
  readonly clock: Clock
  private readonly slots: (WheelEntry | undefined)[] = new Array(SLOTS).fill(undefined)
  private cursor = 0
  private waiting = 0
  private timer: Timer | undefined = undefined
  /**
   * Clock time until which the event loop was blocked last: what began before it and seems late may have been on time, and only
   * read late. -Infinity when it never was.
   */
  stalledUntil = Number.NEGATIVE_INFINITY
  /**
   * Clock time up to which the slots were turned. It goes by the clock, not by ticks: those of the platform come a millisecond
   * late or two, and a hundred of them in a row would make a deadline of one second a fifth longer.
   */
  private turnedTo = 0
  /** The first thing an entry threw in this turn: told when everybody else had his time. */
  private thrown: { readonly error: unknown } | undefined = undefined

  constructor(clock: Clock) {
    this.clock = clock
    this.now = clock.now()
  }

  /** Entries that wait now. */
  get size(): number {
    return this.waiting
  }

  /** Reads the clock, and remembers what it said for those who need no more than that. */
  read(): number {
    const now = this.clock.now()
    if (now > this.now) this.now = now
    // Whoever reads first after a stall tells: answers may come in before the late tick.
    if (this.timer !== undefined && now - this.turnedTo - TICK_MS > STALL_MS) this.stalledUntil = now
    return now
  }

  /** As the clock's: after the events that already wait in the kernel. */
  afterPoll(fire: () => void): void {
    this.clock.afterPoll(fire)
  }

  /** Puts `entry` in, or moves it: `onTime` comes at the first tick at or after `wakeAt`. */
  set(entry: WheelEntry, wakeAt: number): void {
    if (entry.slot >= 0) this.unlink(entry)
    // An idle wheel does not tick, so its own time is old.
    if (this.timer === undefined) this.turnedTo = this.read()
    entry.wakeAt = wakeAt
    // A wait beyond one turn stays in its slot and is passed over until its turn comes.
    const ahead = Math.max(1, Math.ceil((wakeAt - this.turnedTo) / TICK_MS - ROUNDING))
    this.link(entry, (this.cursor + Math.min(ahead, SLOTS - 1)) % SLOTS)
    if (this.timer === undefined) this.arm()
  }

  remove(entry: WheelEntry): void {
    if (entry.slot >= 0) this.unlink(entry)
  }

  /** Everything that waits, for a closing mesh. */
  entries(): WheelEntry[] {
    const found: WheelEntry[] = []
    for (const first of this.slots) {
      for (let entry = first; entry !== undefined; entry = entry.after) found.push(entry)
    }
    return found
  }

  private link(entry: WheelEntry, slot: number): void {
    const first = this.slots[slot]
    entry.slot = slot
    entry.before = undefined
    entry.after = first
    if (first !== undefined) first.before = entry
    this.slots[slot] = entry
    this.waiting++
  }

  private unlink(entry: WheelEntry): void {
    const { before, after } = entry
    if (before === undefined) this.slots[entry.slot] = after
    else before.after = after
    if (after !== undefined) after.before = before
    entry.before = undefined
    entry.after = undefined
    entry.slot = -1
    this.waiting--
  }

  private arm(): void {
    this.timer = this.clock.setTimer(this.tick, this.turnedTo + TICK_MS - this.clock.now())
  }

  private readonly tick = (): void => {
    const now = this.read()
    if (now - this.turnedTo - TICK_MS > LATE_MS) this.clock.afterPoll(this.turn)
    else this.turn()
  }

  private readonly turn = (): void => {
    const now = this.read()
    const passed = Math.floor((now - this.turnedTo) / TICK_MS + ROUNDING)
    // After a stall longer than a turn every slot is looked at once.
    this.turnedTo += Math.max(0, passed - SLOTS) * TICK_MS
    for (let step = Math.min(SLOTS, passed); step > 0; step--) {
      this.cursor = (this.cursor + 1) % SLOTS
      this.turnedTo += TICK_MS
      this.fire(this.cursor, Math.max(now, this.turnedTo))
    }
    this.timer = undefined
    if (this.waiting > 0) this.arm()
    const { thrown } = this
    this.thrown = undefined
    if (thrown !== undefined) throw thrown.error
  }

  private fire(slot: number, now: number): void {
    let entry = this.slots[slot]
    while (entry !== undefined) {
      const next: WheelEntry | undefined = entry.after
      if (entry.wakeAt <= now) {
        this.unlink(entry)
        try {
          entry.onTime(now)
        } catch (error) {
          this.thrown ??= { error }
        }
      } else if (entry.wakeAt - now < (SLOTS - 1) * TICK_MS) {
        this.set(entry, entry.wakeAt)
      }
      // onTime may have taken the neighbour out or moved it; then this slot is read afresh.
      entry = next === undefined || next.slot === slot ? next : this.slots[slot]
    }
  }
}

const TICK_MS = 10
const SLOTS = 512
/** Sums of fractions of a millisecond are off by less than this share of a tick. */
const ROUNDING = 1e-6
/** A tick later than this means that the loop was blocked, and answers may wait unread. */
const LATE_MS = 40
/** A tick later than this is a stall, for which no endpoint is blamed. */
const STALL_MS = 100

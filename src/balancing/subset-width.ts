/**
 * How many endpoints of a group a process uses: those that are its own, and the next ones that stand in for who is out. It grows at once,
 * since calls need somebody now, and shrinks to the most that was needed within a minute: an endpoint that comes and goes takes nobody in
 * and lets nobody go each time. Where more came back than anybody should be connected to, those go after ten seconds.
 */
export class SubsetWidth {
  length: number
  /** The most that was needed after `since`. */
  private peak = 0
  private since: number

  constructor(length: number, now: number) {
    this.length = length
    this.since = now
  }

  /**
   * So many are needed now.
   * @param bearable with more than these there would be far more in use than anybody needs
   */
  note(need: number, bearable: number, now: number): void {
    if (need >= this.length) {
      this.length = need
      this.begin(0, now)
      return
    }
    this.peak = Math.max(this.peak, need)
    const held = now - this.since
    if (held >= HELD_MS) {
      this.length = Math.min(this.length, this.peak)
      this.begin(need, now)
    }
    if (held >= CROWDED_MS) this.length = Math.min(this.length, bearable)
  }

  /** There are no more than so many to be used. */
  limit(most: number): void {
    this.length = Math.min(this.length, most)
  }

  /** Clock time at which it may shrink, when nothing changes until then. */
  dueAt(need: number, bearable: number): number {
    if (need >= this.length) return Number.POSITIVE_INFINITY
    return this.since + (bearable < this.length ? CROWDED_MS : HELD_MS)
  }

  private begin(peak: number, now: number): void {
    this.peak = peak
    this.since = now
  }
}

/** How long those that stand in stay at least after nobody needs them any more. */
const HELD_MS = 60_000
/** The same where more than twice the size are in use. */
const CROWDED_MS = 10_000

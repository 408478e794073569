/**
 * Who is due next among many, each due again and again: a calendar queue. A circle of days holds everybody in the list of his day, the
 * next one due is in the first day that has somebody, and entering somebody costs the same for ten and for ten thousand, where a heap
 * would go through the memory of all.
 */
export class Calendar {
  /** When each is due. */
  private readonly due: Float64Array
  /** The first of each day's list, and who comes after whom in it; {@link NOBODY} at its end. */
  private readonly first: Int32Array
  private readonly after: Int32Array
  /** Days in a unit of time. The same product says where somebody is entered and when he is found, or rounding would lose him. */
  private readonly days: number
  private day = 0
  /** Who stands before the one that was found last, in the list of his day. */
  private before = NOBODY

  /**
   * @param due when each is due for the first time; the calendar goes on with it
   * @param rate about how many are due in a unit of time, which begins at 0
   */
  constructor(due: Float64Array, rate: number) {
    this.due = due
    this.days = rate
    this.first = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, due.length * DAYS_EACH)))).fill(NOBODY)
    this.after = new Int32Array(due.length)
    for (let index = 0; index < due.length; index++) this.enter(index)
  }

  /** The first who is due, of at least one. */
  next(): number {
    const { first, after, due, days } = this
    for (let passed = 0; passed < first.length; passed++) {
      let found = NOBODY
      let least = Number.POSITIVE_INFINITY
      let before = NOBODY
      for (let index = first[this.day & (first.length - 1)] as number; index !== NOBODY; index = after[index] as number) {
        const its = due[index] as number
        // Whoever is due when this day comes round again stays in its list.
        if (its < least && Math.floor(its * days) <= this.day) {
          least = its
          found = index
          this.before = before
        }
        before = index
      }
      if (found !== NOBODY) return found
      this.day++
    }
    // Nobody is due for a whole round: goes on at the first day that has somebody.
    this.day = Math.floor(due.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY) * days)
    return this.next()
  }

  /** When the one at `index` is due. */
  dueAt(index: number): number {
    return this.due[index] as number
  }

  /** Whom {@link next} found is due again at `due`. */
  again(index: number, due: number): void {
    const { first, after } = this
    if (this.before === NOBODY) first[this.day & (first.length - 1)] = after[index] as number
    else after[this.before] = after[index] as number
    this.due[index] = due
    this.enter(index)
  }

  private enter(index: number): void {
    const { first } = this
    // Not before today, whatever rounding makes of it.
    const day = Math.max(this.day, Math.floor((this.due[index] as number) * this.days)) & (first.length - 1)
    this.after[index] = first[day] as number
    first[day] = index
  }
}

const NOBODY = -1
/** Days for each of them: mostly empty lists, or lists of one. */
const DAYS_EACH = 2

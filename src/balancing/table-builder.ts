import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { HashTable, TableSteps } from './hash-table.ts'

/**
 * Has tables built as members come and go. What takes long is built in slices of 5 ms, of which the first is the pick's that finds
 * the table outdated; until it is complete the former one serves. A table that was begun is completed whatever comes meanwhile, or
 * under steady change there would never be a new one.
 */
export class TableBuilder {
  private readonly steps: (members: readonly Endpoint[]) => TableSteps
  private readonly clock: Pick<Clock, 'now' | 'afterPoll'> | undefined
  private table: HashTable | undefined = undefined
  private running: TableSteps | undefined = undefined
  private waiting: (() => void)[] = []

  /** @param clock without one every table is built at once */
  constructor(steps: (members: readonly Endpoint[]) => TableSteps, clock: Pick<Clock, 'now' | 'afterPoll'> | undefined) {
    this.steps = steps
    this.clock = clock
  }

  /** The table of `members`, or the one before it while that is being built; undefined when there is none yet. */
  tableOf(members: readonly Endpoint[]): HashTable | undefined {
    if (this.table?.members !== members && this.running === undefined) {
      this.running = this.steps(members)
      this.run()
    }
    return this.table
  }

  /** The table that a pick among `members` would go by; undefined where it would have one built first. */
  serving(members: readonly Endpoint[]): HashTable | undefined {
    return this.table?.members === members || this.running !== undefined ? this.table : undefined
  }

  /** There is no table yet. */
  get empty(): boolean {
    return this.table === undefined
  }

  /** Calls back as soon as there is a table, which is begun with `members`. */
  whenFilled(members: readonly Endpoint[], then: () => void): void {
    if (this.tableOf(members) !== undefined) then()
    // Whoever lets them all go does so in a context of its own; each goes on in the one it came from.
    else this.waiting.push(AsyncResource.bind(then))
  }

  private readonly run = (): void => {
    const { clock } = this
    const endsAt = clock === undefined ? Number.POSITIVE_INFINITY : clock.now() + SLICE_MS
    while (this.running !== undefined) {
      const step = this.running.next()
      if (step.done === true) {
        this.table = step.value
        this.running = undefined
        const { waiting } = this
        this.waiting = []
        for (const then of waiting) then()
      } else if (clock !== undefined && clock.now() >= endsAt) {
        clock.afterPoll(this.run)
        return
      }
    }
  }
}

/** The longest that a build may hold the loop up at a time. */
const SLICE_MS = 5

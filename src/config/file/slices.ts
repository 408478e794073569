import type { Clock } from '../../core/clock.ts'

/** Longest piece of work between two looks at other events, in milliseconds. */
const SLICE_MS = 5
/** Steps between two looks at the clock. */
const STEPS_PER_LOOK = 16

/** Divides long work, so that the calls of the process go on: `if (slices.due()) await slices.pause()` at every step. */
export class Slices {
  private readonly clock: Clock
  private since: number
  private steps = 0

  constructor(clock: Clock) {
    this.clock = clock
    this.since = clock.now()
  }

  /** Whether this piece was long enough. */
  due(): boolean {
    return ++this.steps % STEPS_PER_LOOK === 0 && this.clock.now() - this.since > SLICE_MS
  }

  /** Lets everything else that waits have its turn. */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => this.clock.afterPoll(resolve))
    this.since = this.clock.now()
  }
}

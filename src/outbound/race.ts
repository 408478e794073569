import type { Clock, Timer } from '../core/clock.ts'
import type { HedgePolicy } from '../resilience/hedge.ts'
import type { Attempt } from './attempt.ts'

/** The tries of one call that may be under way at once: which they are, and when the next joins them. Calls that are not hedged have none. */
export class Race {
  readonly policy: HedgePolicy
  /** Hedges sent. */
  hedges = 0
  /** An answer asked for no further try. */
  pushedBack = false
  /** Those under way beside the newest, the oldest first. */
  private readonly others: Attempt[] = []
  private timer: Timer | undefined = undefined

  constructor(policy: HedgePolicy) {
    this.policy = policy
  }

  /** Whether more than one try is under way. */
  get on(): boolean {
    return this.others.length > 0
  }

  /** Those under way beside the newest. */
  get beside(): readonly Attempt[] {
    return this.others
  }

  /** `attempt`, the newest so far, goes on beside one that follows. */
  keep(attempt: Attempt): void {
    this.others.push(attempt)
  }

  /** `attempt` is under way no more; gives the one that is the newest then, where `newest` was it. */
  leave(attempt: Attempt, newest: Attempt): Attempt {
    if (attempt === newest) return this.others.pop() as Attempt
    this.others.splice(this.others.indexOf(attempt), 1)
    return newest
  }

  /** Nobody races any more; gives those that did beside the newest. */
  end(): readonly Attempt[] {
    this.disarm()
    return this.others.splice(0)
  }

  /** Calls back after `delayMs`, unless {@link disarm} or another wait comes first. */
  arm(clock: Clock, delayMs: number, then: () => void): void {
    this.timer?.cancel()
    this.timer = clock.setTimer(() => {
      this.timer = undefined
      // What waits in the kernel comes first: an answer that a stall of ours held up is not late.
      clock.afterPoll(then)
    }, delayMs)
  }

  disarm(): void {
    this.timer?.cancel()
    this.timer = undefined
  }
}

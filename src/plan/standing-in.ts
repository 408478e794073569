import type { SubsetMembers } from '../balancing/subset-members.ts'
import type { Clock, Timer } from '../core/clock.ts'

/**
 * Has endpoints out of use stood in for, where a process uses a part of them, and lets those that stand in go when nobody needs them any more.
 * It looks after whoever changed an endpoint is done with it, so that a hundred ejections in a row are one change, and nobody's walk over the
 * endpoints meets others in the middle.
 */
export class StandingIn {
  private readonly clock: Pick<Clock, 'now' | 'setTimer'>
  private readonly members: SubsetMembers
  private readonly apply: () => void
  private asked = false
  private closed = false
  private timer: Timer | undefined = undefined

  /** @param apply works out anew which endpoints are used */
  constructor(clock: Pick<Clock, 'now' | 'setTimer'>, members: SubsetMembers, apply: () => void) {
    this.clock = clock
    this.members = members
    this.apply = apply
  }

  /** An endpoint may have gone out of use, or come back. One comparison where all endpoints are used, or soon will be looked at. */
  look(): void {
    if (this.asked || this.closed || !this.members.divides) return
    this.asked = true
    this.lookIn(0)
  }

  /** Which endpoints are used was worked out: looks again when somebody may leave. */
  wait(): void {
    if (!this.asked) this.lookIn(this.members.dueAt - this.clock.now())
  }

  /** Looks no more, and holds no timer. */
  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.timer = undefined
  }

  private lookIn(ms: number): void {
    this.timer?.cancel()
    this.timer = undefined
    if (this.closed || ms === Number.POSITIVE_INFINITY) return
    this.timer = this.clock.setTimer(this.lookNow, ms)
    this.timer.unref()
  }

  private readonly lookNow = (): void => {
    this.asked = false
    if (this.closed) return
    if (this.members.look(this.clock.now())) this.apply()
    else this.wait()
  }
}

import type { Clock, Timer } from '../clock.ts'

/**
 * Turns a burst of signals into one: fires once there was quiet for `quietMs`, at the latest `atMostMs` after the first. A file
 * that is written in place passes through states that are well-formed and wrong, so nobody looks while the writing goes on.
 */
export class Quiet {
  private readonly clock: Clock
  private readonly fire: () => void
  private readonly quietMs: number
  private readonly atMostMs: number
  private timer: Timer | undefined = undefined
  private since = 0

  constructor(clock: Clock, fire: () => void, { quietMs, atMostMs }: { quietMs: number; atMostMs: number }) {
    this.clock = clock
    this.fire = fire
    this.quietMs = quietMs
    this.atMostMs = atMostMs
  }

  signal(): void {
    const now = this.clock.now()
    if (this.timer === undefined) this.since = now
    else this.timer.cancel()
    this.timer = this.clock.setTimer(
      () => {
        this.timer = undefined
        this.fire()
      },
      Math.min(this.quietMs, Math.max(0, this.since + this.atMostMs - now)),
    )
    this.timer.unref()
  }

  cancel(): void {
    this.timer?.cancel()
    this.timer = undefined
  }
}

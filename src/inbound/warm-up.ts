import type { Clock, Timer } from '../core/clock.ts'

/** What a warm-up goes by. */
export interface WarmUpOptions {
  readonly clock: Clock
  /** How long the first checks are waited for once nothing else is; 0: not at all. */
  readonly timeoutMs: number
  /** The services with endpoints that were never checked, in words. */
  unchecked(): readonly string[]
  /** The time is up: readiness is to look again. */
  over(): void
}

/**
 * The first health check of every endpoint, as one of the things that readiness waits for: a process that knows which of its services are
 * there answers better than one that is about to find out. What the checks found does not matter here, and a time bounds the wait, so that a
 * service which is down or does not answer holds nobody back.
 */
export class WarmUp {
  private readonly options: WarmUpOptions
  private timer: Timer | undefined = undefined
  private done: boolean

  constructor(options: WarmUpOptions) {
    this.options = options
    this.done = options.timeoutMs === 0
  }

  /** Whether there is still something that it may wait for. */
  get waits(): boolean {
    return !this.done
  }

  /** @param alone nothing else is missing: from now on the time runs */
  missing(alone: boolean): readonly string[] {
    if (this.done) return NONE
    const unchecked = this.options.unchecked()
    if (unchecked.length === 0 || !alone) return unchecked
    const { clock, timeoutMs } = this.options
    if (this.timer === undefined) {
      this.timer = clock.setTimer(this.late, timeoutMs)
      this.timer.unref()
    }
    return unchecked
  }

  /** Nobody waits any more. */
  close(): void {
    this.done = true
    this.timer?.cancel()
  }

  private readonly late = (): void => {
    this.done = true
    this.options.over()
  }
}

const NONE: readonly string[] = Object.freeze([])

import type { Clock, Timer } from '../../core/clock.ts'
import type { Identity } from './identity.ts'

/** Shares of a certificate's life after which somebody is told that no new one came. */
const WARN_AT_PERCENT = [50, 80, 90, 100] as const

/** Tells when an identity grows old: once at each share of its life, and the last share that passed where it came late. */
export class ExpiryWatch {
  private readonly clock: Clock
  private readonly warn: (identity: Identity, percent: number) => void
  private timer: Timer | undefined = undefined
  private told = 0

  constructor(clock: Clock, warn: (identity: Identity, percent: number) => void) {
    this.clock = clock
    this.warn = warn
  }

  /** From now on it is this one that grows old. */
  follow(identity: Identity): void {
    this.told = 0
    this.check(identity)
  }

  close(): void {
    this.timer?.cancel()
  }

  private check(identity: Identity): void {
    this.timer?.cancel()
    const { notBefore, notAfter } = identity.leaf
    const life = notAfter - notBefore
    const at = this.clock.wallTime()
    const passed = WARN_AT_PERCENT.findLast((percent) => at >= notBefore + (life * percent) / 100)
    if (passed !== undefined && passed > this.told) {
      this.told = passed
      this.warn(identity, passed)
    }
    const next = WARN_AT_PERCENT.find((percent) => percent > this.told)
    if (next === undefined) return
    // The clock on the wall may be set, and a timer holds 24 days at most: look again at the latest then.
    this.timer = this.clock.setTimer(() => this.check(identity), notBefore + (life * next) / 100 - at)
    this.timer.unref()
  }
}

import type { Clock, Timer } from '../clock.ts'
import { Quiet } from './quiet.ts'
import { watchPoints } from './watch-points.ts'
import { Watchers } from './watchers.ts'

/** Which files, and how somebody looks at them. */
export interface WatchedPathsOptions {
  readonly paths: readonly string[]
  readonly clock: Clock
  readonly pollMs: number
  /** Looks; says whether it wants to look again soon because of what it found. Never throws. */
  look(): boolean
}

/**
 * Has somebody look at a few small files: at the start, when the platform tells of a change and it became quiet, and from time to
 * time. Its timers and watches keep no process alive.
 */
export class WatchedPaths {
  private readonly options: WatchedPathsOptions
  private readonly quiet: Quiet
  private readonly watchers: Watchers
  private timer: Timer | undefined = undefined
  private closed = false

  constructor(options: WatchedPathsOptions) {
    this.options = options
    this.quiet = new Quiet(options.clock, () => this.round(), { quietMs: QUIET_MS, atMostMs: AT_MOST_MS })
    this.watchers = new Watchers(() => {
      if (!this.closed) this.quiet.signal()
    })
    this.round()
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.quiet.cancel()
    this.watchers.close()
  }

  private round(): void {
    if (this.closed) return
    const { options } = this
    this.timer?.cancel()
    this.timer = options.clock.setTimer(() => this.round(), options.look() ? SECOND_LOOK_MS : options.pollMs)
    this.timer.unref()
    void this.watch()
  }

  /** Watches what the paths lead to now, which a change may have moved; what changed before the watches stood is looked at. */
  private async watch(): Promise<void> {
    const points = await watchPoints(this.options.paths)
    if (!this.closed && this.watchers.set(points)) this.quiet.signal()
  }
}

const QUIET_MS = 20
/** Of a pair that is written without a pause something is looked at all the same. */
const AT_MOST_MS = 500
/** What does not fit may be half written. */
const SECOND_LOOK_MS = 250

import type { Priority } from '../core/call.ts'

/**
 * How much of a limit calls of each priority may fill, so that the most urgent ones are refused last: high all of it, normal 90 %, low 80 %.
 * A share is held back only while somebody came for it within ten seconds. Who never says how urgent his calls are has all of his limit.
 */
export class PriorityShares {
  private highAt = Number.NEGATIVE_INFINITY
  private normalAt = Number.NEGATIVE_INFINITY
  private lowAt = Number.NEGATIVE_INFINITY

  /** So many may be in flight for a call like this to go. Its coming is noted, so ask once a call. */
  roomFor(priority: Priority | undefined, limit: number, now: number): number {
    if (priority === 'high') {
      this.highAt = now
      return limit
    }
    if (priority === 'low') {
      this.lowAt = now
      return this.lowRoom(limit, now)
    }
    this.normalAt = now
    return this.normalRoom(limit, now)
  }

  /** The same for whoever looks; `differ` where calls of late were more and less urgent. */
  now(limit: number, now: number): { readonly normal: number; readonly low: number; readonly differ: boolean } {
    const differ = now - this.highAt < HELD_MS || now - this.lowAt < HELD_MS
    return { normal: this.normalRoom(limit, now), low: this.lowRoom(limit, now), differ }
  }

  private normalRoom(limit: number, now: number): number {
    return now - this.highAt < HELD_MS ? part(limit, NORMAL) : limit
  }

  private lowRoom(limit: number, now: number): number {
    return now - this.highAt < HELD_MS || now - this.normalAt < HELD_MS ? part(limit, LOW) : limit
  }
}

/** Everybody gets one: what nobody ever lets go has no latency to learn from. */
function part(limit: number, share: number): number {
  return Math.max(1, Math.floor(limit * share))
}

const NORMAL = 0.9
const LOW = 0.8
/** How long a share is held back after somebody came for it. */
const HELD_MS = 10_000

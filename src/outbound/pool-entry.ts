import type { ConnectionLimit } from '../resilience/connection-limit.ts'
import type { Pool } from './pool.ts'
import type { Wire } from './wire.ts'

/** How long the connections of a former identity may go on taking calls. */
const HAND_OVER_MS = 5_000

/**
 * The pool of one endpoint for one wire, when it was last used, and, for a while after our certificate changed, the pool before it.
 * Were all connections dropped at once, each call under way in that moment would begin a handshake: under load that is a herd, and
 * a herd of handshakes does not end in time.
 */
export class PoolEntry {
  readonly wire: Wire
  readonly limit: ConnectionLimit
  pool: Pool
  private usedAt: number
  /** The pool for another wire of the same endpoint; nearly always there is one only. */
  next: PoolEntry | undefined
  private former: Pool | undefined = undefined
  private formerUntil = 0
  private readonly retire: (pool: Pool) => void

  constructor(wire: Wire, limit: ConnectionLimit, pool: Pool, now: number, next: PoolEntry | undefined, retire: (pool: Pool) => void) {
    this.wire = wire
    this.limit = limit
    this.pool = pool
    this.usedAt = now
    this.next = next
    this.retire = retire
  }

  /** The pool for a call that begins now. */
  take(now: number): Pool {
    this.usedAt = now
    return this.former === undefined ? this.pool : this.handOver(this.former, now)
  }

  /** From now on `pool` is the one; what is connected in the former takes calls until `pool` has connections enough. */
  succeed(pool: Pool, now: number): void {
    this.endFormer()
    this.former = this.pool
    this.formerUntil = now + HAND_OVER_MS
    this.pool = pool
  }

  isFormer(pool: Pool): boolean {
    return pool === this.former
  }

  endFormer(): void {
    const { former } = this
    this.former = undefined
    if (former !== undefined) this.retire(former)
  }

  /** Ends a hand-over that nobody called through. */
  sweep(now: number): void {
    if (now >= this.formerUntil) this.endFormer()
  }

  /** Nobody called for `ms`, and nothing is under way. */
  isIdle(now: number, ms: number): boolean {
    // Of thousands most were called, and counting takes longer than comparing.
    if (now - this.usedAt <= ms) return false
    const { running, pending } = this.pool.stats
    return running + pending === 0
  }

  get pools(): readonly Pool[] {
    return this.former === undefined ? [this.pool] : [this.pool, this.former]
  }

  /** One connection of the present pool is opened at a time, and each one that is free is used first. */
  private handOver(former: Pool, now: number): Pool {
    const { free, pending } = this.pool.stats
    if (now >= this.formerUntil) this.endFormer()
    else if (free === 0 && pending > 0 && former.stats.connected > 0) return former
    return this.pool
  }
}

import type { Priority } from '../core/call.ts'
import type { Description } from '../core/described.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import type { AdaptiveConcurrencySettings, AdaptiveConcurrencyStats } from '../model/adaptive-concurrency.ts'
import { Aimd } from './concurrency/aimd.ts'
import { GradientLimit } from './concurrency/gradient-limit.ts'
import { Gradient2 } from './concurrency/gradient2.ts'
import type { LimitAlgorithm } from './concurrency/limit-algorithm.ts'
import { Vegas } from './concurrency/vegas.ts'
import { WindowedLimit } from './concurrency/windowed-limit.ts'
import { PriorityShares } from './priority-shares.ts'

/** What an {@link AdaptiveConcurrency} goes by. */
export interface AdaptiveConcurrencyParts {
  /** Monotonic milliseconds: the mesh's timer wheel, or `{ get now() { return performance.now() } }`. */
  readonly time: { readonly now: number }
  readonly random: Random
  /** What a refusal says besides: where it was configured, and when to come again. */
  readonly refusal?: Pick<Refusal, 'from' | 'retryAfterMs'>
}

/**
 * Bounds the calls in flight by what the service can do, which it finds out from how long they take: in front of a service, or of a
 * server's own application. What is beyond it is refused at once, so that what is let go is answered as fast as ever.
 *
 * A success is a sample of latency, a call that ran out of time a sign that it is worse; other failures say nothing of latency, since an
 * error that comes at once is no sign of room. The last part of the limit is for the more urgent calls, while there are such. A call costs no allocation: the permit is one for all of them until samples lose their worth.
 */
export class AdaptiveConcurrency implements Gate {
  readonly name = 'adaptive-concurrency'
  readonly section = 'adaptiveConcurrency'
  /** Calls in flight. */
  inflight = 0
  /** Calls turned away so far. */
  refusals = 0
  private readonly service: string
  private readonly parts: AdaptiveConcurrencyParts
  private settings: AdaptiveConcurrencySettings
  private algorithm: LimitAlgorithm
  private current: Epoch
  private readonly shares = new PriorityShares()
  /** By what may be in flight of calls like the refused one; all of one limit. */
  private readonly refused = new Map<number, Refusal>()
  private refusedAt = 0

  constructor(service: string, settings: AdaptiveConcurrencySettings, parts: AdaptiveConcurrencyParts) {
    this.service = service
    this.settings = settings
    this.parts = parts
    this.algorithm = this.make(undefined)
    this.current = new Epoch(this, this.algorithm)
  }

  /** The limit in force. */
  get limit(): number {
    return this.algorithm.limit
  }

  describe(): Description {
    const { inflight, limit, algorithm, shares, parts } = this
    const { minRttMs, measuring } = algorithm
    const knows = minRttMs === undefined ? '' : `, with ${round(minRttMs)} ms without a queue`
    const how = measuring ? ', which is measuring the latency without a queue' : knows
    const { normal, low, differ } = shares.now(limit, parts.time.now)
    const less = !differ ? '' : `; calls of normal priority up to ${normal}, of low up to ${low}`
    const because = `by ${this.settings.algorithm}${how}${less}`
    return { state: `${inflight} of ${limit} calls in flight`, because, admits: inflight < normal }
  }

  stats(): AdaptiveConcurrencyStats {
    const { limit, inflight, refusals: refused, algorithm } = this
    const { minRttMs, measuring } = algorithm
    return { limit, inflight, ...(minRttMs === undefined ? {} : { minRttMs: round(minRttMs) }), measuring, refused }
  }

  /** Applies to the living state: calls in flight stay counted, and another algorithm goes on from the limit of the one before. */
  reconfigure(settings: AdaptiveConcurrencySettings): void {
    const { algorithm } = this.settings
    this.settings = settings
    if (settings.algorithm === algorithm) this.algorithm.reconfigure(settings, this.parts.time.now)
    else this.algorithm = this.make(this.algorithm.limit)
  }

  admit(call?: { readonly priority?: Priority }): Permit | Refusal {
    const { algorithm } = this
    const { now } = this.parts.time
    algorithm.tick(now)
    const { limit } = algorithm
    const room = this.shares.roomFor(call?.priority, limit, now)
    if (this.inflight >= room) return this.refuse(limit, room)
    this.inflight++
    if (!this.current.isOf(algorithm)) this.current = new Epoch(this, algorithm)
    return this.current
  }

  /** @internal */
  settle(epoch: Epoch, outcome: Outcome): void {
    const { algorithm } = this
    const inflight = this.inflight--
    const { verdict, kind, status, latencyMs, unsent } = outcome
    if (verdict === 'ignored' || unsent || !epoch.isOf(algorithm)) return
    const { now } = this.parts.time
    if (verdict === 'success') algorithm.answered(latencyMs, now, inflight)
    else if (kind === 'timeout') algorithm.dropped(latencyMs, now, inflight)
    else if (status === 503) algorithm.dropped(undefined, now, inflight)
  }

  private make(limit: number | undefined): LimitAlgorithm {
    const { settings } = this
    const { time, random } = this.parts
    switch (settings.algorithm) {
      case 'gradient':
        return new GradientLimit(settings, random, limit)
      case 'gradient2':
        return new WindowedLimit(settings, new Gradient2(), time.now, limit)
      case 'vegas':
        return new WindowedLimit(settings, new Vegas(random), time.now, limit)
      case 'aimd':
        return new WindowedLimit(settings, new Aimd(settings), time.now, limit)
    }
  }

  /** One object for all refusals of calls that may be so many, at one limit. */
  private refuse(limit: number, room: number): Refusal {
    const { refused } = this
    this.refusals++
    if (this.refusedAt !== limit) {
      this.refusedAt = limit
      refused.clear()
    }
    let refusal = refused.get(room)
    if (refusal === undefined) {
      const of = room === limit ? '' : `, the last ${limit - room} of ${limit} are for more urgent ones`
      const reason = `adaptiveConcurrency of ${this.service} is reached: ${room} calls in flight${of}`
      refusal = Object.freeze({ refused: true, code: 'MESH_OVERLOADED', status: 503, reason, ...this.parts.refusal })
      refused.set(room, refusal)
    }
    return refusal
  }
}

/** The permit of every call that was let go while samples meant the same. */
class Epoch implements Permit {
  private readonly gate: AdaptiveConcurrency
  private readonly algorithm: LimitAlgorithm
  private readonly number: number

  constructor(gate: AdaptiveConcurrency, algorithm: LimitAlgorithm) {
    this.gate = gate
    this.algorithm = algorithm
    this.number = algorithm.epoch
  }

  isOf(algorithm: LimitAlgorithm): boolean {
    return this.algorithm === algorithm && this.number === algorithm.epoch
  }

  settle(outcome: Outcome): void {
    this.gate.settle(this, outcome)
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}

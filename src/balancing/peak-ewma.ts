import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { costMs, noteAnswer, noteFailure, noteWait, spare } from '../core/latency-record.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import type { Balancer } from './balancer.ts'
import type { SlowStart } from './slow-start.ts'
import { TwoChoices } from './two-choices.ts'

/**
 * Of two endpoints drawn at random the one that is expected to answer sooner: the peak of its latency of late, worn down by time, ×
 * (tries under way + 1) ÷ weight. An endpoint that nobody asked yet is tried first, but by one call only until it has answered.
 *
 * A failure and a 429 count against their endpoint whatever they took, and `Retry-After` is heeded; a call whose caller left tells
 * how long it waited at least. What was learnt is kept with the endpoint and outlives the balancer.
 */
export class PeakEwma implements Balancer {
  readonly name = 'peak-ewma'
  private readonly random: Random
  private readonly slowStart: SlowStart | undefined
  private readonly choices: TwoChoices
  private readonly decayMs: number

  /** @param decayMs the time after which a peak is worn down to 1 ÷ e */
  constructor(random: Random, slowStart?: SlowStart, decayMs = 10_000) {
    this.random = random
    this.slowStart = slowStart
    this.choices = new TwoChoices(random, slowStart)
    this.decayMs = decayMs
  }

  pick(candidates: readonly Endpoint[], call: Call): Endpoint | undefined {
    if (candidates.length < 2) return candidates[0]
    const { choices } = this
    choices.draw(candidates, call)
    const a = choices.a as Endpoint
    const b = choices.b as Endpoint
    const now = call.startedAt
    return this.costOf(a, now) * choices.weightB <= this.costOf(b, now) * choices.weightA ? a : b
  }

  shares(candidates: readonly Endpoint[], now: number): number[] | undefined {
    return this.choices.shares(candidates, now, (endpoint) => this.costOf(endpoint, now))
  }

  another(): PeakEwma {
    return new PeakEwma(this.random, this.slowStart, this.decayMs)
  }

  observe(endpoint: Endpoint, { verdict, status, kind, latencyMs, retryAfterMs }: Outcome, now: number): void {
    const refused = status === 429
    // What failed here, and never got there, says nothing of the endpoint.
    if (verdict === 'ignored' && kind !== 'aborted') return
    if (verdict === 'ignored') noteWait(endpoint, latencyMs, this.decayMs, now)
    else if (verdict === 'failure' || refused) noteFailure(endpoint, latencyMs, this.decayMs, now)
    else noteAnswer(endpoint, latencyMs, this.decayMs, now)
    if (retryAfterMs !== undefined && (refused || verdict === 'failure')) spare(endpoint, retryAfterMs, now)
  }

  private costOf(endpoint: Endpoint, now: number): number {
    const { inflight, heard } = endpoint
    const busy = inflight > 0
    if (busy && heard < 2) return UNSEEN_MS + inflight
    return costMs(endpoint, this.decayMs, now, busy) * (inflight + 1)
  }
}

/** What an endpoint costs that was asked and has not answered yet: more than any that has. */
const UNSEEN_MS = 1e12

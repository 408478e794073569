import type { Endpoint } from '../core/endpoint.ts'
import { IGNORED, type Outcome, OVERDUE } from '../core/outcome.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { AdmittedCall } from './admitted-call.ts'
import { type Attempt, type AttemptOwner, newAttempt } from './attempt.ts'
import { flagsOfEnd, isCallersMistake, saidBy, tryTimedOut } from './failure.ts'
import type { HeaderRecord, RawHeaders } from './handler.ts'
import type { Race } from './race.ts'
import { optionsForTry } from './try-options.ts'
import { wireFor } from './wire.ts'

/**
 * A call with its tries: how one is sent, what follows when it fails or is slow, and which one wins. First try, re-send and hedge are the
 * same method. There is one try at a time, unless the call is hedged.
 */
export abstract class TryingCall extends AdmittedCall implements AttemptOwner {
  /** The newest try under way; the last one when none is; the one that answers once its head was handed on. */
  protected attempt: Attempt | undefined = undefined

  abstract attemptWrote(chunk: unknown): void
  abstract attemptHead(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void
  abstract attemptInfo(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void
  abstract attemptData(attempt: Attempt, chunk: Buffer): void
  abstract attemptEnd(attempt: Attempt, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void
  abstract attemptFailed(attempt: Attempt, error: unknown): void
  abstract attemptUpgraded(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void

  protected override get lastOutcome(): Outcome {
    return this.attempt ?? IGNORED
  }

  /** Whether an answer that comes now has to be chosen among several. */
  protected get isRacing(): boolean {
    return this.race?.on === true
  }

  protected override sendTo(endpoint: Endpoint, now: number): void {
    this.send(this.prepare(endpoint, now), now)
  }

  /** The time of the call, or of one of its tries, may be over. */
  protected onTryTime(now: number): void {
    const { attempt, race } = this
    if (attempt === undefined) return
    // The walk is over a copy: whoever's time is over leaves the race.
    if (race?.on === true) for (const other of [...race.beside]) if (now >= other.dueAt) this.tryOutOfTime(other, now)
    if (this.phase === 'trying' && !attempt.over && now >= attempt.dueAt) this.tryOutOfTime(attempt, now)
    if (this.phase === 'trying') this.engine.time.set(this, this.nextDue())
  }

  /** Every try under way ran out of the call's time. */
  protected allOutOfTime(now: number, error: unknown): void {
    const { attempt, race } = this
    if (race !== undefined) for (const other of race.end()) this.endLate(other, now, error)
    if (attempt !== undefined && !attempt.over) this.endLate(attempt, now, error)
  }

  /** Tears every try down because the caller left, and says how the call ended for those who judge it. */
  protected abandonAll(): Outcome {
    const { attempt, race } = this
    if (race !== undefined) for (const other of race.end()) this.abandon(other)
    return attempt === undefined ? IGNORED : this.abandon(attempt)
  }

  protected afterFailedTry(attempt: Attempt, error: unknown): void {
    if (this.body?.sourceFailed === true || isCallersMistake(error)) {
      this.observe(attempt, 'ignored')
      // Of the same request no other try can make more.
      if (this.race?.on === true) {
        this.attempt = this.race.leave(attempt, this.attempt as Attempt)
        this.abandonAll()
      }
      this.finishWithError(error, IGNORED)
      return
    }
    if (attempt.unsent && attempt.kind === 'connect') this.plan.unreachable(attempt.endpoint, this.engine.time.now)
    // Who goes away and says so has done nothing wrong.
    const verdict = attempt.goodbye ? 'ignored' : this.engine.classifier.judgeFailure(attempt.kind ?? 'reset')
    attempt.unavailable = verdict === 'failure' && attempt.kind !== 'protocol'
    this.observe(attempt, verdict)
    if (this.over || this.goesOnWithout(attempt)) return
    const decision = this.decide(attempt)
    if (decision.again) this.again(attempt, decision)
    else this.giveUp(attempt, error, decision)
  }

  /** Whether other tries of the call are under way; then it waits for them, and may send the next at once. */
  protected goesOnWithout(attempt: Attempt): boolean {
    const { race } = this
    if (race === undefined) return false
    race.disarm()
    const waitMs = attempt.pushbackMs ?? attempt.retryAfterMs
    if (waitMs !== undefined && waitMs < 0) race.pushedBack = true
    if (!race.on) return false
    // Who is told that he asks too often must not ask more often for it.
    if (attempt.rateLimited || attempt.status === 429) race.pushedBack = true
    this.attempt = race.leave(attempt, this.attempt as Attempt)
    if (waitMs === undefined) this.hedge(race, this.engine.time.now)
    else this.armHedge(race, this.attempt, waitMs)
    return true
  }

  protected decide(outcome: Outcome): RetryDecision {
    return this.policy.retry.next(this, outcome, {
      now: this.engine.time.read(),
      attempts: this.retries,
      hasUntried: this.choice.hasUntried(this, this.colour),
      replayable: this.body === undefined || this.body.replayable,
      mayResend: this.mayResend,
      pushedBack: this.race?.pushedBack === true,
    })
  }

  protected again(attempt: Attempt, decision: RetryDecision & { again: true }): void {
    this.body?.endTry()
    this.countAgain(attempt, decision)
    if (this.over) {
      attempt.cancel(this.reason)
      return
    }
    if (decision.delayMs <= 0) {
      this.launch(this.engine.time.now)
      return
    }
    this.phase = 'backoff'
    this.engine.time.set(this, this.deadline)
    this.pausing = this.engine.clock.setTimer(() => {
      this.pausing = undefined
      if (this.phase === 'backoff') this.launch(this.engine.time.read())
    }, decision.delayMs)
  }

  /** The head of `attempt` is what the caller gets: whoever races with it has lost. */
  protected choose(attempt: Attempt, now: number): void {
    const { race } = this
    if (race === undefined) return
    if (attempt.tryNumber === 1 && attempt.verdict === 'success') race.policy.took(attempt.latencyMs, now)
    if (attempt.isHedge) this.counters.hedgesWon++
    const last = this.attempt as Attempt
    this.attempt = attempt
    for (const other of race.end()) if (other !== attempt) this.lose(other, race, now)
    if (last !== attempt) this.lose(last, race, now)
  }

  protected override finish(outcome: Outcome): void {
    // Mostly nobody is left. A call may also end by what its listener, or the body that it sends, does meanwhile.
    if (this.race !== undefined) for (const other of this.race.end()) this.abandon(other)
    super.finish(outcome)
  }

  private prepare(endpoint: Endpoint, now: number): Attempt {
    const { engine } = this
    const { connections: limit } = this.plan.protections
    const { undici, connections } = engine
    if (undici === undefined || connections === undefined) throw new Error('launched before undici was loaded')
    const pool = connections.acquire(endpoint, wireFor(this.target.wire, this.options), limit, now)
    const attempt = newAttempt(undici.dialect, this, endpoint, pool, now)
    attempt.paused = this.paused
    attempt.uses = limit
    return attempt
  }

  /** @param beside another try is under way, and goes on */
  private send(attempt: Attempt, now: number, beside = false): void {
    const { race } = this
    this.attempt = attempt
    this.phase = 'trying'
    this.countTry(attempt.endpoint)
    attempt.tryNumber = this.tries
    attempt.dueAt = now + this.tryTimeout(now)
    this.engine.time.set(this, this.nextDue())
    if (race !== undefined) this.armHedge(race, attempt, race.policy.delayMs(now))
    const until = Math.min(this.deadline, attempt.dueAt)
    attempt.send(optionsForTry(this.options, this.body, this.told(until - now), beside))
  }

  /** When the first of those under way, or the whole call, runs out of time. */
  private nextDue(): number {
    let due = Math.min(this.deadline, (this.attempt as Attempt).dueAt)
    if (this.race?.on === true) for (const { dueAt } of this.race.beside) if (dueAt < due) due = dueAt
    return due
  }

  private armHedge(race: Race, attempt: Attempt, delayMs: number | undefined): void {
    if (delayMs === undefined || race.pushedBack || race.hedges >= race.policy.settings.max) return
    const { engine } = this
    if (engine.time.now + delayMs >= this.deadline) return
    race.arm(engine.clock, delayMs, () => {
      if (this.phase === 'trying' && this.attempt === attempt) this.hedge(race, engine.time.read())
    })
  }

  /** Asks another endpoint too, if there is one and the budgets allow it. */
  private hedge(race: Race, now: number): void {
    const endpoint = this.anotherEndpoint(now)
    if (this.phase !== 'trying') return
    const why = race.policy.refusal(this, {
      now,
      hedges: race.hedges,
      pushedBack: race.pushedBack,
      replayable: this.canSendBeside,
      hasEndpoint: endpoint !== undefined,
      mayResend: this.mayResend,
    })
    if (why !== undefined || endpoint === undefined) {
      if (why !== undefined) this.countNoHedge(why)
      return
    }
    race.hedges++
    const slow = this.attempt as Attempt
    this.countHedge(slow, now - slow.startedAt)
    if (this.phase === 'trying') this.sendBeside(slow, race, endpoint, now, true)
  }

  private sendBeside(slow: Attempt, race: Race, endpoint: Endpoint, now: number, isHedge: boolean): void {
    const attempt = this.prepare(endpoint, now)
    attempt.isHedge = isHedge
    race.keep(slow)
    this.send(attempt, now, true)
  }

  private get canSendBeside(): boolean {
    return this.body === undefined || this.body.whole
  }

  /** Nobody waits in line for a connection while a try of his is under way. */
  private anotherEndpoint(now: number): Endpoint | undefined {
    const { plan } = this
    if (this.target.gone || !plan.protections.connections.room) return undefined
    plan.outlier.restoreDue(now)
    return this.over ? undefined : this.choice.pickBeside(this, this.colour, now)
  }

  private tryOutOfTime(attempt: Attempt, now: number): void {
    const { race } = this
    if (race?.policy.settings.onTryTimeout === true && this.canSendBeside) {
      this.goOnPastTimeout(attempt, race, now)
      return
    }
    attempt.timedOut(now)
    const error = tryTimedOut(this.service, attempt.endpoint.address, attempt.latencyMs)
    attempt.cancel(error)
    // The sockets beside one that swallowed a request may be just as dead.
    this.engine.connections?.doubt(attempt.endpoint, attempt.pool)
    this.afterFailedTry(attempt, error)
  }

  /** The time of a try is over, and it may answer all the same: the call is sent again beside it, as a re-send that the policy allows. */
  private goOnPastTimeout(attempt: Attempt, race: Race, now: number): void {
    attempt.dueAt = Number.POSITIVE_INFINITY
    // Should it lose now, it has failed: nobody waited for it too briefly.
    attempt.kind = 'timeout'
    const endpoint = this.anotherEndpoint(now)
    if (endpoint === undefined || this.phase !== 'trying') return
    const decision = this.decide(OVERDUE)
    if (!decision.again) {
      this.countNotAgain(decision)
      return
    }
    this.countAgain(attempt, decision)
    if (this.phase === 'trying') this.sendBeside(this.attempt as Attempt, race, endpoint, now, false)
  }

  private endLate(attempt: Attempt, now: number, error: unknown): void {
    attempt.timedOut(now)
    this.observe(attempt, 'failure')
    attempt.cancel(error)
  }

  private abandon(attempt: Attempt): Outcome {
    const tooLong = (this.reason as { name?: unknown } | null)?.name === 'TimeoutError' && this.phase !== 'streaming'
    // An answer that was judged already stays what it was; a wait for the next try that nobody waits for proves nothing.
    const outcome = attempt.observed && (this.phase === 'backoff' || this.phase === 'queued') && !tooLong ? IGNORED : attempt
    if (!attempt.observed) {
      attempt.kind = tooLong ? 'timeout' : 'aborted'
      attempt.unavailable = tooLong
      if (!attempt.answered) attempt.latencyMs = this.engine.time.read() - attempt.startedAt
      this.observe(attempt, tooLong ? 'failure' : 'ignored')
    }
    attempt.cancel(this.reason)
    return outcome
  }

  /** Another one answered first. How long this one was waited for is the least that it takes. */
  private lose(attempt: Attempt, race: Race, now: number): void {
    const late = attempt.kind === 'timeout'
    attempt.latencyMs = now - attempt.startedAt
    if (attempt.tryNumber === 1) race.policy.took(attempt.latencyMs, now)
    attempt.kind = late ? 'timeout' : 'aborted'
    attempt.unavailable = late
    const until = Math.min(this.deadline, attempt.dueAt)
    if (!late && !attempt.unsent && until > now && this.plan.outlier.lost(attempt.endpoint)) {
      this.plan.balancer.observe?.(attempt.endpoint, attempt, now)
      attempt.outwait(this.engine.clock, until - now, (ended) => this.outwaited(ended))
      return
    }
    this.observe(attempt, late ? 'failure' : 'ignored')
    attempt.drain(this.engine.clock)
  }

  /** A try that had lost has ended as it would have without the hedge: an answer is none of the call's any more, silence is a failure. */
  private outwaited(attempt: Attempt): void {
    const { endpoint, kind, pool, goodbye, unsent } = attempt
    attempt.latencyMs = this.engine.time.read() - attempt.startedAt
    const failed = kind !== undefined && kind !== 'aborted' && kind !== 'local' && !goodbye && !unsent
    attempt.unavailable = failed
    this.plan.outlier.outwaited(endpoint)
    this.observe(attempt, failed ? 'failure' : 'ignored')
    if (kind === 'timeout') this.engine.connections?.doubt(endpoint, pool)
  }

  private giveUp(attempt: Attempt, error: unknown, decision: RetryDecision & { again: false }): void {
    this.countNotAgain(decision)
    const code = decision.why === 'not-replayable' ? 'MESH_NOT_REPLAYABLE' : (attempt.code ?? 'MESH_RESET')
    const reason = `${saidBy(error)} (${decision.because})`
    this.finishWithError(this.error(code, { reason, cause: error, flags: flagsOfEnd(attempt, decision, this.retries) }), attempt)
  }
}

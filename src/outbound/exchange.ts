import type { Socket } from 'node:net'
import { isUnavailableStatus } from '../core/classifier.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { IGNORED, type Outcome, TIMED_OUT } from '../core/outcome.ts'
import { parseRetryAfter } from '../core/retry-after.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { AdmittedCall } from './admitted-call.ts'
import type { Phase } from './answering-call.ts'
import { type Attempt, type AttemptOwner, newAttempt } from './attempt.ts'
import type { Caller } from './caller.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import { isCallersMistake, saidBy, tryTimedOut } from './failure.ts'
import type { DispatchOptions, HeaderRecord, RawHeaders } from './handler.ts'
import { editRawHeaders } from './header-edits.ts'
import { rawHeader, withRawHeaders } from './headers.ts'
import { answerError } from './own-answer.ts'
import { optionsForTry } from './try-options.ts'
import { wireFor } from './wire.ts'

/**
 * One logical call: what the caller sees as the controller of its request, and what gates, balancers and the retry
 * policy see as the {@link Call}. It owns the deadline, the permits, the tries and the body. First try and re-send
 * are the same method; after the head of an answer was handed on nothing is tried again.
 */
export class Exchange extends AdmittedCall implements AttemptOwner {
  private attempt: Attempt | undefined = undefined
  private tryDeadline = 0
  private lastByteAt = 0
  /** The trailers of an answer that came to its end while a fallback was asked. */
  private heldEnd: RawHeaders | undefined = undefined

  constructor(engine: Engine, target: Target, options: DispatchOptions, settings: CallSettings, caller: Caller) {
    super(engine, target, options, settings, caller)
    this.lastByteAt = this.startedAt
  }

  pause(): void {
    this.paused = true
    if (this.attempt !== undefined) this.attempt.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.lastByteAt = this.engine.time.now
    if (this.phase === 'answering') this.resumeAnswer()
    else this.attempt?.resume()
  }

  /** The caller leaves. A reason named `TimeoutError` counts against an endpoint that kept it waiting. */
  abort(reason?: unknown): void {
    if (this.phase === 'done' || this.aborted) return
    this.aborted = true
    this.reason = reason ?? this.engine.undici?.abortError() ?? new DOMException('This operation was aborted', 'AbortError')
    this.finishWithError(this.reason, this.attempt === undefined ? IGNORED : this.abandon(this.attempt))
  }

  /** Tears the last try down because the caller left, and says how the call ended for those who judge it. */
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

  override onTime(now: number): void {
    if (this.phase === 'done') return
    if (this.phase === 'streaming') {
      this.onStreamTime(now)
    } else if (this.phase === 'answering') {
      this.onAnswerTime(now)
    } else if (now >= this.deadline) {
      this.outOfTime(now)
    } else if (this.phase === 'trying' && now >= this.tryDeadline) {
      this.tryOutOfTime(now)
    } else {
      this.engine.time.set(this, this.phase === 'trying' ? Math.min(this.deadline, this.tryDeadline) : this.deadline)
    }
  }

  private onStreamTime(now: number): void {
    if (this.boundToEnd && now >= this.deadline) {
      this.outOfTime(now)
      return
    }
    // A reader that paused is slow itself; nobody can be blamed for the silence.
    const silentSince = this.paused ? now : this.lastByteAt
    if (now - silentSince >= this.timeouts.idleTimeoutMs) this.outOfTime(now, `silent for ${this.timeouts.idleTimeoutMs} ms`)
    else this.engine.time.set(this, this.streamWake(silentSince))
  }

  private outOfTime(now: number, why?: string): void {
    const { attempt } = this
    const missing = this.phase === 'streaming' ? 'complete answer' : this.phase === 'queued' ? 'free connection' : 'answer'
    const reason = why ?? `no ${missing} within ${Math.round(this.deadline - this.startedAt)} ms`
    const held = HELD_BY[this.phase]
    const error = this.error('MESH_DEADLINE', held === undefined ? { reason } : { reason, from: this.policy.from(held) })
    if (attempt !== undefined && !attempt.over) {
      attempt.timedOut(now)
      this.observe(attempt, 'failure')
      attempt.cancel(error)
    }
    // Whom we held back ourselves, the service cannot be blamed for.
    this.finishWithError(error, attempt ?? (held === undefined ? TIMED_OUT : IGNORED))
  }

  private tryOutOfTime(now: number): void {
    const attempt = this.attempt as Attempt
    attempt.timedOut(now)
    const error = tryTimedOut(this.service, attempt.endpoint.address, attempt.latencyMs)
    attempt.cancel(error)
    // The sockets beside one that swallowed a request may be just as dead.
    this.engine.connections?.doubt(attempt.endpoint, attempt.pool)
    this.afterFailedTry(attempt, error)
  }

  protected override get lastOutcome(): Outcome {
    return this.attempt ?? IGNORED
  }

  protected override sendTo(endpoint: Endpoint, now: number): void {
    const { engine } = this
    const { connections: limit } = this.plan.protections
    const { undici, connections } = engine
    if (undici === undefined || connections === undefined) throw new Error('launched before undici was loaded')
    const attempt = newAttempt(
      undici.dialect,
      this,
      endpoint,
      connections.acquire(endpoint, wireFor(this.target.wire, this.options), limit, now),
      now,
    )
    this.attempt = attempt
    this.phase = 'trying'
    attempt.paused = this.paused
    attempt.uses = limit
    this.countTry(endpoint)
    this.tryDeadline = now + this.tryTimeout(now)
    const until = Math.min(this.deadline, this.tryDeadline)
    engine.time.set(this, until)
    attempt.send(optionsForTry(this.options, this.body, this.told(until - now)))
  }

  private afterFailedTry(attempt: Attempt, error: unknown): void {
    if (this.body?.sourceFailed === true || isCallersMistake(error)) {
      this.observe(attempt, 'ignored')
      this.finishWithError(error, IGNORED)
      return
    }
    if (attempt.unsent && attempt.kind === 'connect') this.plan.unreachable(attempt.endpoint, this.engine.time.now)
    // Who goes away and says so has done nothing wrong.
    const verdict = attempt.goodbye ? 'ignored' : this.engine.classifier.judgeFailure(attempt.kind ?? 'reset')
    attempt.unavailable = verdict === 'failure' && attempt.kind !== 'protocol'
    this.observe(attempt, verdict)
    if (this.over) return
    const decision = this.decide(attempt)
    if (decision.again) this.again(attempt, decision)
    else this.giveUp(attempt, error, decision)
  }

  private decide(attempt: Attempt): RetryDecision {
    return this.policy.retry.next(this, attempt, {
      now: this.engine.time.read(),
      attempts: this.retries,
      hasUntried: this.plan.hasUntried(this, this.colour),
      replayable: this.body === undefined || this.body.replayable,
      mayResend: this.mayResend,
    })
  }

  private again(attempt: Attempt, decision: RetryDecision & { again: true }): void {
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

  private giveUp(attempt: Attempt, error: unknown, decision: RetryDecision & { again: false }): void {
    this.countNotAgain(decision)
    const code = decision.why === 'not-replayable' ? 'MESH_NOT_REPLAYABLE' : (attempt.code ?? 'MESH_RESET')
    this.finishWithError(this.error(code, { reason: `${saidBy(error)} (${decision.because})`, cause: error }), attempt)
  }

  attemptWrote(chunk: unknown): void {
    try {
      if (chunk === undefined) this.caller.requestSent()
      else this.caller.bodySent(chunk)
    } catch (error) {
      this.abort(error)
    }
  }

  attemptInfo(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    if (attempt !== this.attempt) return
    this.rawHeaders = raw
    try {
      this.caller.head(this, status, raw, parsed, statusText)
    } catch (error) {
      this.abort(error)
    }
  }

  attemptHead(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    const { engine } = this
    const now = engine.time.read()
    attempt.status = status
    attempt.latencyMs = now - attempt.startedAt
    if (status === 429 || status >= 500) attempt.retryAfterMs = parseRetryAfter(rawHeader(raw, 'retry-after'), engine.clock.wallTime())
    const verdict = this.judge(attempt, status, raw, now)
    if (verdict === 'failure') {
      attempt.unavailable = isUnavailableStatus(status)
      this.observe(attempt, verdict)
      if (this.over) return
      const decision = this.decide(attempt)
      if (decision.again) {
        attempt.drain(this.engine.clock)
        this.again(attempt, decision)
        return
      }
      this.countNotAgain(decision)
      if (this.answeredInstead(attempt, status, raw, parsed, statusText)) return
    }
    this.handOn(attempt, status, raw, parsed, statusText, now)
  }

  /** A fallback stands in for the answer of the service, which is held back until it does. */
  private answeredInstead(
    attempt: Attempt,
    status: number,
    raw: RawHeaders,
    parsed: HeaderRecord | undefined,
    statusText: string,
  ): boolean {
    if (this.policy.fallback?.covers(undefined, status) !== true) return false
    attempt.paused = true
    const error = answerError(this.service, status, `the service answered ${status}`)
    const instead = (): void => attempt.drain(this.engine.clock)
    const otherwise = (): void => {
      if (attempt.over && this.heldEnd === undefined) {
        this.brokenAnswer(attempt, new Error('it broke while a fallback was asked'))
        return
      }
      this.handOn(attempt, status, raw, parsed, statusText, this.engine.time.read())
      if (this.heldEnd !== undefined) this.attemptEnd(attempt, this.heldEnd, undefined)
      else if (!this.paused) attempt.resume()
    }
    return this.standIn({ error, code: undefined, status, outcome: attempt, instead, otherwise })
  }

  attemptData(_: Attempt, chunk: Buffer): void {
    this.lastByteAt = this.engine.time.now
    try {
      this.caller.data(this, chunk)
    } catch (error) {
      this.abort(error)
    }
  }

  attemptEnd(attempt: Attempt, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void {
    if (this.phase === 'answering') {
      // An answer without a body ends at once, also while it is held back.
      this.heldEnd = rawTrailers
      return
    }
    if (this.over) return
    this.rawTrailers = rawTrailers
    this.readLoad(attempt.endpoint, rawTrailers)
    this.observe(attempt, attempt.verdict)
    this.finish(attempt)
    try {
      this.caller.end(this, rawTrailers, parsed)
    } catch (error) {
      // As in undici: its retry and cache handlers throw here, and wait to hear of it.
      this.tellError(error)
    }
  }

  attemptFailed(attempt: Attempt, error: unknown): void {
    const { engine } = this
    const now = engine.time.read()
    if (attempt.kind === 'reset') engine.connections?.dropIdle(attempt.endpoint, attempt.pool)
    if (this.phase === 'answering') return
    if (this.phase === 'streaming') {
      this.brokenAnswer(attempt, error)
      return
    }
    attempt.latencyMs = now - attempt.startedAt
    this.afterFailedTry(attempt, error)
  }

  attemptUpgraded(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void {
    const now = this.engine.time.read()
    attempt.status = status
    attempt.latencyMs = now - attempt.startedAt
    this.counters.latency.add(now - this.startedAt, now)
    this.heard(attempt, 'success', raw, now)
    this.observe(attempt, 'success')
    const edited = this.editedHead(raw)
    this.rawHeaders = edited
    this.finish(attempt)
    this.engine.connections?.adopt(socket as Socket, this.timeouts.idleTimeoutMs)
    try {
      this.caller.upgrade(this, status, edited, edited === raw ? parsed : undefined, socket)
    } catch (error) {
      ;(socket as { destroy?: () => void }).destroy?.()
      this.tellError(error)
    }
  }

  /** The winner's head goes to the caller; from here on nothing is tried again. */
  private handOn(
    { endpoint }: Attempt,
    status: number,
    received: RawHeaders,
    receivedParsed: HeaderRecord | undefined,
    statusText: string,
    now: number,
  ): void {
    const marks = this.plan.balancing.marks(this, endpoint)
    const raw = marks === undefined ? received : withRawHeaders(received, marks)
    const edited = this.editedHead(raw)
    const parsed = marks === undefined ? receivedParsed : undefined
    this.phase = 'streaming'
    this.rawHeaders = edited
    this.lastByteAt = now
    this.counters.latency.add(now - this.startedAt, now)
    if (this.boundToEnd && rawHeader(raw, 'content-type')?.startsWith('text/event-stream') === true) this.boundToEnd = false
    // Waking too early does no harm, so the wait that is already set mostly serves for the body too.
    const wake = this.streamWake(now)
    if (wake < this.wakeAt) this.engine.time.set(this, wake)
    try {
      this.caller.responseStarted()
      this.caller.head(this, status, edited, edited === raw ? parsed : undefined, statusText)
    } catch (error) {
      this.abort(error)
    }
  }

  /** The head as the caller sees it: what the rule changes of it. */
  private editedHead(raw: RawHeaders): RawHeaders {
    const edits = this.ruled?.response
    return edits === undefined ? raw : editRawHeaders(raw, edits)
  }

  /** A copy of somebody's call, for which nobody waits. */
  get isShadow(): boolean {
    return this.target.shadow !== undefined
  }

  /** The answer broke after its head was handed on: the caller must never take it for a complete one. */
  private brokenAnswer(attempt: Attempt, error: unknown): void {
    if (this.body?.sourceFailed === true) {
      this.observe(attempt, 'ignored')
      this.finishWithError(error, attempt)
      return
    }
    attempt.unavailable ||= attempt.kind !== 'protocol'
    this.observe(attempt, 'failure')
    const reason = `the answer broke off: ${saidBy(error)}`
    this.finishWithError(this.error(attempt.code ?? 'MESH_RESET', { reason, cause: error }), attempt)
  }
}

/** The section of the configuration that holds a call back in a phase. */
const HELD_BY: Partial<Record<Phase, string>> = { queued: 'limits', delayed: 'fault' }

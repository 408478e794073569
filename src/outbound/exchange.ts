import type { Socket } from 'node:net'
import { isUnavailableStatus } from '../core/classifier.ts'
import type { Timer } from '../core/clock.ts'
import type { MeshErrorCode } from '../core/errors.ts'
import { IGNORED, NO_ENDPOINT, type Outcome, TIMED_OUT } from '../core/outcome.ts'
import { parseRetryAfter } from '../core/retry-after.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { type Attempt, type AttemptOwner, newAttempt } from './attempt.ts'
import type { Caller } from './caller.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import { isCallersMistake, saidBy, tryTimedOut } from './failure.ts'
import type { DispatchController, DispatchOptions, HeaderRecord, RawHeaders } from './handler.ts'
import { rawHeader } from './headers.ts'
import { OutboundCall } from './outbound-call.ts'
import { askGates } from './permits.ts'
import { type Body, replayBody } from './replay-body.ts'
import { optionsForTry } from './try-options.ts'

type Phase = 'waiting' | 'trying' | 'backoff' | 'streaming' | 'done'

/**
 * One logical call: what the caller sees as the controller of its request, and what gates, balancers and the retry
 * policy see as the {@link Call}. It owns the deadline, the permits, the tries and the body. First try and re-send
 * are the same method; after the head of an answer was handed on nothing is tried again.
 */
export class Exchange extends OutboundCall implements DispatchController, AttemptOwner {
  aborted = false
  reason: unknown = undefined
  paused = false
  rawHeaders: RawHeaders | null = null
  rawTrailers: RawHeaders | null = null
  private readonly target: Target
  private readonly options: DispatchOptions
  private readonly caller: Caller
  private phase: Phase = 'waiting'
  private body: Body | undefined = undefined
  private attempt: Attempt | undefined = undefined
  private tryDeadline = 0
  private lastByteAt = 0
  private backoff: Timer | undefined = undefined

  constructor(engine: Engine, target: Target, options: DispatchOptions, settings: CallSettings, caller: Caller) {
    super(engine, target, options, settings)
    this.target = target
    this.options = options
    this.caller = caller
    this.lastByteAt = this.startedAt
  }

  /** Over: whoever spoke to somebody else's code asks, since that code may have ended the call. */
  private get over(): boolean {
    return this.phase === 'done'
  }

  /** Tells the caller that it may abort from here on. */
  open(): void {
    const { counters } = this.plan
    counters.calls++
    counters.inflight++
    try {
      // Before anything can go wrong: what breaks in a stream that nobody listens to ends the process.
      this.body = replayBody(this.options.body, this.engine.replayMemory)
      this.caller.start(this)
    } catch (error) {
      this.abort(error)
    }
  }

  /** Asks the gates and sends the first try. */
  begin(): void {
    if (this.phase !== 'waiting') return
    const refused = askGates(this.plan.gates, this, this.permits, this.engine.report)
    if (this.over) {
      this.settle(IGNORED)
      return
    }
    if (refused !== undefined) {
      this.finishWithError(this.refusedBy(refused), IGNORED)
      return
    }
    this.plan.budget.deposit(this.engine.time.now)
    this.launch(this.engine.time.now)
  }

  /** The mesh is not ready: waits, within the deadline. */
  wait(): void {
    if (this.phase === 'waiting') this.engine.time.set(this, this.deadline)
  }

  /** Goes on after what the mesh waited for is there, or will not come. */
  beginOrFail(error: unknown): void {
    this.engine.time.read()
    if (error === undefined) this.begin()
    else if (this.phase === 'waiting') this.finishWithError(error, IGNORED)
  }

  pause(): void {
    this.paused = true
    if (this.attempt !== undefined) this.attempt.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.lastByteAt = this.engine.time.now
    this.attempt?.resume()
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
    const outcome = attempt.observed && this.phase === 'backoff' && !tooLong ? IGNORED : attempt
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
    const reason =
      why ?? `no ${this.phase === 'streaming' ? 'complete ' : ''}answer within ${Math.round(this.deadline - this.startedAt)} ms`
    const error = this.error('MESH_DEADLINE', { reason })
    if (attempt !== undefined && !attempt.over) {
      attempt.timedOut(now)
      this.observe(attempt, 'failure')
      attempt.cancel(error)
    }
    this.finishWithError(error, attempt ?? TIMED_OUT)
  }

  private tryOutOfTime(now: number): void {
    const attempt = this.attempt as Attempt
    attempt.timedOut(now)
    const error = tryTimedOut(this.service, attempt.endpoint.address, attempt.latencyMs)
    attempt.cancel(error)
    // The sockets beside one that swallowed a request may be just as dead.
    this.engine.connections?.dropIdle(attempt.endpoint, attempt.pool)
    this.afterFailedTry(attempt, error)
  }

  private launch(now: number): void {
    const { engine, plan } = this
    plan.outlier.restoreDue(now)
    if (this.over) return
    const { wire, gone } = this.target
    const endpoint = gone ? undefined : plan.set.pick(plan.balancer, this, now)
    if (endpoint === undefined) {
      const reason = gone && plan.present ? `${this.host} is no name of the service any more` : plan.whyNoEndpoint
      this.finishWithError(this.error('MESH_NO_ENDPOINT', { reason }), NO_ENDPOINT)
      return
    }
    const { undici, connections } = engine
    if (undici === undefined || connections === undefined) throw new Error('launched before undici was loaded')
    const attempt = newAttempt(undici.dialect, this, endpoint, connections.acquire(endpoint, wire, now), now)
    this.attempt = attempt
    this.phase = 'trying'
    attempt.paused = this.paused
    this.countTry(endpoint)
    this.tryDeadline = now + this.tryTimeout(now)
    engine.time.set(this, Math.min(this.deadline, this.tryDeadline))
    attempt.send(optionsForTry(this.options, this.body))
  }

  private afterFailedTry(attempt: Attempt, error: unknown): void {
    if (this.body?.sourceFailed === true || isCallersMistake(error)) {
      this.observe(attempt, 'ignored')
      this.finishWithError(error, IGNORED)
      return
    }
    if (attempt.unsent && attempt.kind === 'connect') this.plan.unreachable(attempt.endpoint, this.engine.time.now)
    const verdict = this.engine.classifier.judgeFailure(attempt.kind ?? 'reset')
    attempt.unavailable = verdict === 'failure' && attempt.kind !== 'protocol'
    this.observe(attempt, verdict)
    if (this.over) return
    const decision = this.decide(attempt)
    if (decision.again) this.again(attempt, decision)
    else this.giveUp(attempt, error, decision)
  }

  private decide(attempt: Attempt): RetryDecision {
    return this.plan.retry.next(this, attempt, {
      now: this.engine.time.read(),
      attempts: this.retries,
      hasUntried: this.plan.set.hasUntried(this),
      replayable: this.body === undefined || this.body.replayable,
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
    this.backoff = this.engine.clock.setTimer(() => {
      this.backoff = undefined
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
    const verdict = this.judge(attempt, status, raw, now)
    if (verdict === 'failure') {
      attempt.unavailable = isUnavailableStatus(status)
      attempt.retryAfterMs = parseRetryAfter(rawHeader(raw, 'retry-after'), engine.clock.wallTime())
      this.observe(attempt, verdict)
      if (this.over) return
      const decision = this.decide(attempt)
      if (decision.again) {
        attempt.drain(this.engine.clock)
        this.again(attempt, decision)
        return
      }
      this.countNotAgain(decision)
    } else {
      attempt.verdict = verdict
    }
    this.handOn(status, raw, parsed, statusText, now)
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
    this.rawTrailers = rawTrailers
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
    this.plan.counters.latency.add(now - this.startedAt, now)
    this.observe(attempt, 'success')
    this.rawHeaders = raw
    this.finish(attempt)
    this.engine.connections?.adopt(socket as Socket, this.timeouts.idleTimeoutMs)
    try {
      this.caller.upgrade(this, status, raw, parsed, socket)
    } catch (error) {
      ;(socket as { destroy?: () => void }).destroy?.()
      this.tellError(error)
    }
  }

  /** The winner's head goes to the caller; from here on nothing is tried again. */
  private handOn(status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string, now: number): void {
    this.phase = 'streaming'
    this.rawHeaders = raw
    this.lastByteAt = now
    this.plan.counters.latency.add(now - this.startedAt, now)
    if (this.boundToEnd && rawHeader(raw, 'content-type')?.startsWith('text/event-stream') === true) this.boundToEnd = false
    // Waking too early does no harm, so the wait that is already set mostly serves for the body too.
    const wake = this.streamWake(now)
    if (wake < this.wakeAt) this.engine.time.set(this, wake)
    try {
      this.caller.responseStarted()
      this.caller.head(this, status, raw, parsed, statusText)
    } catch (error) {
      this.abort(error)
    }
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

  private finishWithError(error: unknown, outcome: Outcome): void {
    if (this.phase === 'done') return
    const code = (error as { code?: MeshErrorCode } | null)?.code
    if (code?.startsWith?.('MESH_') === true) this.plan.counters.countError(code)
    this.finish(outcome)
    this.tellError(error)
  }

  private tellError(error: unknown): void {
    try {
      this.caller.error(this, error)
    } catch (thrown) {
      this.engine.report('response handler', thrown)
    }
  }

  private finish(outcome: Outcome): void {
    this.phase = 'done'
    this.engine.time.remove(this)
    this.backoff?.cancel()
    this.body?.release(this.reason)
    this.countEnd(outcome)
    this.settle(outcome)
  }
}

import type { Socket } from 'node:net'
import { isUnavailableStatus } from '../core/classifier.ts'
import { IGNORED, TIMED_OUT } from '../core/outcome.ts'
import { flagsFrom, type ResponseFlags, withFlag } from '../core/response-flags.ts'
import { flagsOfTry } from '../core/try-flags.ts'
import type { Phase } from './answering-call.ts'
import type { Attempt } from './attempt.ts'
import type { Caller } from './caller.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import { flagsOfEnd, saidBy } from './failure.ts'
import type { DispatchOptions, HeaderRecord, RawHeaders } from './handler.ts'
import { editRawHeaders } from './header-edits.ts'
import { rawHeader, withRawHeaders } from './headers.ts'
import { answerError } from './own-answer.ts'
import { readPushback } from './pushback.ts'
import { TryingCall } from './trying-call.ts'

/**
 * One logical call: what the caller sees as the controller of its request, and what gates, balancers and the retry
 * policy see as the {@link Call}. It owns the deadline, the permits, the tries and the body. After the
 * head of an answer was handed on nothing is tried again.
 */
export class Exchange extends TryingCall {
  private lastByteAt: number
  /** The trailers of an answer that came to its end while a fallback was asked. */
  private heldEnd: RawHeaders | undefined = undefined

  constructor(engine: Engine, target: Target, options: DispatchOptions, settings: CallSettings, caller: Caller) {
    super(engine, target, options, settings, caller)
    this.lastByteAt = this.startedAt
  }

  pause(): void {
    this.paused = true
    if (this.attempt !== undefined) this.attempt.paused = true
    if (this.race !== undefined) for (const other of this.race.beside) other.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.lastByteAt = this.engine.time.now
    if (this.phase === 'answering') this.resumeAnswer()
    else this.resumeTries()
  }

  private resumeTries(): void {
    this.attempt?.resume()
    if (this.race !== undefined) for (const other of this.race.beside) other.resume()
  }

  /** The caller leaves. A reason named `TimeoutError` counts against an endpoint that kept it waiting. */
  abort(reason?: unknown): void {
    if (this.phase === 'done' || this.aborted) return
    this.aborted = true
    this.reason = reason ?? this.engine.undici?.abortError() ?? new DOMException('This operation was aborted', 'AbortError')
    this.finishWithError(this.reason, this.abandonAll())
  }

  override onTime(now: number): void {
    if (this.phase === 'done') return
    if (this.phase === 'streaming') {
      this.onStreamTime(now)
    } else if (this.phase === 'answering') {
      this.onAnswerTime(now)
    } else if (now >= this.deadline) {
      this.outOfTime(now)
    } else if (this.phase === 'trying') {
      this.onTryTime(now)
    } else {
      this.engine.time.set(this, this.deadline)
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
    const flags = why === undefined ? FLAGS_OUT_OF_TIME[this.phase] : flagsFrom('SI')
    const error = this.error('MESH_DEADLINE', { reason, flags, ...(held === undefined ? {} : { from: this.policy.from(held) }) })
    this.allOutOfTime(now, error)
    // Whom we held back ourselves, the service cannot be blamed for.
    this.finishWithError(error, attempt ?? (held === undefined ? TIMED_OUT : IGNORED))
  }

  override attemptWrote(chunk: unknown): void {
    try {
      if (chunk === undefined) this.caller.requestSent()
      else this.caller.bodySent(chunk)
    } catch (error) {
      this.abort(error)
    }
  }

  override attemptInfo(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    if (attempt !== this.attempt || this.isRacing) return
    this.rawHeaders = raw
    try {
      this.caller.head(this, status, raw, parsed, statusText)
    } catch (error) {
      this.abort(error)
    }
  }

  override attemptHead(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    const { engine } = this
    const now = engine.time.read()
    attempt.status = status
    attempt.latencyMs = now - attempt.startedAt
    // It may have come after its own time.
    attempt.kind = undefined
    if (status === 429 || status >= 500) readPushback(attempt, raw, this.policy.retrySettings.rateLimitedBackoff, engine.clock.wallTime())
    const verdict = this.judge(attempt, status, raw, now)
    const tooMany = attempt.rateLimited || (status === 429 && this.isRacing)
    if (verdict === 'failure' || tooMany) {
      attempt.unavailable = isUnavailableStatus(status)
      this.observe(attempt, verdict)
      if (this.over) return
      if ((tooMany || this.policy.retry.covers(attempt)) && this.goesOnWithout(attempt)) {
        attempt.drain(engine.clock)
        return
      }
      const decision = this.decide(attempt)
      if (decision.again) {
        attempt.drain(this.engine.clock)
        this.again(attempt, decision)
        return
      }
      this.countNotAgain(decision)
      this.counters.flags.add(flagsOfEnd(attempt, decision, this.retries))
      this.choose(attempt, now)
      if (this.answeredInstead(attempt, status, raw, parsed, statusText)) return
    } else {
      this.choose(attempt, now)
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

  override attemptData(_: Attempt, chunk: Buffer): void {
    this.lastByteAt = this.engine.time.now
    try {
      this.caller.data(this, chunk)
    } catch (error) {
      this.abort(error)
    }
  }

  override attemptEnd(attempt: Attempt, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void {
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

  override attemptFailed(attempt: Attempt, error: unknown): void {
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

  override attemptUpgraded(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void {
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
    this.finishWithError(this.error(attempt.code ?? 'MESH_RESET', { reason, cause: error, flags: flagsOfTry(attempt) }), attempt)
  }
}

/** What it means beside the timeout that time ran out in a phase. */
const FLAGS_OUT_OF_TIME: Partial<Record<Phase, ResponseFlags>> = { delayed: withFlag(flagsFrom('DI'), 'UT') }

/** The section of the configuration that holds a call back in a phase. */
const HELD_BY: Partial<Record<Phase, string>> = { queued: 'limits', delayed: 'fault' }

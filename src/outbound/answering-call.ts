import { readAnswer } from '../config/schema/protection.ts'
import type { Timer } from '../core/clock.ts'
import type { MeshError, MeshErrorCode } from '../core/errors.ts'
import { IGNORED, type Outcome } from '../core/outcome.ts'
import { flagsFrom, NO_FLAGS } from '../core/response-flags.ts'
import type { FallbackError, FallbackRequest } from '../model/protection.ts'
import type { AnswerSettings } from '../model/resources.ts'
import type { Caller } from './caller.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import type { DispatchController, DispatchOptions, RawHeaders } from './handler.ts'
import { OutboundCall } from './outbound-call.ts'
import { ownAnswer, type WireAnswer } from './own-answer.ts'
import type { Body } from './replay-body.ts'

/** Where a call stands; `queued` for a connection, `answering` with an answer of the mesh itself. */
export type Phase = 'waiting' | 'delayed' | 'queued' | 'trying' | 'backoff' | 'streaming' | 'answering' | 'done'

/** A failure for which a fallback may stand in. */
export interface Failure {
  readonly error: FallbackError
  /** Undefined when it is an answer of the service. */
  readonly code: string | undefined
  readonly status: number
  readonly outcome: Outcome
  /** Lets go of what failed, once the fallback has an answer. */
  instead?(): void
  /** Gives the caller the failure after all. */
  otherwise(): void
}

/** A call as its caller hears of it: how it ends, and the answers that the mesh gives itself in place of a service. */
export abstract class AnsweringCall extends OutboundCall implements DispatchController {
  aborted = false
  reason: unknown = undefined
  paused = false
  rawHeaders: RawHeaders | null = null
  rawTrailers: RawHeaders | null = null
  protected readonly caller: Caller
  protected phase: Phase = 'waiting'
  protected body: Body | undefined = undefined
  /** Ends a backoff or an injected delay. */
  protected pausing: Timer | undefined = undefined
  private failure: Failure | undefined = undefined
  private answer: WireAnswer | undefined = undefined
  private answered = false
  private outcome: Outcome = IGNORED

  constructor(engine: Engine, target: Target, options: DispatchOptions, settings: CallSettings, caller: Caller) {
    super(engine, target, options, settings)
    this.caller = caller
  }

  abstract pause(): void
  abstract resume(): void

  /** Over: whoever spoke to somebody else's code asks, since that code may have ended the call. */
  protected get over(): boolean {
    return this.phase === 'done'
  }

  protected finishWithError(error: unknown, outcome: Outcome): void {
    if (this.over) return
    const code = (error as { code?: MeshErrorCode } | null)?.code
    const ours = code?.startsWith?.('MESH_') === true
    if (ours) this.counters.countError(error as MeshError)
    else if (this.aborted) this.counters.flags.add(flagsFrom('DC'))
    if (ours && !this.aborted && this.phase !== 'streaming' && this.phase !== 'answering') {
      const otherwise = (): void => this.endWithError(error, outcome)
      if (this.standIn({ error: error as FallbackError, code, status: 0, outcome, otherwise })) return
    }
    this.endWithError(error, outcome)
  }

  /** Gives the caller the answer that is configured for such a failure; false when there is none. */
  protected standIn(failure: Failure): boolean {
    const { fallback } = this.policy
    if (fallback === undefined || !fallback.covers(failure.code, failure.status)) return false
    this.beginAnswer(FALLBACK_MS)
    this.failure = failure
    const { respond } = fallback
    if (typeof respond !== 'function') {
      this.give(respond)
      return true
    }
    try {
      const made = respond(failure.error, this.describe())
      if (typeof (made as PromiseLike<unknown> | null)?.then === 'function')
        (made as PromiseLike<unknown>).then(
          (answer) => this.give(readAnswer(answer)),
          (thrown: unknown) => this.noAnswer(thrown),
        )
      else this.give(readAnswer(made))
    } catch (thrown) {
      this.noAnswer(thrown)
    }
    return true
  }

  /** Answers in place of the service. Not before its caller's `dispatch` has returned: no service is that quick. */
  protected answerWith(answer: AnswerSettings, outcome: Outcome): void {
    this.beginAnswer(this.timeouts.idleTimeoutMs)
    this.answer = ownAnswer(answer, this.method)
    this.outcome = outcome
    queueMicrotask(() => this.deliver())
  }

  /** The time of an answer: a fallback that does not come to an end, or a reader that paused. */
  protected onAnswerTime(now: number): void {
    if (this.answer === undefined) this.noAnswer(new Error(`the fallback of ${this.service} gave no answer within ${FALLBACK_MS} ms`))
    else this.engine.time.set(this, now + this.timeouts.idleTimeoutMs)
  }

  /** Goes on with an answer of the mesh after its reader paused. */
  protected resumeAnswer(): void {
    if (this.answered) this.flow()
  }

  protected tellError(error: unknown): void {
    try {
      this.caller.error(this, error)
    } catch (thrown) {
      this.engine.report('response handler', thrown)
    }
  }

  protected finish(outcome: Outcome): void {
    if (this.phase === 'queued') this.leaveQueue()
    this.phase = 'done'
    this.engine.time.remove(this)
    this.scope?.leave(this)
    this.pausing?.cancel()
    this.body?.release(this.reason)
    this.countEnd(outcome)
    this.settle(outcome)
  }

  /** No longer waits for a connection. */
  protected abstract leaveQueue(): void

  private endWithError(error: unknown, outcome: Outcome): void {
    this.finish(outcome)
    this.tellError(error)
  }

  private beginAnswer(withinMs: number): void {
    if (this.phase === 'queued') this.leaveQueue()
    this.pausing?.cancel()
    this.phase = 'answering'
    this.engine.time.set(this, this.engine.time.now + withinMs)
  }

  private give(answer: AnswerSettings | undefined): void {
    const { failure } = this
    // The caller may have left while the fallback made up its mind.
    if (this.phase !== 'answering' || failure === undefined || this.answer !== undefined) return
    if (answer === undefined) {
      this.noAnswer(new TypeError('a fallback gives { status, headers, body }, with a status from 200 to 599'))
      return
    }
    this.counters.fallbacks++
    const { code, status } = failure
    const { flags = NO_FLAGS } = failure.error as Partial<MeshError>
    this.engine.emit('fallback', { service: this.service, code, flags, status, answered: answer.status })
    if (this.over) return
    failure.instead?.()
    this.answerWith(answer, failure.outcome)
  }

  private noAnswer(thrown: unknown): void {
    const { failure } = this
    if (this.phase !== 'answering' || failure === undefined || this.answer !== undefined) return
    this.failure = undefined
    this.engine.report('fallback', thrown)
    failure.otherwise()
  }

  private describe(): FallbackRequest {
    const { service, method, host, path } = this
    return Object.freeze({ service, method, host, path, header: (name: string) => this.header(String(name).toLowerCase()) })
  }

  private deliver(): void {
    const { answer } = this
    if (this.phase !== 'answering' || answer === undefined) return
    this.answered = true
    this.rawHeaders = answer.raw
    try {
      this.caller.responseStarted()
      this.caller.head(this, answer.status, answer.raw, undefined, '')
    } catch (error) {
      this.abort(error)
    }
    this.flow()
  }

  private flow(): void {
    const { answer } = this
    if (this.paused || this.phase !== 'answering' || answer === undefined) return
    try {
      if (answer.body.length > 0) {
        this.answer = { ...answer, body: answer.body.subarray(answer.body.length) }
        this.caller.data(this, answer.body)
        // The last piece may have been one too many.
        if (this.paused || this.over) return
      }
    } catch (error) {
      this.abort(error)
      return
    }
    this.rawTrailers = NO_TRAILERS
    this.finish(this.outcome)
    try {
      this.caller.end(this, NO_TRAILERS, undefined)
    } catch (error) {
      this.tellError(error)
    }
  }
}

/** How long a fallback's function may take: whoever waits for it has waited for the service already. */
const FALLBACK_MS = 1_000
const NO_TRAILERS: RawHeaders = Object.freeze([])

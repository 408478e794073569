import type { AnswerSettings } from '../model/resources.ts'
import type { HeaderEditSettings } from '../model/route-settings.ts'
import type { Caller } from './caller.ts'
import type { DispatchController, RawHeaders } from './handler.ts'
import { editRawHeaders } from './header-edits.ts'
import { ownAnswer, type WireAnswer } from './own-answer.ts'
import type { Body } from './replay-body.ts'

/** What an answer of a rule needs of its call. */
export interface AnsweredCall {
  readonly caller: Caller
  readonly method: string
  readonly body: Body | undefined
  /** What the rule changes of the headers. */
  readonly edits: readonly HeaderEditSettings[] | undefined
  report(what: string, error: unknown): void
}

/** A call that a rule answers itself: no service hears of it. It is the controller that the caller sees. */
export class DirectAnswer implements DispatchController {
  aborted = false
  reason: unknown = undefined
  paused = false
  rawHeaders: RawHeaders | null = null
  rawTrailers: RawHeaders | null = null
  private readonly call: AnsweredCall
  private readonly answer: WireAnswer
  private state: 'waiting' | 'head' | 'body' | 'over' = 'waiting'

  constructor(answer: AnswerSettings, call: AnsweredCall) {
    const { raw, ...rest } = ownAnswer(answer, call.method)
    this.call = call
    this.answer = { ...rest, raw: call.edits === undefined ? raw : editRawHeaders(raw, call.edits) }
  }

  /** Answers, though not before the caller's `dispatch` has returned: no service is that quick. */
  begin(): void {
    try {
      this.call.caller.start(this)
    } catch (error) {
      this.abort(error)
    }
    if (this.state === 'waiting') queueMicrotask(() => this.deliver())
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.state === 'head' || this.state === 'body') this.flow()
  }

  abort(reason?: unknown): void {
    if (this.state === 'over') return
    this.aborted = true
    this.reason = reason ?? new DOMException('This operation was aborted', 'AbortError')
    this.end(this.reason)
    try {
      this.call.caller.error(this, this.reason)
    } catch (thrown) {
      this.call.report('response handler', thrown)
    }
  }

  private deliver(): void {
    if (this.state !== 'waiting') return
    const { caller } = this.call
    const { status, raw } = this.answer
    this.state = 'head'
    this.rawHeaders = raw
    try {
      caller.responseStarted()
      caller.head(this, status, raw, undefined, '')
    } catch (error) {
      this.abort(error)
    }
    this.flow()
  }

  private flow(): void {
    const { caller } = this.call
    const { body } = this.answer
    try {
      if (this.state === 'head' && !this.paused) {
        this.state = 'body'
        if (body.length > 0) caller.data(this, body)
      }
      // The last piece may have been one too many.
      if (this.state !== 'body' || this.paused) return
    } catch (error) {
      this.abort(error)
      return
    }
    this.rawTrailers = NO_TRAILERS
    this.end(undefined)
    try {
      caller.end(this, NO_TRAILERS, undefined)
    } catch (error) {
      this.call.report('response handler', error)
    }
  }

  private end(reason: unknown): void {
    this.state = 'over'
    this.call.body?.release(reason)
  }
}

const NO_TRAILERS: RawHeaders = Object.freeze([])

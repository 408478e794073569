import type { Socket } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { TryOutcome } from '../core/try-outcome.ts'
import type { ConnectionLimit } from '../resilience/connection-limit.ts'
import { codeOf, flagOf, forgetBytes, kindOf } from './failure.ts'
import type { DispatchController, DispatchHandler, DispatchOptions, HeaderRecord, RawHeaders } from './handler.ts'
import { toRawHeaders } from './headers.ts'
import type { Pool, PooledRequest } from './pool.ts'
import type { Dialect } from './undici.ts'

/** What an attempt tells its exchange. After {@link Attempt.silence} it tells nothing more. */
export interface AttemptOwner {
  /** A piece of the body was written; `undefined`: the whole request was. */
  attemptWrote(chunk: unknown): void
  attemptHead(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void
  attemptInfo(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void
  attemptData(attempt: Attempt, chunk: Buffer): void
  attemptEnd(attempt: Attempt, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void
  attemptFailed(attempt: Attempt, error: unknown): void
  attemptUpgraded(attempt: Attempt, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void
}

/** What carries a try that undici does not: one stream among others. */
export interface Carrier {
  resume(): void
  abort(): void
}

type State = 'queued' | 'sent' | 'answered' | 'draining' | 'over'

/**
 * One physical try of an exchange; undici sees it as the response handler, in its native dialect.
 * It must keep silent after it lost: its socket may still speak.
 */
export abstract class Attempt extends TryOutcome implements PooledRequest {
  readonly pool: Pool
  /** The connection that it was sent over. */
  client: PooledRequest['client'] = undefined
  paused = false
  /** Clock time at which its own time is over. */
  dueAt = 0
  /** Which try of its call it is, from 1. */
  tryNumber = 1
  /** It was sent because another one was slow. */
  isHedge = false
  /** What counts the connection in use; hears once that it is used no more. */
  uses: ConnectionLimit | undefined = undefined
  private readonly owner: AttemptOwner
  private state: State = 'queued'
  /** The server is going away and will never begin with it: nobody is to blame. */
  goodbye = false
  private carrier: Carrier | undefined = undefined
  private leaveQueue: (() => void) | undefined = undefined
  private drained = 0
  private drainTimer: Timer | undefined = undefined
  /** Who hears how it ended although it had lost, and by which clock its answer is drained then. */
  private outwaiter: { readonly ended: (attempt: Attempt) => void; readonly clock: Clock } | undefined = undefined

  constructor(owner: AttemptOwner, endpoint: Endpoint, pool: Pool, startedAt: number) {
    super(endpoint, startedAt)
    this.owner = owner
    this.pool = pool
  }

  /** Whether an answer's head has come. */
  get answered(): boolean {
    return this.state === 'answered'
  }

  get over(): boolean {
    return this.state === 'over'
  }

  /** As undici sees it. */
  get handler(): DispatchHandler {
    return this as unknown as DispatchHandler
  }

  send(options: DispatchOptions, pool: Pool = this.pool): void {
    try {
      pool.send(options, this)
    } catch (error) {
      this.failed(error)
    }
  }

  /** Its time, or the whole call's, ran out. */
  timedOut(now: number): void {
    this.kind = 'timeout'
    this.code = 'MESH_DEADLINE'
    this.latencyMs = now - this.startedAt
    this.unavailable = true
  }

  /** Ends the try without another word to the exchange; its request is torn down. */
  cancel(reason: unknown): void {
    if (this.state === 'over') return
    this.endWait()
    this.finish()
    this.leaveQueue?.()
    if (this.carrier === undefined) this.tearDown(reason)
    else this.carrier.abort()
    this.vacate()
  }

  /** It waits for a stream; `leave` takes it out of the line. */
  waits(leave: () => void): void {
    this.leaveQueue = leave
  }

  /** A stream carries it from now on; false when nobody wants this try any more. */
  begins(carrier: Carrier): boolean {
    this.leaveQueue = undefined
    this.carrier = carrier
    return this.begin()
  }

  /**
   * The server did not and will not begin with it (RFC 9113 §8.7), whatever broke it.
   * @param goodbye because it is going away
   */
  unprocessed(goodbye: boolean): void {
    if (this.state !== 'sent') return
    this.unsent = true
    this.goodbye = goodbye
  }

  /**
   * The exchange wants another try's answer: reads the rest of this one if it is short and quick, so that the
   * socket can be used again, and tears it down otherwise.
   */
  drain(clock: Clock): void {
    this.state = 'draining'
    this.drainTimer = clock.setTimer(() => this.cancel(DRAINED), DRAIN_MS)
    this.drainTimer.unref()
    this.resume()
  }

  /**
   * The exchange has another try's answer, and wants to know whether this one is answered at all within `forMs`: `ended` hears it once, with
   * the status, or with what broke; `timeout` where nothing came.
   */
  outwait(clock: Clock, forMs: number, ended: (attempt: Attempt) => void): void {
    this.state = 'draining'
    this.outwaiter = { ended, clock }
    const late = (): void => {
      this.kind = 'timeout'
      this.endWait()
      this.cancel(DRAINED)
    }
    // What waits in the kernel comes first: an answer that a stall of ours held up is one.
    this.drainTimer = clock.setTimer(() => clock.afterPoll(() => this.outwaiter !== undefined && late()), forMs)
    this.drainTimer.unref()
    this.resume()
  }

  private endWait(): void {
    const { outwaiter } = this
    this.outwaiter = undefined
    outwaiter?.ended(this)
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (this.carrier === undefined) this.resumeRequest()
    else this.carrier.resume()
  }

  protected abstract resumeRequest(): void
  protected abstract tearDown(reason: unknown): void

  // ---- what both dialects, and a stream, say -------------------------------------------------------------------------

  /** undici is about to write; false when nobody wants this try any more. */
  protected begin(): boolean {
    if (this.state !== 'queued') return false
    this.state = 'sent'
    this.unsent = false
    return true
  }

  head(status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    if (this.outwaiter !== undefined && status >= 200) {
      const { clock } = this.outwaiter
      this.status = status
      this.kind = undefined
      this.drainTimer?.cancel()
      this.endWait()
      this.drain(clock)
      return
    }
    if (this.state !== 'sent') return
    if (status < 200) {
      this.owner.attemptInfo(this, status, raw, parsed, statusText)
      return
    }
    this.state = 'answered'
    this.owner.attemptHead(this, status, raw, parsed, statusText)
  }

  data(chunk: Buffer): void {
    // undici delivers an empty piece after every resume; handing it on would make a stream that pauses
    // and resumes spin for ever.
    if (chunk.length === 0) return
    if (this.state === 'answered') this.owner.attemptData(this, chunk)
    else if (this.state === 'draining') {
      this.drained += chunk.length
      if (this.drained > DRAIN_BYTES) this.cancel(DRAINED)
    }
  }

  ended(rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void {
    const answered = this.state === 'answered'
    this.finish()
    // Before anybody hears of the end: whoever calls again right then may wait for the connection.
    this.client?.ended()
    if (answered) this.owner.attemptEnd(this, rawTrailers, parsed)
    this.vacate()
  }

  failed(error: unknown): void {
    const silent = this.state === 'draining' || this.state === 'over'
    const queued = this.state === 'queued'
    if (this.outwaiter !== undefined) {
      this.kind = kindOf(error, queued)
      this.endWait()
    }
    this.finish()
    if (!silent) {
      this.kind = kindOf(error, queued)
      if (this.kind === 'protocol') forgetBytes(error)
      this.code = codeOf(this.kind, error)
      this.flag = flagOf(this.kind, error)
      this.owner.attemptFailed(this, error)
    }
    this.vacate()
  }

  protected upgraded(status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void {
    if (this.state === 'over') return
    this.finish()
    const { uses } = this
    this.uses = undefined
    // It is its caller's now, and a socket of the service all the same.
    if (uses !== undefined) (socket as Socket).once('close', () => uses.release(this.endpoint))
    this.owner.attemptUpgraded(this, status, raw, parsed, socket)
  }

  // Called by undici under these names in both dialects.
  onBodySent(chunk: unknown): void {
    if (this.state === 'sent') this.owner.attemptWrote(chunk)
  }
  onRequestSent(): void {
    if (this.state === 'sent') this.owner.attemptWrote(undefined)
  }

  private finish(): void {
    this.state = 'over'
    this.drainTimer?.cancel()
  }

  /** The connection is free again, or gone. After everybody else heard of the end: whoever waits for it looks at their counts. */
  private vacate(): void {
    const { uses } = this
    this.uses = undefined
    uses?.release(this.endpoint)
  }
}

/** For undici 7: the old dialect is what its core speaks. */
class LegacyAttempt extends Attempt {
  private abortRequest: ((reason: unknown) => void) | undefined = undefined
  private resumeParser: (() => void) | undefined = undefined

  onConnect(abort: (reason: unknown) => void): void {
    this.abortRequest = abort
    if (!this.begin()) abort(ABANDONED)
  }
  onHeaders(status: number, raw: RawHeaders, resume: () => void, statusText: string): boolean {
    this.resumeParser = resume
    this.head(status, raw, undefined, statusText)
    return !this.paused
  }
  onData(chunk: Buffer): boolean {
    this.data(chunk)
    return !this.paused
  }
  onComplete(rawTrailers: RawHeaders): void {
    this.ended(rawTrailers, undefined)
  }
  onError(error: unknown): void {
    this.failed(error)
  }
  onUpgrade(status: number, raw: RawHeaders, socket: unknown): void {
    this.upgraded(status, raw, undefined, socket)
  }

  protected override resumeRequest(): void {
    this.resumeParser?.()
  }
  protected override tearDown(reason: unknown): void {
    this.abortRequest?.(reason)
  }
}

/** For undici 8 and later. */
class ModernAttempt extends Attempt {
  private controller: DispatchController | undefined = undefined

  onRequestStart(controller: DispatchController): void {
    this.controller = controller
    if (!this.begin()) controller.abort(ABANDONED)
  }
  onResponseStart(controller: DispatchController, status: number, headers: HeaderRecord, statusText: string): void {
    this.head(status, rawOf(controller.rawHeaders, headers), headers, statusText)
    if (this.paused) controller.pause()
  }
  onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.data(chunk)
    if (this.paused) controller.pause()
  }
  onResponseEnd(controller: DispatchController, trailers: HeaderRecord): void {
    this.ended(rawOf(controller.rawTrailers, trailers), trailers)
  }
  onResponseError(_: DispatchController | null, error: unknown): void {
    this.failed(error)
  }
  onRequestUpgrade(controller: DispatchController, status: number, headers: HeaderRecord, socket: unknown): void {
    this.upgraded(status, rawOf(controller.rawHeaders, headers), headers, socket)
  }

  protected override resumeRequest(): void {
    this.controller?.resume()
  }
  protected override tearDown(reason: unknown): void {
    this.controller?.abort(reason)
  }
}

/** The attempt that speaks `dialect`. */
export function newAttempt(dialect: Dialect, owner: AttemptOwner, endpoint: Endpoint, pool: Pool, startedAt: number): Attempt {
  return dialect === 'legacy' ? new LegacyAttempt(owner, endpoint, pool, startedAt) : new ModernAttempt(owner, endpoint, pool, startedAt)
}

/** HTTP/2 answers have no raw pairs. */
function rawOf(raw: RawHeaders | null, parsed: HeaderRecord | undefined): RawHeaders {
  return Array.isArray(raw) ? raw : toRawHeaders(parsed ?? {})
}

const ABANDONED = Object.freeze(new Error('inmesh: the call no longer wants this try'))
const DRAINED = Object.freeze(new Error('inmesh: another try answered'))
const DRAIN_BYTES = 16 * 1024
const DRAIN_MS = 50

import { DEFAULT_POLICY } from '../../model/defaults.ts'
import type { Caller } from '../caller.ts'
import type { CallSettings } from '../engine.ts'
import type { Exchange } from '../exchange.ts'
import type { DispatchController, DispatchOptions, RawHeaders } from '../handler.ts'
import { joinedHeader, rawHeader } from '../headers.ts'
import type { Destination } from '../targets.ts'
import { codingsOf, MAX_CODINGS } from './decode.ts'
import { leave, type WayOut } from './leave.ts'
import { isRedirect, type Landmarks, MAX_REDIRECTS, nextHop } from './redirect.ts'
import type { FetchRequest } from './request.ts'
import { withDefaults } from './request-headers.ts'
import type { MakeResponse } from './response.ts'
import { HIGH_WATER_BYTES, ResponseBody, terminated } from './response-body.ts'
import type { SignalListeners } from './signal.ts'

/** What a call of fetch needs from the mesh. */
export interface FetchContext extends Landmarks, WayOut {
  find(origin: string): Destination | undefined
  /** Opens an exchange; undefined when it was refused, of which `caller` has heard. */
  open(to: Destination, options: DispatchOptions, caller: Caller, settings: CallSettings): Exchange | undefined
  /** Milliseconds of the mesh's clock. */
  now(): number
  readonly makeResponse: MakeResponse
  readonly signals: SignalListeners
}

const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 103, 204, 205, 304])
/** What is read of an answer that nobody wants, so that its connection can be used again. */
const DRAIN_BYTES = 16 * 1024

/**
 * One call of fetch, over all its redirects: the one whom the engine answers, and who makes the Response. Each hop is an exchange of its
 * own; they share the deadline and the re-sends of the first.
 */
export class FetchCall implements Caller {
  private readonly context: FetchContext
  private request: FetchRequest
  private settings: CallSettings
  private resolve: (response: Response) => void
  private reject: (error: unknown) => void
  private service = ''
  private controller: DispatchController | undefined = undefined
  private exchange: Exchange | undefined = undefined
  /** The hop before, whose answer may not be read to its end yet. */
  private former: DispatchController | undefined = undefined
  private body: ResponseBody | undefined = undefined
  private hops = 0
  /** A hop led to another origin. */
  private abroad = false
  private answered = false
  /** The caller left; what comes now is told with his reason. */
  private left = false
  private drained = 0
  private stopListening: (() => void) | undefined = undefined

  constructor(
    context: FetchContext,
    request: FetchRequest,
    settings: CallSettings,
    resolve: (response: Response) => void,
    reject: (error: unknown) => void,
  ) {
    this.context = context
    this.request = request
    this.settings = settings
    this.resolve = resolve
    this.reject = reject
  }

  begin(to: Destination): void {
    const { signal } = this.request
    if (signal !== undefined) {
      if (signal.aborted) {
        this.reject(signal.reason)
        return
      }
      this.stopListening = this.context.signals.listen(signal, this)
    }
    this.hop(to)
  }

  /** The caller's signal: before the answer the call ends, after it the body does. */
  abort(reason: unknown): void {
    if (this.left) return
    this.left = true
    if (!this.answered) {
      this.answered = true
      this.reject(reason)
    }
    this.body?.fail(reason)
    this.controller?.abort(reason)
    this.leaveFormer()
  }

  start(controller: DispatchController): void {
    this.controller = controller
    // It may have waited for a source, and its caller may not have.
    if (this.left) controller.abort(UNWANTED)
  }

  head(controller: DispatchController, status: number, raw: RawHeaders, _: unknown, statusText: string): void {
    if (status < 200 || controller !== this.controller || this.answered) return
    const { redirect } = this.request
    const redirects = redirect !== 'manual' && isRedirect(status)
    const location = redirects ? joinedHeader(raw, 'location') : undefined
    if (redirects && redirect === 'error') this.fail(new Error('unexpected redirect'))
    else if (location !== undefined) this.follow(status, location)
    else if (status === 407) this.fail(new Error('proxy authentication required'))
    else this.answer(controller, status, raw, statusText)
  }

  data(controller: DispatchController, chunk: Buffer): void {
    if (controller === this.controller && this.body !== undefined) {
      this.body.push(chunk)
      return
    }
    this.drained += chunk.length
    if (this.drained > DRAIN_BYTES) controller.abort(UNWANTED)
  }

  end(controller: DispatchController): void {
    if (controller === this.controller) this.body?.end()
  }

  error(controller: DispatchController, error: unknown): void {
    if (controller !== this.controller) return
    if (!this.answered) this.fail(error)
    else if (!this.left) this.body?.fail(terminated(error))
  }

  upgrade(_: unknown, _status: number, _raw: unknown, _parsed: unknown, socket: unknown): void {
    ;(socket as { destroy?: () => void }).destroy?.()
    this.fail(new Error('the server changed the protocol, which fetch does not do'))
  }
  bodySent(): void {}
  requestSent(): void {}
  responseStarted(): void {}

  private hop(to: Destination): void {
    const { method, path, body, origin, headers } = this.request
    const options: DispatchOptions = { origin, path, method, headers: withDefaults(headers, to.secure) }
    if (body !== undefined) options.body = body
    this.service = to.name
    this.exchange = this.context.open(to, options, this, this.settings)
  }

  private answer(controller: DispatchController, status: number, raw: RawHeaders, statusText: string): void {
    const { context, request } = this
    const encoding = joinedHeader(raw, 'content-encoding')
    if (encoding !== undefined && encoding.split(',').length > MAX_CODINGS) {
      this.fail(new Error(`too many content-encodings in response: ${encoding.split(',').length}, maximum allowed is ${MAX_CODINGS}`))
      return
    }
    if (request.method !== 'HEAD' && !NULL_BODY_STATUSES.has(status))
      this.body = new ResponseBody(controller, this.service, encoding === undefined ? NO_CODINGS : codingsOf(encoding))
    this.leaveFormer()
    if (this.body === undefined) this.stopListening?.()
    else this.body.whenConsumed = this.stopListening
    const length = rawHeader(raw, 'content-length')
    this.settle(
      context.makeResponse({
        status,
        statusText,
        url: request.origin + request.path,
        redirected: this.hops > 0,
        type: this.abroad ? 'cors' : 'basic',
        rawHeaders: raw,
        body: this.body,
        mayWait: length === undefined || Number(length) > HIGH_WATER_BYTES,
      }),
    )
  }

  private follow(status: number, location: string): void {
    const next = this.hops === MAX_REDIRECTS ? TOO_MANY : nextHop(this.request, status, location, this.context)
    if ('problem' in next) {
      this.fail(next.problem)
      return
    }
    this.hops++
    this.abroad ||= next.request.origin !== this.request.origin
    this.request = next.request
    this.leaveFormer()
    this.former = this.controller
    this.drained = 0
    const { exchange } = this
    // A rule that redirects knows no deadline; what follows has the one of a call that begins now.
    if (exchange === undefined && this.settings.notAfter === Number.POSITIVE_INFINITY)
      this.settings = {
        ...this.settings,
        notAfter: this.context.now() + (this.settings.timeoutMs ?? DEFAULT_POLICY.timeouts.headTimeoutMs),
      }
    else if (exchange !== undefined) this.settings = { ...this.settings, notAfter: exchange.deadline, retries: exchange.resendsLeft }
    const to = this.context.find(next.request.origin)
    if (to === undefined) void this.goAbroad()
    else this.hop(to)
  }

  private async goAbroad(): Promise<void> {
    const { context, request } = this
    this.controller = undefined
    try {
      const response = await leave(context, request, this.service, this.settings.notAfter - context.now())
      const location = response.headers.get('location')
      if (this.answered) response.body?.cancel().catch(() => {})
      else if (isRedirect(response.status) && location !== null) {
        response.body?.cancel().catch(() => {})
        this.follow(response.status, location)
      } else {
        this.stopListening?.()
        this.leaveFormer()
        this.settle(Object.defineProperties(response, { redirected: AFTER_A_HOP, type: ANOTHER_ORIGIN }))
      }
    } catch (error) {
      this.fail(error)
    }
  }

  /** The promise gets its answer, and is let go: what the engine still holds must not hold the Response. */
  private settle(response: Response): void {
    this.answered = true
    this.resolve(response)
    this.resolve = NOBODY
    this.reject = NOBODY
  }

  /** What the hop before still has to say would hold its connection until it was silent for long enough. */
  private leaveFormer(): void {
    const { former } = this
    this.former = undefined
    former?.abort(UNWANTED)
  }

  /** The call ends without an answer. */
  private fail(error: unknown): void {
    if (this.answered) return
    this.answered = true
    this.stopListening?.()
    const { controller } = this
    this.controller = undefined
    controller?.abort(UNWANTED)
    this.leaveFormer()
    this.reject(isFetchError(error) ? error : new TypeError('fetch failed', { cause: error }))
  }
}

/** The platform's own rejection, of a hop that left the mesh. */
function isFetchError(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed'
}

const NOBODY = (): void => {}
const TOO_MANY = Object.freeze({ problem: new Error('redirect count exceeded') })
const AFTER_A_HOP = Object.freeze({ value: true, configurable: true })
const ANOTHER_ORIGIN = Object.freeze({ value: 'cors', configurable: true })
const NO_CODINGS: readonly never[] = Object.freeze([])
const UNWANTED = Object.freeze(new Error('inmesh: this answer is not wanted'))

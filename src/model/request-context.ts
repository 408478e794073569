import { boundedBaggage } from '../core/baggage.ts'
import type { Priority } from '../core/call.ts'
import type { Random } from '../core/random.ts'
import { Scope } from '../core/scope.ts'
import { newTrace, parseTrace, type Trace } from '../core/trace-context.ts'
import type { ContextSettings } from './context-options.ts'
import type { InboundCall } from './inbound-call.ts'

/** In place of one of the three priorities, which HTTP has no header for; `normal` is not sent. */
export const PRIORITY_HEADER = 'x-inmesh-priority'

/**
 * Of an answer that says the service failed: a call beneath the request failed there, and was tried again as often as may be. Whoever
 * tries again above multiplies what reaches the service that is in trouble.
 */
export const RETRIED_HEADER = 'x-inmesh-retried'

/**
 * One request that came in, as the calls beneath it see it: how long it may take, how much it matters, whose trace it belongs to, and
 * that its client left. It is its own `CallSettings` for those calls, so that a request costs one object; what only some of them ask for is
 * read from the headers when they do.
 */
export class RequestContext extends Scope {
  readonly timeoutMs = undefined
  readonly idempotent = undefined
  readonly hashKey = undefined
  readonly retries = undefined
  readonly metadata = undefined
  readonly detached = false
  readonly notAfter: number
  readonly priority: Priority
  readonly within: RequestContext
  /** How many tries led here, over all hops: 1 when nobody sent anything again. */
  readonly attempt: number
  readonly call: InboundCall & { sayRetried?(): void }
  /** The signal that the application asked for. */
  signal: { stop(): void } | undefined = undefined
  readonly settings: ContextSettings
  readonly random: Random
  private readonly trusted: boolean
  private retried = false
  private readTrace: Trace | undefined = undefined
  private readHanded: readonly string[] | undefined = undefined
  private readBaggage: string | undefined | null = null

  /** @param trusted whether what the headers of `call` say of its origin is believed */
  constructor(
    call: InboundCall & { readonly attempt: number; sayRetried?(): void },
    trusted: boolean,
    settings: ContextSettings,
    random: Random,
  ) {
    super()
    this.call = call
    this.trusted = trusted
    this.settings = settings
    this.random = random
    this.within = this
    this.notAfter = call.deadline
    this.priority = call.priority
    this.attempt = call.attempt
  }

  /** The trace that came in, or one that begins here. */
  get trace(): Trace {
    if (this.readTrace === undefined) {
      const { call } = this
      const came = this.trusted ? parseTrace(call.values('traceparent'), call.values('tracestate')) : undefined
      this.readTrace = came ?? newTrace(this.random)
    }
    return this.readTrace
  }

  get baggage(): string | undefined {
    if (this.readBaggage === null) this.readBaggage = this.trusted ? boundedBaggage(this.call.values('baggage')) : undefined
    return this.readBaggage
  }

  /** The headers that are handed on as they came: name, value, name, value. */
  get handed(): readonly string[] {
    this.readHanded ??= this.trusted ? this.settings.forward.flatMap((name) => this.pairOf(name)) : NONE
    return this.readHanded
  }

  /** One of those. */
  handedOn(name: string): string | undefined {
    const { handed } = this
    for (let index = 0; index < handed.length; index += 2) if (handed[index] === name) return handed[index + 1]
    return undefined
  }

  /** A call beneath it failed, and nothing more will be tried: an answer that says so shall spare us the same request again. */
  tellRetried(): void {
    if (this.retried || !this.settings.retried) return
    this.retried = true
    this.call.sayRetried?.()
  }

  private pairOf(name: string): readonly string[] {
    const value = this.call.header(name)
    return value === undefined || value.length > MAX_HANDED ? NONE : [name, value]
  }
}

const NONE: readonly never[] = Object.freeze([])
/** A header that is copied into every call must not be as long as one likes. */
const MAX_HANDED = 1_024

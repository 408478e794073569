import type { Call } from '../core/call.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import { SlidingWindow } from '../core/window.ts'
import type { BreakerSettings } from '../model/resources.ts'

/** Hears when the breaker opens and when it is closed again. */
export interface BreakerListener {
  opened(detail: { failurePercent: number; requests: number; openForMs: number }): void
  closed(detail: { afterMs: number }): void
}

/** `closed`: calls pass; `open`: they are refused; `half-open`: one probe decides. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/**
 * Stops calling a service that is unavailable, so that callers fail fast and the service can recover. It judges whole calls
 * after their retries and counts only what means *unavailable*; a 500 is an answer.
 *
 * States are worked out by comparing times: no timer. While closed a call costs no allocation, since the breaker's current
 * generation is the permit of all of them; what belongs to an older generation counts for nothing any more.
 */
export class CircuitBreaker implements Gate {
  readonly name = 'circuit-breaker'
  private readonly service: string
  private settings: BreakerSettings
  private readonly time: { readonly now: number }
  private readonly listener: BreakerListener
  private readonly window: SlidingWindow
  private current: Generation
  private openedAt = Number.NEGATIVE_INFINITY
  private openings = 0
  private isOpen = false
  private probe: Probe | undefined = undefined
  private refusal: Refusal | undefined = undefined

  constructor(service: string, settings: BreakerSettings, time: { readonly now: number }, listener: BreakerListener) {
    this.service = service
    this.settings = settings
    this.time = time
    this.listener = listener
    this.window = new SlidingWindow(settings.windowMs, 2, time.now)
    this.current = new Generation(this)
  }

  get state(): BreakerState {
    if (!this.isOpen) return 'closed'
    return this.probe !== undefined || this.time.now - this.openedAt >= this.settings.openForMs ? 'half-open' : 'open'
  }

  /** How often it has opened. */
  get opened(): number {
    return this.openings
  }

  /** Applies to the living state: nothing closes or forgets because somebody pushed. */
  reconfigure(settings: BreakerSettings): void {
    if (settings.windowMs !== this.settings.windowMs) this.window.resize(settings.windowMs, this.time.now)
    this.settings = settings
  }

  admit(_call?: Call): Permit | Refusal {
    if (!this.isOpen) return this.current
    const { now } = this.time
    if (now - this.openedAt < this.settings.openForMs) return this.refuse()
    // A probe whose call was lost must not keep the breaker half-open for good.
    if (this.probe !== undefined && now - this.probe.lentAt < this.settings.openForMs) return this.refuse()
    this.probe = new Probe(this, now)
    return this.probe
  }

  /** @internal */
  settleClosed(generation: Generation, outcome: Outcome): void {
    if (generation !== this.current || outcome.verdict === 'ignored') return
    const { now } = this.time
    this.window.add(outcome.unavailable ? UNAVAILABLE : AVAILABLE, now)
    if (outcome.unavailable) this.openIfDue(now)
  }

  /** @internal */
  settleProbe(probe: Probe, outcome: Outcome): void {
    if (probe !== this.probe) return
    this.probe = undefined
    if (outcome.verdict === 'ignored') return
    const { now } = this.time
    if (outcome.unavailable) {
      this.open(now, 100, 1)
      return
    }
    this.isOpen = false
    this.current = new Generation(this)
    this.window.clear()
    this.listener.closed({ afterMs: now - this.openedAt })
  }

  private openIfDue(now: number): void {
    const { failurePercent, minRequests } = this.settings
    const unavailable = this.window.sum(UNAVAILABLE, now)
    const requests = unavailable + this.window.sum(AVAILABLE, now)
    if (requests >= minRequests && unavailable * 100 >= failurePercent * requests) this.open(now, (unavailable * 100) / requests, requests)
  }

  private open(now: number, failurePercent: number, requests: number): void {
    this.isOpen = true
    this.openedAt = now
    this.openings++
    this.current = new Generation(this)
    this.refusal = undefined
    this.listener.opened({ failurePercent, requests, openForMs: this.settings.openForMs })
  }

  private refuse(): Refusal {
    this.refusal ??= Object.freeze({
      refused: true,
      code: 'MESH_CIRCUIT_OPEN',
      status: 503,
      reason: `the circuit of ${this.service} is open: too many of its calls found it unavailable`,
      retryAfterMs: this.settings.openForMs,
    })
    return this.refusal
  }
}

/** The permit of every call admitted while the breaker was closed, until it opens. */
class Generation implements Permit {
  private readonly breaker: CircuitBreaker
  constructor(breaker: CircuitBreaker) {
    this.breaker = breaker
  }
  settle(outcome: Outcome): void {
    this.breaker.settleClosed(this, outcome)
  }
}

/** The permit of the one call that finds out whether the service is back. */
class Probe implements Permit {
  private readonly breaker: CircuitBreaker
  readonly lentAt: number
  constructor(breaker: CircuitBreaker, lentAt: number) {
    this.breaker = breaker
    this.lentAt = lentAt
  }
  settle(outcome: Outcome): void {
    this.breaker.settleProbe(this, outcome)
  }
}

const AVAILABLE = 0
const UNAVAILABLE = 1

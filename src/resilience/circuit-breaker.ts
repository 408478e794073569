import type { Call } from '../core/call.ts'
import type { Description } from '../core/described.ts'
import { formatDuration } from '../core/duration.ts'
import { FREE_PERMIT, type Gate, type Permit, type Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import { SlidingWindow } from '../core/window.ts'
import type { BreakerSettings } from '../model/resources.ts'

/** Hears when the breaker opens and when it is closed again. */
export interface BreakerListener {
  opened(detail: { failurePercent: number; requests: number; openForMs: number }): void
  closed(detail: { afterMs: number }): void
}

/** `closed`: calls pass; `open`: they are refused; `half-open`: one probe decides; `off`: calls pass and nothing is counted. */
export type BreakerState = 'closed' | 'open' | 'half-open' | 'off'

/**
 * Stops calling a service that is unavailable, so that callers fail fast and the service can recover. It judges whole calls
 * after their retries and counts only what means *unavailable*; a 500 is an answer.
 *
 * States are worked out by comparing times: no timer. While closed a call costs no allocation, since the breaker's current
 * generation is the permit of all of them; what belongs to an older generation counts for nothing any more.
 *
 * `time.now` is monotonic milliseconds: the mesh's timer wheel, or `{ get now() { return performance.now() } }`.
 */
export class CircuitBreaker implements Gate {
  readonly name = 'circuit-breaker'
  readonly section = 'circuitBreaker'
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
  private refusal: OpenRefusal | undefined = undefined
  /** Switched off: the state is kept, and neither asked nor changed. */
  private off = false

  constructor(service: string, settings: BreakerSettings, time: { readonly now: number }, listener: BreakerListener) {
    this.service = service
    this.settings = settings
    this.time = time
    this.listener = listener
    this.window = new SlidingWindow(settings.windowMs, 2)
    this.current = new Generation(this)
  }

  get state(): BreakerState {
    if (this.off) return 'off'
    if (!this.isOpen) return 'closed'
    return this.probe !== undefined || this.time.now - this.openedAt >= this.settings.openForMs ? 'half-open' : 'open'
  }

  /** How often it has opened. */
  get opened(): number {
    return this.openings
  }

  /** The state, with the numbers behind it. */
  describe(): Description {
    const { state } = this
    const { failurePercent, minRequests, openForMs } = this.settings
    const { now } = this.time
    if (state === 'off') return { state, because: 'calls pass, and nothing is counted', admits: true }
    if (state === 'closed') {
      const unavailable = this.window.sum(UNAVAILABLE, now)
      const requests = unavailable + this.window.sum(AVAILABLE, now)
      const because = `${unavailable} of ${requests} calls found it unavailable; opens at ${failurePercent} % of at least ${minRequests}`
      return { state, because, admits: true }
    }
    if (state === 'open') return { state, because: `for another ${formatDuration(this.openedAt + openForMs - now)}`, admits: false }
    // A probe whose call was lost is replaced after the same time.
    const lent = this.probe !== undefined && now - this.probe.lentAt < openForMs
    return { state, because: lent ? 'it waits for its probe' : 'the next call is the probe', admits: !lent }
  }

  /**
   * Applies to the living state: nothing closes or forgets because somebody pushed. `false` lets every call pass and counts
   * nothing, until settings come again; a breaker that was open is open then.
   */
  reconfigure(settings: BreakerSettings | false): void {
    this.off = settings === false
    if (settings === false) {
      this.probe = undefined
      return
    }
    if (settings.windowMs !== this.settings.windowMs) this.window.resize(settings.windowMs, this.time.now)
    this.settings = settings
  }

  admit(_call?: Call): Permit | Refusal {
    if (this.off) return FREE_PERMIT
    if (!this.isOpen) return this.current
    const { now } = this.time
    const { openForMs } = this.settings
    if (now - this.openedAt < openForMs) return this.refuse(this.openedAt + openForMs - now)
    // A probe whose call was lost must not keep the breaker half-open for good.
    if (this.probe !== undefined && now - this.probe.lentAt < openForMs) return this.refuse(this.probe.lentAt + openForMs - now)
    this.probe = new Probe(this, now)
    return this.probe
  }

  /** @internal */
  settleClosed(generation: Generation, outcome: Outcome): void {
    if (generation !== this.current || this.off || outcome.verdict === 'ignored') return
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

  private refuse(retryAfterMs: number): Refusal {
    this.refusal ??= new OpenRefusal(`the circuit of ${this.service} is open: too many of its calls found it unavailable`)
    this.refusal.retryAfterMs = retryAfterMs
    return this.refusal
  }
}

/** One per opening, for all calls it refuses; read `retryAfterMs` at once, since the next refusal writes it anew. */
class OpenRefusal implements Refusal {
  readonly refused = true
  readonly code = 'MESH_CIRCUIT_OPEN'
  readonly status = 503
  readonly reason: string
  retryAfterMs = 0
  constructor(reason: string) {
    this.reason = reason
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

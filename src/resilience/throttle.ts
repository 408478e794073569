import type { Call, Priority } from '../core/call.ts'
import type { Description } from '../core/described.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import { SlidingWindow } from '../core/window.ts'
import type { ThrottleSettings, ThrottleStats } from '../model/throttle.ts'

/**
 * Client-side throttling: the more of a service's calls fail, the fewer of ours are sent, by chance, so that a service that is overloaded
 * need not spend what it has left on refusing us. Unlike the breaker it never stops all of them, and finds out at once when things are
 * better. It counts nothing of a single call, so it is the permit of all of them; what it refuses itself it never counts.
 */
export class Throttle implements Gate, Permit {
  readonly name = 'throttle'
  readonly section = 'throttle'
  readonly refused?: false
  /** Calls turned away so far. */
  refusals = 0
  private settings: ThrottleSettings
  private readonly time: { readonly now: number }
  private readonly random: Random
  private readonly window: SlidingWindow
  private readonly refusal: Refusal

  /** @param time monotonic milliseconds */
  constructor(service: string, settings: ThrottleSettings, time: { readonly now: number }, random: Random) {
    this.settings = settings
    this.time = time
    this.random = random
    this.window = new SlidingWindow(settings.windowMs, 2)
    this.refusal = Object.freeze({
      refused: true,
      code: 'MESH_OVERLOADED',
      status: 503,
      reason: `throttle of ${service}: too many of its calls fail, and this one was drawn not to be sent`,
    })
  }

  /** Applies to the living state: what was counted stays counted. */
  reconfigure(settings: ThrottleSettings): void {
    if (settings.windowMs !== this.settings.windowMs) this.window.resize(settings.windowMs, this.time.now)
    this.settings = settings
  }

  describe(call?: Pick<Call, 'priority'>): Description {
    const { priority = 'normal' } = call ?? {}
    const { requests, successes } = this.stats()
    const percent = Math.round(this.shareFor(priority, this.share(this.time.now)) * 1_000) / 10
    const state = `refuses ${percent} % of calls${priority === 'normal' ? '' : ` of ${priority} priority`}`
    return { state, because: `${successes} of ${requests} succeeded`, admits: percent === 0 ? true : undefined }
  }

  stats(): ThrottleStats {
    const { now } = this.time
    const requests = this.window.sum(REQUESTS, now)
    const successes = this.window.sum(SUCCESSES, now)
    return { requests, successes, rejectPercent: Math.round(this.share(now) * 1_000) / 10, refused: this.refusals }
  }

  admit(call?: Pick<Call, 'priority'>): Permit | Refusal {
    const share = this.share(this.time.now)
    if (share === 0) return this
    if (this.random() >= this.shareFor(call?.priority ?? 'normal', share)) return this
    this.refusals++
    return this.refusal
  }

  settle({ verdict }: Outcome): void {
    if (verdict === 'ignored') return
    const { now } = this.time
    this.window.add(REQUESTS, now)
    if (verdict === 'success') this.window.add(SUCCESSES, now)
  }

  /** The share of calls of a priority that is refused. */
  private shareFor(priority: Priority, share: number): number {
    return share === 0 ? 0 : Math.min(this.settings.maxRejectPercent / 100, shareOf(priority, share))
  }

  private share(now: number): number {
    const { minPerSecond, windowMs } = this.settings
    const requests = this.window.sum(REQUESTS, now)
    if ((requests * 1_000) / windowMs < minPerSecond) return 0
    return rejectShare(requests, this.window.sum(SUCCESSES, now), this.settings)
  }
}

/**
 * The share of calls to refuse, 0–1, when `successes` of `requests` succeeded: what is missing to `successPercent` (Envoy
 * `admission_control.cc`, after "Handling Overload" of Google's SRE book).
 */
export function rejectShare(
  requests: number,
  successes: number,
  { successPercent, aggression, maxRejectPercent }: ThrottleSettings,
): number {
  const missing = (requests - (successes * 100) / successPercent) / (requests + 1)
  if (missing <= 0) return 0
  return Math.min(maxRejectPercent / 100, aggression === 1 ? missing : missing ** (1 / aggression))
}

/** Low priority goes first, and high only when more than half of all has to. */
function shareOf(priority: Priority, share: number): number {
  if (priority === 'normal') return share
  return priority === 'low' ? 2 * share : Math.max(0, 2 * share - 1)
}

const REQUESTS = 0
const SUCCESSES = 1

import type { Clock, Timer } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { ProbeResult, Prober } from '../model/health.ts'
import type { EndpointCheck } from './endpoint-check.ts'
import { Schedule } from './schedule.ts'

/** What a monitor needs. */
export interface MonitorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly prober: Prober
  /** The last of those that were never asked was asked, or is not to be asked any more. */
  allAsked?(): void
}

/**
 * Asks every endpoint of a mesh that wants to be asked, each at its time: one schedule and one timer for all, however many there are,
 * and a bounded number of probes under way. Nothing of it keeps the process alive.
 *
 * The first probe comes at a random point of the interval, and the later ones keep that phase: five hundred processes
 * that were started together never ask together. Where somebody waits for what the first ones find they come within a second, and only
 * they: the later ones keep the phase all the same.
 */
export class HealthMonitor {
  private readonly options: MonitorOptions
  private readonly schedule = new Schedule<EndpointCheck>()
  private timer: Timer | undefined = undefined
  private timerAt = Number.POSITIVE_INFINITY
  private running = 0
  private hurried = false
  /** How many checks there are that never came to a verdict. */
  unasked = 0
  private state: 'new' | 'started' | 'closed' = 'new'

  constructor(options: MonitorOptions) {
    this.options = options
  }

  /** Probes begin; until then nothing is opened. */
  start(): void {
    if (this.state !== 'new') return
    this.state = 'started'
    for (const check of this.schedule.entries()) this.spread(check)
    this.arm()
  }

  /** Somebody waits for the first round: who was never asked is asked soon, and so is who joins before it is over. */
  hurry(): void {
    if (this.hurried || this.unasked === 0) return
    this.hurried = true
    const now = this.options.clock.now()
    for (const check of this.schedule.entries()) {
      if (!this.bringForward(check, now)) continue
      this.schedule.set(check)
    }
    this.arm()
  }

  close(): void {
    this.state = 'closed'
    this.timer?.cancel()
    this.timer = undefined
    this.options.prober.close()
  }

  add(check: EndpointCheck): void {
    this.unasked++
    this.spread(check)
    this.arm()
  }

  remove(check: EndpointCheck): void {
    check.stopped = true
    this.schedule.remove(check)
    this.settled(check)
  }

  /** Its settings changed: a shorter interval counts from now on. */
  reschedule(check: EndpointCheck): void {
    // One whose probe is under way is put back when that is over.
    if (check.slot < 0) return
    this.spread(check)
    this.arm()
  }

  private spread(check: EndpointCheck): void {
    const { clock, random } = this.options
    const now = clock.now()
    // Within `intervalMs` in any case: the longer wait of a service without traffic is for those that were asked once.
    check.dueAt = now + random() * check.settings.intervalMs
    check.phaseAt = undefined
    if (this.hurried) this.bringForward(check, now)
    this.schedule.set(check)
  }

  /** The first probe of a check, in the same order among its like and much sooner; false when there is nothing to bring forward. */
  private bringForward(check: EndpointCheck, now: number): boolean {
    if (check.asked || check.phaseAt !== undefined) return false
    check.phaseAt = check.dueAt
    check.dueAt = now + (check.dueAt - now) * Math.min(1, HURRY_MS / check.settings.intervalMs)
    return true
  }

  /** It needs not be waited for any more. Who waits hears of it when the change that this belongs to is complete. */
  private settled(check: EndpointCheck): void {
    if (check.asked) return
    check.asked = true
    if (--this.unasked > 0) return
    this.hurried = false
    void Promise.resolve().then(() => this.options.allAsked?.())
  }

  private arm(): void {
    const next = this.schedule.first?.dueAt
    if (this.state !== 'started' || next === undefined || this.running >= MAX_RUNNING || next >= this.timerAt) return
    this.timer?.cancel()
    this.timerAt = next
    this.timer = this.options.clock.setTimer(this.turn, next - this.options.clock.now())
    this.timer.unref()
  }

  private readonly turn = (): void => {
    this.timer = undefined
    this.timerAt = Number.POSITIVE_INFINITY
    const now = this.options.clock.now()
    while (this.running < MAX_RUNNING) {
      const check = this.schedule.first
      if (check === undefined || check.dueAt > now) break
      this.schedule.remove(check)
      void this.probe(check, now)
    }
    this.arm()
  }

  private async probe(check: EndpointCheck, startedAt: number): Promise<void> {
    const { clock, random, prober } = this.options
    this.running++
    let result: ProbeResult
    try {
      result = await prober.probe(check.request)
    } catch (error) {
      result = { failure: String(error), degraded: false, immediate: false }
    }
    this.running--
    if (this.state === 'closed') return
    const now = clock.now()
    if (!check.stopped) {
      const { timeoutMs, jitterPercent } = check.settings
      // Later than its timeout allows: our own event loop was blocked, and the endpoint may have answered in time.
      if (result.failure === undefined || now - startedAt <= timeoutMs + LATE_MS) check.settle(result, startedAt, now)
      const waitMs = check.intervalMs * (1 + (random() * jitterPercent) / 100)
      const { dueAt, phaseAt = dueAt } = check
      check.phaseAt = undefined
      // Counted from when it was due, not from now: every process keeps its phase, also over a time in which it was stopped.
      check.dueAt = phaseAt > now ? phaseAt : phaseAt + waitMs * Math.max(1, Math.ceil((now - phaseAt) / waitMs))
      this.schedule.set(check)
      this.settled(check)
    }
    this.arm()
  }
}

/** Probes under way at once: ten thousand endpoints that all hang for a second every half minute need 333. */
const MAX_RUNNING = 512
const LATE_MS = 100
/** Over how long the first probes are spread where somebody waits for them. */
const HURRY_MS = 1_000

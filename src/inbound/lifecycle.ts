import type { Clock } from '../core/clock.ts'
import type { LifecycleSettings } from '../model/readiness.ts'
import type { Readiness } from './readiness.ts'
import type { Servers } from './servers.ts'

/** Takes this process out of whatever it is registered in. Its failure keeps nobody from leaving. */
export type Withdraw = () => unknown

/** What is needed to leave. */
export interface LifecycleOptions {
  readonly clock: Clock
  readonly settings: Pick<LifecycleSettings, 'drainDelayMs'>
  readonly readiness: Readiness
  readonly servers: Servers
  /** No connection is taken any more: what would keep one open for ever ends. */
  stopping(): void
  /** What a hook threw. */
  report(what: string, error: unknown): void
}

/**
 * The way out of a process that answers requests: nobody is sent here any more, then no connection is taken, then none is kept, and what
 * has begun is answered. At every step whoever still comes on an open connection is served, because he could not know.
 */
export class Lifecycle {
  private readonly options: LifecycleOptions
  private readonly hooks = new Set<Withdraw>()

  constructor(options: LifecycleOptions) {
    this.options = options
  }

  /** `withdraw` is called when this process begins to leave, at once if it has, and waited for; returns what ends that. */
  onDrain(withdraw: Withdraw): () => void {
    // Who is registered just now would be found for ever.
    if (this.options.readiness.leaving) void this.withdraw(withdraw)
    else this.hooks.add(withdraw)
    return () => this.hooks.delete(withdraw)
  }

  /** Whether leaving takes no time: nobody has to be told, and nothing is open. */
  get idle(): boolean {
    return this.hooks.size === 0 && this.options.servers.empty
  }

  /** Leaves within `timeoutMs`; what is not done by then is cut off. */
  async drain(timeoutMs: number): Promise<void> {
    const { clock, settings, readiness, servers } = this.options
    const endsAt = clock.now() + timeoutMs
    const left = (): number => endsAt - clock.now()
    readiness.become('draining')
    const withdrawn = Promise.all([...this.hooks].map((hook) => this.withdraw(hook)))
    const delayMs = servers.empty ? 0 : settings.drainDelayMs
    // A registry that hangs must not take the time of those who wait for their answers.
    const mostMs = left() / 2
    await Promise.all([this.within(mostMs, withdrawn), this.pause(Math.min(delayMs, mostMs))])
    servers.sayGoodbye()
    await this.untilQuiet(clock.now() + left() / 2)
    this.options.stopping()
    servers.stop()
    while (left() > 0 && !(await servers.gone())) {
      await this.pause(Math.min(STEP_MS, left()))
      servers.closeIdle()
    }
    servers.destroy()
  }

  /** Until nobody sends a request any more on the connections that are still open. */
  private async untilQuiet(notAfter: number): Promise<void> {
    const { clock, servers } = this.options
    let { requests } = servers
    let quietSince = clock.now()
    while (clock.now() < Math.min(quietSince + QUIET_MS, notAfter) && !(await servers.gone())) {
      await this.pause(STEP_MS)
      if (servers.requests === requests) continue
      requests = servers.requests
      quietSince = clock.now()
    }
  }

  private async withdraw(hook: Withdraw): Promise<void> {
    try {
      await hook()
    } catch (error) {
      this.options.report('drain hook', error)
    }
  }

  private within(ms: number, work: Promise<unknown>): Promise<unknown> {
    let done = (): void => {}
    const late = new Promise<void>((resolve) => {
      done = resolve
    })
    const timer = this.options.clock.setTimer(done, ms)
    return Promise.race([work, late]).finally(() => timer.cancel())
  }

  private pause(ms: number): Promise<void> {
    const { clock } = this.options
    return new Promise((resolve) => {
      // After a stall of our own what came in meanwhile is read first: a connection that looks idle may have a request waiting.
      clock.setTimer(() => clock.afterPoll(resolve), ms)
    })
  }
}

/**
 * For how long no request may have come before idle connections are closed. It is long because the likeliest reason for a short silence of
 * a busy client is that it stands still, and when it wakes it sends all that it owes at once.
 */
const QUIET_MS = 1_000
const STEP_MS = 10

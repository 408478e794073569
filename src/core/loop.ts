import { type Backoff, backoffMs } from './backoff.ts'
import type { Clock, Timer } from './clock.ts'
import type { Random } from './random.ts'

/** What a control loop does, and how it waits. */
export interface LoopOptions {
  readonly clock: Clock
  readonly random: Random
  readonly backoff: Backoff
  /** One round; resolves to the milliseconds until the next. */
  round(): Promise<number>
  /** A round failed. May answer with the least milliseconds until the next try, such as a `Retry-After`. */
  failed(error: unknown): number | undefined
}

/**
 * Keeps trying with jitter until it is stopped: reconnects, polling, rotation. Each round is entered into p-retry, which asks
 * here when to try again, since waits go through the mesh's clock. Its timers keep no process alive.
 */
export class Loop {
  private readonly options: LoopOptions
  private stopped = false
  private timer: Timer | undefined = undefined
  private wake: (() => void) | undefined = undefined

  constructor(options: LoopOptions) {
    this.options = options
    void this.run()
  }

  /** No further round begins; one that runs is left to end by itself. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.wake?.()
  }

  private async run(): Promise<void> {
    const { default: pRetry } = await import('p-retry')
    const { round, failed, backoff, random } = this.options
    let failures = 0
    const attempt = async (): Promise<number> => {
      try {
        return await round()
      } catch (error) {
        // p-retry gives up on a TypeError, taking it for a mistake in the code; here it may be a document of the wrong shape.
        throw new Error('the round failed', { cause: error })
      }
    }
    const shouldRetry = async ({ error }: { error: Error }): Promise<boolean> => {
      if (this.stopped) return false
      failures++
      const least = failed(error.cause) ?? 0
      await this.pause(Math.max(least, backoffMs(failures, backoff, random)))
      return !this.stopped
    }
    while (!this.stopped) {
      failures = 0
      try {
        await this.pause(await pRetry(attempt, { retries: Number.POSITIVE_INFINITY, minTimeout: 0, shouldRetry }))
      } catch {
        // Only a loop that was stopped comes here: p-retry throws the last error on.
      }
    }
  }

  private pause(ms: number): Promise<void> {
    if (this.stopped) return Promise.resolve()
    return new Promise((resolve) => {
      this.wake = resolve
      this.timer = this.options.clock.setTimer(resolve, ms)
      this.timer.unref()
    })
  }
}

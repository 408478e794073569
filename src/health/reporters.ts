import type { Clock } from '../core/clock.ts'
import type { HealthChange, HealthReporter } from '../model/health.ts'

/** Tells everybody who wants to know of every change; what one of them throws or rejects with keeps nobody else from hearing. */
export class HealthReporters {
  private readonly reporters: readonly HealthReporter[]
  private readonly clock: Clock
  private readonly failed: (error: unknown) => void

  constructor(reporters: readonly HealthReporter[], clock: Clock, failed: (error: unknown) => void) {
    this.reporters = reporters
    this.clock = clock
    this.failed = failed
  }

  tell(change: Omit<HealthChange, 'at'>): void {
    if (this.reporters.length === 0) return
    const stamped: HealthChange = Object.freeze({ ...change, at: this.clock.wallTime() })
    for (const reporter of this.reporters) {
      try {
        const returned: unknown = reporter.report(stamped)
        if (returned instanceof Promise) returned.catch(this.failed)
      } catch (error) {
        this.failed(error)
      }
    }
  }
}

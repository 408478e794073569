import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { Policy } from '../model/resources.ts'
import type { ServiceStats } from '../model/stats.ts'
import { AdaptiveConcurrency } from '../resilience/adaptive-concurrency.ts'
import { Throttle } from '../resilience/throttle.ts'

/**
 * The gates that keep a service from being asked for more than it can do, as far as it shows: the throttle and the adaptive limit. Each is
 * made when its section first appears; one that is switched off keeps what it knows.
 */
export class OverloadGates {
  /** Those that are switched on, in the order in which they are asked. */
  gates: readonly Gate[] = []
  private throttle: Throttle | undefined = undefined
  private adaptive: AdaptiveConcurrency | undefined = undefined
  private readonly service: string
  private readonly time: { readonly now: number }
  private readonly random: Random

  constructor(service: string, time: { readonly now: number }, random: Random) {
    this.service = service
    this.time = time
    this.random = random
  }

  apply({ throttle, adaptiveConcurrency }: Policy): void {
    const gates: Gate[] = []
    if (throttle !== false) {
      if (this.throttle === undefined) this.throttle = new Throttle(this.service, throttle, this.time, this.random)
      else this.throttle.reconfigure(throttle)
      gates.push(this.throttle)
    }
    if (adaptiveConcurrency !== false) {
      if (this.adaptive === undefined)
        this.adaptive = new AdaptiveConcurrency(this.service, adaptiveConcurrency, { time: this.time, random: this.random })
      else this.adaptive.reconfigure(adaptiveConcurrency)
      gates.push(this.adaptive)
    }
    this.gates = gates
  }

  /** What `stats()` says of those that are switched on. */
  stats(): Pick<ServiceStats, 'throttle' | 'adaptiveConcurrency'> {
    const { throttle, adaptive, gates } = this
    return {
      ...(throttle !== undefined && gates.includes(throttle) ? { throttle: throttle.stats() } : {}),
      ...(adaptive !== undefined && gates.includes(adaptive) ? { adaptiveConcurrency: adaptive.stats() } : {}),
    }
  }
}

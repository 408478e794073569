import type { Clock } from '../core/clock.ts'
import { FREE_PERMIT, type Permit, type Refusal } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { AdaptiveConcurrencySettings, AdaptiveConcurrencyStats } from '../model/adaptive-concurrency.ts'
import type { InboundCall, InboundGate } from '../model/inbound-call.ts'
import { DEFAULT_SHEDDING } from '../model/inbound-limits.ts'
import { AdaptiveConcurrency } from './adaptive-concurrency.ts'

/**
 * An adaptive limit before the application: requests at once, by how long it takes to answer them. For applications that wait for others;
 * what keeps the event loop itself busy is the shedder's. Health checks neither count nor are refused.
 */
export class InboundConcurrency implements InboundGate {
  readonly name = 'adaptive-concurrency'
  private readonly limit: AdaptiveConcurrency
  private readonly exempt: ReadonlySet<string> = new Set(DEFAULT_SHEDDING.exemptPaths)

  constructor(settings: AdaptiveConcurrencySettings, clock: Clock, random: Random) {
    const time = {
      get now() {
        return clock.now()
      },
    }
    const refusal = { from: 'options/inbound#adaptiveConcurrency', retryAfterMs: DEFAULT_SHEDDING.retryAfterMs }
    this.limit = new AdaptiveConcurrency('this process', settings, { time, random, refusal })
  }

  admit(call: InboundCall): Permit | Refusal {
    return this.exempt.has(call.pathname) ? FREE_PERMIT : this.limit.admit(call)
  }

  stats(): AdaptiveConcurrencyStats {
    return this.limit.stats()
  }
}

import type { ParsedOptions } from '../config/mesh-options.ts'
import { Guard } from '../inbound/guard.ts'
import type { InboundStats } from '../model/stats.ts'
import { LocalRateLimits } from '../resilience/local-rate-limits.ts'
import { Shedder } from '../resilience/shedder.ts'
import type { Ground } from './ground.ts'

/** Everything of a mesh that stands before the application, put together. */
export class InboundSide {
  readonly guard: Guard
  private readonly shedder: Shedder | undefined
  private readonly rateLimits: LocalRateLimits | undefined

  constructor(parsed: ParsedOptions, ground: Ground) {
    const { clock, random, emit, report } = ground
    const { rateLimits, rateLimitHeaders, shedding, gates } = parsed.inbound
    this.shedder = shedding === false ? undefined : new Shedder(shedding, clock, random)
    this.rateLimits = rateLimits.length === 0 ? undefined : new LocalRateLimits(rateLimits, clock, rateLimitHeaders)
    this.guard = new Guard({
      service: parsed.service ?? 'inbound',
      clock,
      settings: parsed.inbound,
      gates: {
        shed: this.shedder,
        authenticate: [],
        authorize: [],
        limit: this.rateLimits === undefined ? [] : [this.rateLimits],
        fault: [],
        own: gates,
      },
      identify: () => undefined,
      emit,
      report,
      get closed() {
        return ground.closed
      },
    })
  }

  /** What `mesh.stats()` says of the inbound side. */
  stats(): InboundStats {
    return {
      ...this.guard.stats(),
      ...(this.rateLimits === undefined ? {} : { rateLimits: this.rateLimits.stats() }),
      ...(this.shedder === undefined ? {} : { shedding: this.shedder.stats() }),
    }
  }
}

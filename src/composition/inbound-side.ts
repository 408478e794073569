import type { ParsedOptions } from '../config/mesh-options.ts'
import { Entrance } from '../inbound/entrance.ts'
import { Guard } from '../inbound/guard.ts'
import type { Ground } from './ground.ts'

/** Everything of a mesh that stands before the application, put together. */
export class InboundSide {
  readonly guard: Guard
  /** Where requests come in. */
  readonly entrance: Entrance

  constructor(parsed: ParsedOptions, ground: Ground) {
    const { clock, emit, report } = ground
    this.guard = new Guard({
      service: parsed.service ?? 'inbound',
      clock,
      settings: parsed.inbound,
      gates: { shed: undefined, authenticate: [], authorize: [], limit: [], fault: [], own: parsed.inbound.gates },
      identify: () => undefined,
      emit,
      report,
      get closed() {
        return ground.closed
      },
    })
    this.entrance = new Entrance(this.guard)
  }

  /** Looks at no further connection; what is protected stays so, and lets nobody in. */
  close(): void {
    this.entrance.close()
  }
}

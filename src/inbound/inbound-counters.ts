import type { MeshErrorCode } from '../core/errors.ts'
import { FlagCounter, type ResponseFlags } from '../core/response-flags.ts'
import type { InboundStats } from '../model/stats.ts'

/** Counts what comes in, and what is refused by whom. */
export class InboundCounters {
  private requests = 0
  private inflight = 0
  private readonly flags = new FlagCounter()
  /** Keyed by names that come from configuration, never from a request. */
  private readonly refusals = new Map<string, Map<MeshErrorCode, number>>()

  began(): void {
    this.requests++
    this.inflight++
  }

  ended(): void {
    this.inflight--
  }

  refused(gate: string, code: MeshErrorCode, flags: ResponseFlags): void {
    this.flags.add(flags)
    let codes = this.refusals.get(gate)
    if (codes === undefined) {
      codes = new Map()
      this.refusals.set(gate, codes)
    }
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }

  stats(): Pick<InboundStats, 'requests' | 'inflight' | 'refused' | 'flags'> {
    const refused = [...this.refusals].map(([gate, codes]) => [gate, Object.fromEntries(codes)] as const)
    return { requests: this.requests, inflight: this.inflight, refused: Object.fromEntries(refused), flags: this.flags.stats() }
  }
}

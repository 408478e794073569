import type { MeshErrorCode } from '../core/errors.ts'
import { FlagCounter, type ResponseFlags } from '../core/response-flags.ts'
import type { InboundStats } from '../model/stats.ts'

/** Counts what is refused, and by whom; how much came in is known where it is waited for. */
export class InboundCounters {
  private readonly flags = new FlagCounter()
  /** Keyed by names that come from configuration, never from a request. */
  private readonly refusals = new Map<string, Map<MeshErrorCode, number>>()

  refused(gate: string, code: MeshErrorCode, flags: ResponseFlags): void {
    this.flags.add(flags)
    let codes = this.refusals.get(gate)
    if (codes === undefined) {
      codes = new Map()
      this.refusals.set(gate, codes)
    }
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }

  stats(): Pick<InboundStats, 'refused' | 'flags'> {
    const refused = [...this.refusals].map(([gate, codes]) => [gate, Object.fromEntries(codes)] as const)
    return { refused: Object.fromEntries(refused), flags: this.flags.stats() }
  }
}

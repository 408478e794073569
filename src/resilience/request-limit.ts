import type { Described, Description } from '../core/described.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'

/**
 * Bounds the calls of a service that are in flight, from admission to the last byte of the answer. It counts and remembers
 * nothing else of a call, so it is the permit of all of them.
 */
export class RequestLimit implements Gate, Permit {
  readonly name = 'limits'
  readonly section = 'limits'
  readonly refused?: false
  /** Calls in flight. */
  inflight = 0
  /** Calls turned away so far. */
  refusals = 0
  private max: number
  private readonly service: string
  private refusal: Refusal

  /** @param max most calls at once; 0 refuses every call */
  constructor(service: string, max: number) {
    this.service = service
    this.max = max
    this.refusal = overloaded(service, 'maxRequests', max, 'calls in flight')
  }

  /** Applies to the living state: the calls in flight stay counted. */
  reconfigure(max: number): void {
    if (max === this.max) return
    this.max = max
    this.refusal = overloaded(this.service, 'maxRequests', max, 'calls in flight')
  }

  describe(): Description {
    const { inflight, max } = this
    const admits = inflight < max
    return { state: `${inflight} of ${max} calls in flight`, because: admits ? 'there is room' : 'limits.maxRequests is reached', admits }
  }

  admit(): Permit | Refusal {
    if (this.inflight >= this.max) {
      this.refusals++
      return this.refusal
    }
    this.inflight++
    return this
  }

  settle(): void {
    this.inflight--
  }
}

/** The refusal of a limit, which names it and what it is set to. */
function overloaded(service: string, limit: string, max: number, what: string): Refusal {
  const reason = `limits.${limit} of ${service} is reached: ${max} ${what}`
  return Object.freeze({ refused: true, code: 'MESH_OVERLOADED', status: 503, reason })
}

/** Bounds the re-sends of a service that are under way. Always counted, so that a limit that is switched on knows those that are. */
export class ResendLimit implements Described {
  readonly name = 'retries'
  readonly section = 'limits'
  inflight = 0
  /** Re-sends that did not happen. */
  refusals = 0
  max = Number.POSITIVE_INFINITY

  describe(): Description {
    const state = `${this.inflight} of ${this.max} re-sends in flight`
    return { state, because: this.room ? 'one more call may be sent again' : 'limits.maxRetries is reached: nothing is sent again' }
  }

  /** Whether one more may be sent. */
  get room(): boolean {
    return this.inflight < this.max
  }
}

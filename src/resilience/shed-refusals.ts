import type { Priority } from '../core/call.ts'
import type { AnswerHeaders, Refusal } from '../core/gate.ts'
import type { SheddingSettings } from '../model/inbound-limits.ts'

/**
 * All the ways in which requests are shed, made once: refusing has to cost next to nothing when there is nothing left. Each way has some
 * waits to choose from, so that those who were refused together do not come again together.
 */
export class ShedRefusals {
  private readonly byDelay: Record<Priority, readonly Refusal[]>
  private readonly byInflight: Record<Priority, readonly Refusal[]>

  constructor({ retryAfterMs, closeConnections, maxInflight = 0 }: SheddingSettings) {
    const headers = closeConnections ? CLOSE : undefined
    const all = (because: string): Record<Priority, readonly Refusal[]> => {
      const of = (priority: Priority): readonly Refusal[] => {
        const reason = `the process is overloaded: ${because}, requests of ${priority} priority are shed`
        return WAITS.map((times) =>
          Object.freeze({
            refused: true,
            code: 'MESH_OVERLOADED',
            status: 503,
            reason,
            from: FROM,
            retryAfterMs: retryAfterMs * times,
            headers,
          }),
        )
      }
      return { low: of('low'), normal: of('normal'), high: of('high') }
    }
    this.byDelay = all('requests wait for the event loop')
    this.byInflight = all(`${maxInflight} requests at once are its limit`)
  }

  delay(priority: Priority, drawn: number): Refusal {
    return pick(this.byDelay[priority], drawn)
  }

  inflight(priority: Priority, drawn: number): Refusal {
    return pick(this.byInflight[priority], drawn)
  }
}

function pick(refusals: readonly Refusal[], drawn: number): Refusal {
  return refusals[Math.floor(drawn * refusals.length)] as Refusal
}

const FROM = 'options/inbound#shedding'
const CLOSE: AnswerHeaders = Object.freeze([Object.freeze(['connection', 'close'] as const)])
/** Times `retryAfter`. */
const WAITS = [1, 1.4, 1.8, 2.2, 2.6, 3]

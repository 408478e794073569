import { isUnavailableStatus } from '../core/classifier.ts'
import type { Described, Description } from '../core/described.ts'
import type { FallbackCondition, FallbackFunction } from '../model/protection.ts'
import type { AnswerSettings, FallbackSettings } from '../model/resources.ts'

/** Which failures of a service are answered in its place, and with what. */
export class Fallback implements Described {
  readonly name = 'fallback'
  readonly section = 'fallback'
  readonly respond: AnswerSettings | FallbackFunction
  private readonly on: ReadonlySet<FallbackCondition>

  constructor({ on = DEFAULT_ON, respond }: FallbackSettings) {
    this.on = new Set(on)
    this.respond = respond
  }

  describe(): Description {
    const { on, respond } = this
    const answer = typeof respond === 'function' ? 'what a function of yours gives' : `${respond.status}`
    return { state: `answers ${answer}`, because: on.size === 0 ? 'for no failure at all' : `for ${[...on].join(', ')}` }
  }

  /** Whether it stands in for an error of this code; for an answer of this status when there is no code. */
  covers(code: string | undefined, status: number): boolean {
    if (code !== undefined) return this.on.has(code as FallbackCondition)
    return (status >= 500 && this.on.has('5xx')) || (isUnavailableStatus(status) && this.on.has('gateway-error'))
  }
}

const DEFAULT_ON: readonly FallbackCondition[] = [
  'MESH_NO_ENDPOINT',
  'MESH_CIRCUIT_OPEN',
  'MESH_OVERLOADED',
  'MESH_DEADLINE',
  'MESH_CONNECT',
  'MESH_RESET',
]

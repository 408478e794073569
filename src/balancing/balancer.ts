import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'

/**
 * Chooses one of the candidates for a call; undefined only when there are none. `candidates` is a frozen array that keeps
 * its identity until its content changes, so a balancer may remember what it built from it.
 */
export interface Balancer {
  readonly name: string
  pick(candidates: readonly Endpoint[], call: Call): Endpoint | undefined
}

import type { Affinity, Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'

/**
 * Chooses one of the candidates for a call; undefined only when there are none. `candidates` is a frozen array that keeps
 * its identity until its content changes, so a balancer may remember what it built from it.
 */
export interface Balancer {
  readonly name: string
  /** Calls of one key go to one endpoint, so that further tries of a call are its business too: it passes over what was tried. */
  readonly keyed?: boolean
  /** True until it has built what it picks by for the first time; picks work all the same, but not as they will. */
  readonly unprepared?: boolean
  /** Builds that for `members` and calls back when it is there. */
  prepare?(members: readonly Endpoint[], then: () => void): void
  /** @param members the endpoints of which the candidates are usable, likewise frozen; the candidates when nobody says */
  pick(candidates: readonly Endpoint[], call: Call, members?: readonly Endpoint[]): Endpoint | undefined
  /**
   * The chance of each candidate to get a first try at `now`, from 0 to 1; undefined where that depends on the call, or cannot be told.
   * Like {@link foresee} it is for somebody who looks: it changes nothing and draws nothing.
   */
  shares?(candidates: readonly Endpoint[], now: number): ArrayLike<number> | undefined
  /** Where a first try of such a call goes by its key; undefined without a key, or while that is not known. */
  foresee?(candidates: readonly Endpoint[], call: Call, members: readonly Endpoint[]): Endpoint | undefined
  /** One more of the same kind, for a part of the endpoints; who has none chooses in all parts, and remembers nothing of whom it chose among. */
  another?(): Balancer
  /** The key of the call, for somebody who looks; undefined without one. */
  keyOf?(call: Call): Affinity | undefined
  /** What the call is hashed to, of those that are keyed; drawn where it has no key. */
  affinityOf?(call: Call): Affinity
  /** An answer came from `endpoint`, or a try ended without one. What fails after its head is told twice. */
  observe?(endpoint: Endpoint, outcome: Outcome, now: number): void
}

import type { Endpoint } from './endpoint.ts'

/** Order in which calls are given up under pressure; `high` goes last. */
export type Priority = 'low' | 'normal' | 'high'

/** What a call was hashed to. */
export interface Affinity {
  /** Upper and lower half of the 64 bits. */
  readonly hi: number
  readonly lo: number
  /** Nothing to hash was found, and the hash is a random number. */
  readonly random: boolean
  /** Values of `Set-Cookie` that go back with the answer, so that the next call hashes to the same. */
  readonly cookies: readonly string[]
}

/**
 * One logical call as routers, gates, balancers and retry policies see it. Plain fields, written once
 * by whoever opens the door; the mesh never looks into a body to fill them.
 */
export interface Call {
  readonly service: string
  readonly method: string
  /** Authority the caller addressed, as `host` or `host:port`. */
  readonly host: string
  /** Path and query as they go on the wire. */
  readonly path: string
  /** Safe and idempotent methods, an `Idempotency-Key`, or the caller's word (RFC 9110 §9.2.2). */
  readonly idempotent: boolean
  readonly priority: Priority
  readonly hashKey: string | undefined
  /** Clock time at which the call began. */
  readonly startedAt: number
  /** Clock time after which nobody waits for the answer; Infinity when the caller set no bound. */
  readonly deadline: number
  /** Tries launched so far, those that only moved on included. */
  readonly tries: number
  /** How many of the tries were moves: launched because the one before never got a connection. */
  readonly moves: number
  /** From so many tries on a further one prefers priorities of which none was tried; false or absent: never. */
  readonly otherPrioritiesAfter?: number | false
  /** The value of a request header by its lower-case name, or undefined; the first when it is there twice. */
  header(name: string): string | undefined
  /** Every value of a request header by its lower-case name; where this is absent there is at most one. */
  headerValues?(name: string): readonly string[]
  /** Written by balancers that hash; kept from try to try. */
  affinity?: Affinity | undefined
  /** Whether this call already tried `endpoint`; a further try prefers another. */
  hasTried(endpoint: Endpoint): boolean
}

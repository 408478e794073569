import type { MeshErrorCode } from '../core/errors.ts'
import type { RetryCondition } from './names.ts'
import type { FallbackCondition, FallbackFunction } from './protection.ts'

/** How a service says when its limits are reset. Names are lower case. */
export interface RateLimitedBackoff {
  readonly headers: readonly { readonly name: string; readonly format: 'seconds' | 'unix' }[]
  readonly maxMs: number
}

/** When, how often and how far apart a broken try is sent again. */
export interface RetrySettings {
  readonly attempts: number
  readonly on: readonly RetryCondition[]
  /** Undefined: what remains ÷ tries left. */
  readonly perTryTimeoutMs: number | undefined
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  /** Undefined: by `Retry-After` alone. */
  readonly rateLimitedBackoff: RateLimitedBackoff | undefined
  readonly budgetPercent: number
  readonly budgetMinPerSecond: number
  /** From so many tries on a further one prefers priorities of which none was tried; `false`: never. */
  readonly otherPrioritiesAfter: number | false
  readonly repeatRetried: boolean
}

/** Lower-case name. */
export interface HeaderMatch {
  readonly name: string
  readonly value?: string
}

/** Faults that are put in the way of calls. */
export interface FaultSettings {
  readonly delay?: { readonly durationMs: number; readonly percent: number; readonly header?: HeaderMatch }
  readonly abort?: {
    readonly status?: number
    readonly code?: MeshErrorCode
    readonly percent: number
    readonly header?: HeaderMatch
  }
}

/** An answer of the mesh itself, checked. */
export interface AnswerSettings {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** What callers get in place of a failure. */
export interface FallbackSettings {
  readonly on?: readonly FallbackCondition[]
  readonly respond: AnswerSettings | FallbackFunction
}

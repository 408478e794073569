import { type Duration, parseDuration } from '../core/duration.ts'
import { MeshError } from '../core/errors.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { CircuitBreakerOptions } from '../model/options.ts'
import type { BreakerSettings } from '../model/resources.ts'
import { breakerSettings } from './opossum.ts'

/** How `mesh.execute` runs a task. */
export interface ExecuteOptions {
  /** Bound of the whole execution, retries included. Default 15 s. */
  timeout?: Duration
  /**
   * Says that a second run does no harm. Without it a task is run again only when its error says `retryable: true`; an error
   * that says `retryable: false` ends it either way. Default false.
   */
  idempotent?: boolean
  /** Runs after the first, 0–10, within a budget of 20 % + 10/s per name. Default 2. */
  retries?: number
  /** Ends the execution; counts against nobody unless its reason is a `TimeoutError`. */
  signal?: AbortSignal
  /** It outlives the request that it is run beneath: neither that request's deadline nor its end concern it. Default false. */
  detached?: boolean
  /** The breaker of this name; the first execution of a name decides. `false`: none. */
  circuitBreaker?: CircuitBreakerOptions | false
}

/** The same, checked. */
export interface ExecuteSettings {
  readonly timeoutMs: number
  readonly retries: number
  readonly idempotent: boolean
  readonly detached: boolean
  /** Undefined: none. */
  readonly breaker: BreakerSettings | undefined
}

const OPTIONS: ReadonlySet<string> = new Set(['timeout', 'idempotent', 'retries', 'signal', 'circuitBreaker', 'detached'])

/**
 * Checks what `mesh.execute` was given.
 * @throws MeshError `MESH_CONFIG` with every problem
 */
export function executeSettings(name: unknown, task: unknown, options: ExecuteOptions): ExecuteSettings {
  const problems: string[] = []
  if (typeof name !== 'string' || name === '') problems.push('execute: expected a name')
  if (typeof task !== 'function') problems.push('execute: expected a function')
  for (const key of Object.keys(options)) if (!OPTIONS.has(key)) problems.push(`execute.${key}: unknown key`)
  const { timeout = DEFAULT_POLICY.timeouts.headTimeoutMs, retries = DEFAULT_POLICY.retry.attempts, idempotent = false } = options
  const { detached = false } = options
  const timeoutMs = parseDuration(timeout)
  if (timeoutMs === undefined || timeoutMs === 0)
    problems.push(`execute.timeout: expected a duration above 0, at most 24 days, got ${String(timeout)}`)
  if (!(Number.isInteger(retries) && retries >= 0 && retries <= 10))
    problems.push(`execute.retries: expected an integer from 0 to 10, got ${String(retries)}`)
  if (typeof idempotent !== 'boolean') problems.push(`execute.idempotent: expected a boolean, got ${String(idempotent)}`)
  if (typeof detached !== 'boolean') problems.push(`execute.detached: expected a boolean, got ${String(detached)}`)
  if (problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
  // Checked here, and not where the breaker is made: one caller's mistake must not stay with the name.
  const breaker = options.circuitBreaker === false ? undefined : breakerSettings(options.circuitBreaker ?? {})
  return { timeoutMs: timeoutMs as number, retries, idempotent, detached, breaker }
}

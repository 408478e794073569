import { parseDuration } from '../core/duration.ts'
import { MeshError } from '../core/errors.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { CircuitBreakerOptions } from '../model/options.ts'
import type { BreakerSettings } from '../model/resources.ts'

/** What the mesh uses of an opossum breaker (8 and later), described by shape so that no opossum types are needed. */
export interface OpossumBreaker {
  readonly name: string
  readonly opened: boolean
  readonly halfOpen: boolean
  readonly closed: boolean
  readonly volumeThreshold: number
  readonly warmUp: boolean
  readonly stats: { readonly fires: number; readonly failures: number }
  readonly options: { readonly errorThresholdPercentage?: number }
  fire(...args: unknown[]): Promise<unknown>
  open(): void
  on(event: string, listener: (...args: never[]) => void): unknown
  emit(event: string, ...args: unknown[]): boolean
  shutdown(): void
}

type OpossumClass = new (action: (...args: never[]) => Promise<unknown>, options: object) => OpossumBreaker

/** Loads opossum at the first need and makes a breaker; its defaults are replaced by ours. */
export async function newOpossum(
  name: string,
  action: (...args: never[]) => Promise<unknown>,
  settings: BreakerSettings,
  countsNot: (error: unknown) => boolean,
): Promise<OpossumBreaker> {
  // @ts-expect-error opossum ships no types, and what is used of it is described above
  const { default: Opossum } = (await import('opossum')) as { default: OpossumClass }
  return new Opossum(action, {
    name,
    // The caller keeps the time: opossum's timeout neither stops the work nor knows of deadlines.
    timeout: false,
    errorThresholdPercentage: settings.failurePercent,
    resetTimeout: settings.openForMs,
    rollingCountTimeout: settings.windowMs,
    rollingCountBuckets: 10,
    volumeThreshold: settings.minRequests,
    // Percentiles keep every latency of the window and sort them on a failure: 9 ms at 100,000.
    rollingPercentilesEnabled: false,
    errorFilter: countsNot,
  })
}

/** A function behind a breaker; call {@link GuardedFunction.shutdown} when it is no longer needed. */
export interface GuardedFunction<Args extends unknown[], T> {
  (...args: Args): Promise<T>
  readonly state: 'closed' | 'open' | 'half-open'
  shutdown(): void
}

/**
 * Puts `fn` behind an opossum breaker, loaded at the first call. Defaults: opens above 50 % failures of at least 20 calls in
 * 10 s, for 5 s. While it is open calls reject with MeshError `MESH_CIRCUIT_OPEN`.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function circuitBreaker<Args extends unknown[], T>(
  fn: (...args: Args) => Promise<T>,
  options: CircuitBreakerOptions & { name?: string } = {},
): GuardedFunction<Args, T> {
  const { name = fn.name || 'circuit-breaker', ...rest } = options
  const settings = breakerSettings(rest)
  let breaker: OpossumBreaker | undefined
  let loading: Promise<OpossumBreaker> | undefined
  const guarded = async (...args: Args): Promise<T> => {
    loading ??= newOpossum(name, fn as never, settings, () => false)
    breaker ??= await loading
    try {
      return (await breaker.fire(...args)) as T
    } catch (error) {
      throw translateOpen(name, error)
    }
  }
  Object.defineProperty(guarded, 'state', { get: () => (breaker === undefined ? 'closed' : stateOf(breaker)) })
  return Object.assign(guarded, { shutdown: () => breaker?.shutdown() }) as GuardedFunction<Args, T>
}

/** opossum's state in our words. */
export function stateOf(breaker: OpossumBreaker): 'closed' | 'open' | 'half-open' {
  return breaker.opened ? 'open' : breaker.halfOpen ? 'half-open' : 'closed'
}

/** opossum's own refusal as a MeshError; any other error as it is. */
export function translateOpen(name: string, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'EOPENBREAKER' || code === 'ESHUTDOWN'
    ? new MeshError(code === 'ESHUTDOWN' ? 'MESH_CLOSED' : 'MESH_CIRCUIT_OPEN', {
        service: name,
        reason: code === 'ESHUTDOWN' ? 'the breaker was shut down' : 'the circuit is open',
        cause: error,
      })
    : error
}

/**
 * A gate from a team's own opossum breaker: while it is open calls are refused, and how calls end is counted in it. It
 * counts as opossum does (fires, failures, its threshold and volume); it does not run the breaker's action, cache,
 * semaphore or timeout.
 */
export function fromOpossum(breaker: OpossumBreaker): Gate {
  return new OpossumGate(breaker)
}

class OpossumGate implements Gate {
  readonly name: string
  private readonly breaker: OpossumBreaker
  private readonly refusal: Refusal
  private probing = false

  constructor(breaker: OpossumBreaker) {
    this.breaker = breaker
    this.name = `opossum:${breaker.name}`
    this.refusal = Object.freeze({ refused: true, code: 'MESH_CIRCUIT_OPEN', status: 503, reason: `the circuit ${breaker.name} is open` })
    breaker.on('close', () => {
      this.probing = false
    })
    breaker.on('open', () => {
      this.probing = false
    })
  }

  admit(): Permit | Refusal {
    const { breaker } = this
    if (breaker.opened || (breaker.halfOpen && this.probing)) {
      breaker.emit('reject', this.refusal)
      return this.refusal
    }
    const isProbe = breaker.halfOpen
    this.probing = isProbe
    return { settle: (outcome) => this.settle(outcome, isProbe) }
  }

  private settle(outcome: Outcome, isProbe: boolean): void {
    const { breaker } = this
    if (isProbe) this.probing = false
    // What was admitted before the breaker changed its state proves nothing about now.
    if (outcome.verdict === 'ignored' || breaker.opened || breaker.halfOpen !== isProbe) return
    breaker.emit('fire', [])
    if (!outcome.unavailable) {
      breaker.emit('success', undefined, outcome.latencyMs)
      return
    }
    breaker.emit('failure', new MeshError(outcome.code ?? 'MESH_RESET'), outcome.latencyMs, [])
    const { fires, failures } = breaker.stats
    const enough = fires >= breaker.volumeThreshold && !breaker.warmUp
    if (breaker.halfOpen || (enough && failures * 100 > (breaker.options.errorThresholdPercentage ?? 50) * fires)) breaker.open()
  }
}

/** Checks breaker options; what they leave out comes from the defaults. */
export function breakerSettings(options: CircuitBreakerOptions): BreakerSettings {
  const defaults = DEFAULT_POLICY.circuitBreaker
  const problems: string[] = []
  const duration = (key: 'window' | 'openFor', fallback: number): number => {
    const given = options[key]
    const ms = given === undefined ? fallback : parseDuration(given)
    if (ms === undefined || ms === 0)
      problems.push(`circuitBreaker.${key}: expected a duration above 0, at most 24 days, got ${String(given)}`)
    return ms ?? fallback
  }
  const { failurePercent = defaults.failurePercent, minRequests = defaults.minRequests } = options
  if (!(failurePercent >= 1 && failurePercent <= 100))
    problems.push(`circuitBreaker.failurePercent: expected a number from 1 to 100, got ${String(failurePercent)}`)
  if (!(Number.isInteger(minRequests) && minRequests >= 1))
    problems.push(`circuitBreaker.minRequests: expected an integer from 1, got ${String(minRequests)}`)
  const settings = {
    failurePercent,
    minRequests,
    windowMs: duration('window', defaults.windowMs),
    openForMs: duration('openFor', defaults.openForMs),
  }
  if (problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
  return settings
}

import { type Clock, systemClock } from '../core/clock.ts'
import { parseDuration } from '../core/duration.ts'
import { MeshError, meshErrorWithoutStack } from '../core/errors.ts'
import { FREE_PERMIT, type Gate, type Permit, type Refusal } from '../core/gate.ts'
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
  readonly enabled: boolean
  readonly volumeThreshold: number
  readonly warmUp: boolean
  readonly stats: { readonly fires: number; readonly failures: number }
  /** Every breaker has it, but `@types/opossum` does not say so. */
  readonly options?: { readonly errorThresholdPercentage?: number; readonly resetTimeout?: number }
  fire(...args: unknown[]): Promise<unknown>
  open(): void
  on(event: string, listener: (...args: never[]) => void): unknown
  emit(event: string, ...args: unknown[]): boolean
  shutdown(): void
}

type OpossumClass = new (action: (...args: never[]) => Promise<unknown>, options: object) => OpossumBreaker

/**
 * Loads opossum at the first need and makes a breaker; its defaults are replaced by ours.
 * @param countsNot is told the error and what was fired; what it names counts as a success, which is opossum's only way to ignore
 */
export async function newOpossum(
  name: string,
  action: (...args: never[]) => Promise<unknown>,
  settings: BreakerSettings,
  countsNot: (error: unknown, ...args: never[]) => boolean,
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
    // Nobody listens to snapshots, and each breaker would keep a second interval for them.
    enableSnapshots: false,
    errorFilter: countsNot,
  })
}

/** A function behind a breaker; call {@link GuardedFunction.shutdown} when it is no longer needed. */
export interface GuardedFunction<Args extends unknown[], T> {
  (...args: Args): Promise<T>
  readonly state: 'closed' | 'open' | 'half-open'
  /** Stops the breaker's timers; later calls reject with `MESH_CLOSED`. */
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
  let loading: Promise<OpossumBreaker> | undefined
  let breaker: OpossumBreaker | undefined
  let down = false
  const guarded = async (...args: Args): Promise<T> => {
    if (down) throw shutDownError(name)
    loading ??= newOpossum(
      name,
      (run: () => Promise<T>) => run(),
      settings,
      () => false,
    )
    breaker ??= await loading
    let started = false
    const run = async (): Promise<T> => {
      started = true
      return fn(...args)
    }
    try {
      return (await breaker.fire(run)) as T
    } catch (error) {
      // A breaker inside fn throws the same codes, and they are fn's own affair.
      throw started ? error : translateOpen(name, error)
    }
  }
  Object.defineProperty(guarded, 'state', { get: () => (breaker === undefined ? 'closed' : stateOf(breaker)) })
  const shutdown = (): void => {
    down = true
    if (breaker !== undefined) breaker.shutdown()
    else loading?.then((made) => made.shutdown()).catch(() => {})
  }
  return Object.assign(guarded, { shutdown }) as GuardedFunction<Args, T>
}

/** opossum's state in our words. */
export function stateOf(breaker: OpossumBreaker): 'closed' | 'open' | 'half-open' {
  return breaker.opened ? 'open' : breaker.halfOpen ? 'half-open' : 'closed'
}

/** opossum's own refusal as a MeshError; any other error as it is. Only for calls whose work was not started. */
export function translateOpen(name: string, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'ESHUTDOWN') return shutDownError(name, error)
  return code === 'EOPENBREAKER'
    ? new MeshError('MESH_CIRCUIT_OPEN', { service: name, reason: 'the circuit is open', cause: error })
    : error
}

function shutDownError(name: string, cause?: unknown): MeshError {
  return new MeshError('MESH_CLOSED', { service: name, reason: 'the breaker was shut down', cause })
}

/**
 * A gate from a team's own opossum breaker: while it is open calls are refused, and how calls end is counted in it. It
 * counts as opossum does (fires, failures, its threshold and volume); it does not run the breaker's action, fallback, cache,
 * semaphore or timeout. Its timers and its shutdown stay the team's; disabled or shut down, it lets every call pass.
 *
 * Half-open lends one probe, whether a call of ours or a `fire` of the team's; but opossum cannot be told of ours, so a `fire`
 * meanwhile is a second one. A probe that nobody settled is lent again after the breaker's `resetTimeout`.
 * @param time reads monotonic milliseconds; only asked in half-open
 */
export function fromOpossum(breaker: OpossumBreaker, time: Pick<Clock, 'now'> = systemClock): Gate {
  return new OpossumGate(breaker, time)
}

class OpossumGate implements Gate {
  readonly name: string
  private readonly breaker: OpossumBreaker
  private readonly time: Pick<Clock, 'now'>
  private readonly refusal: Refusal
  private current: OpossumPermit
  private probe: OpossumPermit | undefined = undefined

  constructor(breaker: OpossumBreaker, time: Pick<Clock, 'now'>) {
    this.breaker = breaker
    this.time = time
    this.name = `opossum:${breaker.name}`
    this.refusal = Object.freeze({ refused: true, code: 'MESH_CIRCUIT_OPEN', status: 503, reason: `the circuit ${breaker.name} is open` })
    this.current = new OpossumPermit(this, 0)
    const turned = (): void => {
      this.probe = undefined
      this.current = new OpossumPermit(this, 0)
    }
    breaker.on('open', turned)
    breaker.on('close', turned)
    breaker.on('fire', () => {
      if (breaker.halfOpen) this.probe ??= new OpossumPermit(this, time.now())
    })
  }

  admit(): Permit | Refusal {
    const { breaker } = this
    if (!breaker.enabled) return FREE_PERMIT
    if (breaker.closed) return this.current
    if (breaker.halfOpen) {
      const now = this.time.now()
      if (this.probe === undefined || now - this.probe.lentAt >= (breaker.options?.resetTimeout ?? 30_000)) {
        this.probe = new OpossumPermit(this, now)
        return this.probe
      }
    }
    breaker.emit('reject', this.refusal)
    return this.refusal
  }

  /** @internal What was admitted before the breaker last turned proves nothing about now. */
  settle(permit: OpossumPermit, outcome: Outcome): void {
    const { breaker } = this
    const isProbe = permit === this.probe
    if (isProbe) this.probe = undefined
    if (outcome.verdict === 'ignored' || !(isProbe ? breaker.halfOpen : permit === this.current && breaker.closed)) return
    breaker.emit('fire', [])
    this.probe = undefined
    if (!outcome.unavailable) {
      breaker.emit('success', undefined, outcome.latencyMs)
      return
    }
    breaker.emit('failure', meshErrorWithoutStack(outcome.code ?? 'MESH_RESET', {}), outcome.latencyMs, [])
    if (breaker.warmUp) return
    const { fires, failures } = breaker.stats
    const tooMany = failures * 100 > (breaker.options?.errorThresholdPercentage ?? 50) * fires
    if (isProbe || (fires >= breaker.volumeThreshold && tooMany)) breaker.open()
  }
}

/** Of all calls while the breaker stays closed, or of one probe. */
class OpossumPermit implements Permit {
  private readonly gate: OpossumGate
  readonly lentAt: number
  constructor(gate: OpossumGate, lentAt: number) {
    this.gate = gate
    this.lentAt = lentAt
  }
  settle(outcome: Outcome): void {
    this.gate.settle(this, outcome)
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

import type { Clock } from '../core/clock.ts'
import { type Duration, parseDuration } from '../core/duration.ts'
import { isMeshError, MeshError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { MeshEvents } from '../model/events.ts'
import type { CircuitBreakerOptions } from '../model/options.ts'
import { breakerSettings, newOpossum, type OpossumBreaker, stateOf, translateOpen } from './opossum.ts'

/** How `mesh.execute` runs a task. */
export interface ExecuteOptions {
  /** Bound of the whole execution, retries included. Default 15 s. */
  timeout?: Duration
  /** Says that a second run does no harm. Without it a failed task is not run again. Default false. */
  idempotent?: boolean
  /** Runs after the first, 0–10. Default 2. */
  retries?: number
  /** Ends the execution; counts against nobody. */
  signal?: AbortSignal
  /** The breaker of this name; the first execution of a name decides. `false`: none. */
  circuitBreaker?: CircuitBreakerOptions | false
}

/** What a task is given. */
export interface TaskContext {
  /** Aborts when the deadline passes or the caller leaves. Made when it is first read. */
  readonly signal: AbortSignal
  /** Number of this run, from 1. */
  readonly tries: number
}

export type Task<T> = (context: TaskContext) => T | PromiseLike<T>

/** What the executor needs from its mesh. */
export interface ExecutorHost {
  readonly clock: Clock
  readonly random: Random
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/** One execution under way: its deadline, its signal, and whether it is over. */
class Execution implements Pick<TaskContext, 'signal'> {
  tries = 0
  over = false
  /** Rejects when the deadline passes or the caller leaves. */
  readonly ended: Promise<never>
  private controller: AbortController | undefined = undefined
  private rejectEnded: (reason: unknown) => void = () => {}
  private reason: unknown = undefined

  constructor() {
    this.ended = new Promise<never>((_, reject) => {
      this.rejectEnded = reject
    })
    // Usually nobody listens any more when it comes.
    this.ended.catch(() => {})
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (this.over) this.controller.abort(this.reason)
    }
    return this.controller.signal
  }

  end(reason: unknown): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.controller?.abort(reason)
    this.rejectEnded(reason)
  }
}

/** Runs promise functions behind an opossum breaker per name, under one deadline, with p-retry after a first failure. */
export class Executor {
  private readonly host: ExecutorHost
  private readonly breakers = new Map<string, Promise<OpossumBreaker> | false>()
  private readonly running = new Set<Execution>()
  private closed = false

  constructor(host: ExecutorHost) {
    this.host = host
  }

  async run<T>(name: string, task: Task<T>, options: ExecuteOptions): Promise<T> {
    const { timeoutMs, retries } = checked(name, task, options)
    const execution = new Execution()
    const timer = this.host.clock.setTimer(
      () =>
        execution.end(new MeshError('MESH_DEADLINE', { service: name, tries: execution.tries, reason: `not done within ${timeoutMs} ms` })),
      timeoutMs,
    )
    const aborted = (): void => execution.end(options.signal?.reason)
    if (options.signal?.aborted === true) aborted()
    options.signal?.addEventListener('abort', aborted, { once: true })
    this.running.add(execution)
    try {
      const run = (): Promise<T> => this.tryAndRetry(execution, task, retries)
      const breaker = await this.breakerOf(name, options.circuitBreaker)
      return breaker === undefined ? await run() : ((await breaker.fire(run)) as T)
    } catch (error) {
      throw translateOpen(name, error)
    } finally {
      timer.cancel()
      options.signal?.removeEventListener('abort', aborted)
      this.running.delete(execution)
      execution.over = true
    }
  }

  /** State of every breaker that `run` has made. */
  async states(): Promise<Record<string, 'closed' | 'open' | 'half-open'>> {
    const states: Record<string, 'closed' | 'open' | 'half-open'> = {}
    for (const [name, made] of this.breakers) if (made !== false) states[name] = stateOf(await made)
    return states
  }

  /** Ends what runs and stops the breakers' timers. */
  close(): void {
    this.closed = true
    for (const execution of this.running) execution.end(new MeshError('MESH_CLOSED', { reason: 'the mesh was closed' }))
    for (const made of this.breakers.values()) if (made !== false) made.then((breaker) => breaker.shutdown()).catch(() => {})
  }

  private async tryAndRetry<T>(execution: Execution, task: Task<T>, retries: number): Promise<T> {
    try {
      return await this.once(execution, task)
    } catch (error) {
      if (execution.over || retries === 0) throw error
      return this.retry(execution, task, retries)
    }
  }

  /** Entered after a failure only: p-retry around a success would cost more than the mesh. */
  private async retry<T>(execution: Execution, task: Task<T>, retries: number): Promise<T> {
    const { backoffBaseMs, backoffMaxMs } = DEFAULT_POLICY.retry
    const { default: pRetry } = await import('p-retry')
    await Promise.race([this.sleep(this.host.random() * backoffBaseMs), execution.ended])
    return pRetry(() => this.once(execution, task), {
      retries: retries - 1,
      minTimeout: backoffBaseMs,
      maxTimeout: backoffMaxMs,
      randomize: true,
      signal: execution.signal,
      shouldRetry: () => !execution.over,
    })
  }

  /** One run, raced against the end of the execution; what a loser still throws is nobody's business. */
  private once<T>(execution: Execution, task: Task<T>): Promise<T> {
    const tries = ++execution.tries
    const context: TaskContext = {
      get signal() {
        return execution.signal
      },
      tries,
    }
    const result = execution.over ? execution.ended : new Promise<T>((resolve) => resolve(task(context)))
    result.catch(() => {})
    return Promise.race([result, execution.ended])
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.host.clock.setTimer(resolve, delayMs)
    })
  }

  private async breakerOf(name: string, options: CircuitBreakerOptions | false | undefined): Promise<OpossumBreaker | undefined> {
    if (options === false) return undefined
    let made = this.breakers.get(name)
    if (made === undefined) {
      made = this.makeBreaker(name, options ?? {})
      this.breakers.set(name, made)
    }
    return made === false ? undefined : made
  }

  private async makeBreaker(name: string, options: CircuitBreakerOptions): Promise<OpossumBreaker> {
    const settings = breakerSettings(options)
    let openedAt = 0
    const breaker: OpossumBreaker = await newOpossum(
      name,
      ((run: () => Promise<unknown>) => run()) as never,
      settings,
      (error) => !breaker.halfOpen && isCallersDoing(error),
    )
    breaker.on('open', () => {
      openedAt = this.host.clock.now()
      const { fires, failures } = breaker.stats
      this.host.emit('circuitOpened', {
        service: name,
        failurePercent: fires === 0 ? 100 : (failures * 100) / fires,
        requests: fires,
        openForMs: settings.openForMs,
      })
    })
    breaker.on('close', () => this.host.emit('circuitClosed', { service: name, afterMs: this.host.clock.now() - openedAt }))
    if (this.closed) breaker.shutdown()
    return breaker
  }
}

/**
 * Leaving is no failure. In half-open it is counted as one all the same: opossum takes a filtered error for a success, and
 * would close on a probe that proved nothing.
 */
function isCallersDoing(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'AbortError' || (isMeshError(error) && error.code === 'MESH_CLOSED')
}

function checked(name: unknown, task: unknown, options: ExecuteOptions): { timeoutMs: number; retries: number } {
  const problems: string[] = []
  if (typeof name !== 'string' || name === '') problems.push('execute: expected a name')
  if (typeof task !== 'function') problems.push('execute: expected a function')
  const { timeout = DEFAULT_POLICY.timeouts.headTimeoutMs, retries = DEFAULT_POLICY.retry.attempts, idempotent = false } = options
  const timeoutMs = parseDuration(timeout)
  if (timeoutMs === undefined || timeoutMs === 0)
    problems.push(`execute.timeout: expected a duration above 0, at most 24 days, got ${String(timeout)}`)
  if (!(Number.isInteger(retries) && retries >= 0 && retries <= 10))
    problems.push(`execute.retries: expected an integer from 0 to 10, got ${String(retries)}`)
  if (problems.length > 0) throw new MeshError('MESH_CONFIG', { reason: problems.join('\n') })
  return { timeoutMs: timeoutMs as number, retries: idempotent ? retries : 0 }
}

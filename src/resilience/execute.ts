import type { Call, Priority } from '../core/call.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { flagsOf, isMeshError, MeshError } from '../core/errors.ts'
import type { Gate, Permit } from '../core/gate.ts'
import { IGNORED, type Outcome } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'
import { NO_FLAGS } from '../core/response-flags.ts'
import type { ScopeMember } from '../core/scope.ts'
import { type CallSettings, NO_SETTINGS } from '../model/call-settings.ts'
import { DEFAULT_POLICY } from '../model/defaults.ts'
import type { MeshEvents } from '../model/events.ts'
import type { BreakerSettings } from '../model/resources.ts'
import { type ExecuteOptions, type ExecuteSettings, executeSettings } from './execute-options.ts'
import { newOpossum, type OpossumBreaker, stateOf, translateOpen } from './opossum.ts'
import { RetryBudget } from './retry-budget.ts'

/** What a task is given. */
export interface TaskContext {
  /** Aborts when the deadline passes or the caller leaves. Made when it is first read. */
  readonly signal: AbortSignal
  /** Number of this run, from 1. */
  readonly tries: number
}

/** A function that `mesh.execute` runs; one that throws at once is as good as one that rejects. */
export type Task<T> = (context: TaskContext) => T | PromiseLike<T>

/** What the executor needs from its mesh. */
export interface ExecutorHost {
  readonly clock: Clock
  readonly random: Random
  /** Asked in this order before the breaker, settled in the reverse one. Default none. */
  readonly gates?: readonly Gate[]
  /** The per-call options around this moment, and the request that came in. */
  readonly around?: CallSettings
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/** One execution under way: the call that gates see, its deadline, its signal, its runs. */
class Execution<T> implements Call, ScopeMember {
  readonly service: string
  readonly method = 'EXECUTE'
  readonly host: string
  readonly path = ''
  readonly idempotent: boolean
  readonly priority: Priority
  readonly hashKey = undefined
  readonly startedAt: number
  readonly deadline: number
  readonly moves = 0
  tries = 0
  /** @internal */ scopeBefore: ScopeMember | undefined = undefined
  /** @internal */ scopeAfter: ScopeMember | undefined = undefined
  over = false
  /** It ended for reasons that are nobody's fault. */
  ignored = false
  /** Rejects when the deadline passes or the caller leaves. */
  readonly ended: Promise<never>
  private readonly executor: ExecutorHost
  private readonly task: Task<T>
  private readonly retries: number
  private readonly budget: RetryBudget
  private controller: AbortController | undefined = undefined
  private rejectEnded: (reason: unknown) => void = () => {}
  private reason: unknown = undefined

  constructor(executor: ExecutorHost, name: string, task: Task<T>, settings: ExecuteSettings, budget: RetryBudget, around: CallSettings) {
    this.executor = executor
    this.service = name
    this.host = name
    this.task = task
    this.idempotent = settings.idempotent
    this.retries = settings.retries
    this.budget = budget
    this.startedAt = executor.clock.now()
    this.priority = around.priority
    this.deadline = Math.min(this.startedAt + settings.timeoutMs, settings.detached ? Number.POSITIVE_INFINITY : around.notAfter)
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

  header(): undefined {
    return undefined
  }

  hasTried(): boolean {
    return false
  }

  /** Whoever waits for it left; a reason named `TimeoutError` counts as a failure. */
  abort(reason: unknown): void {
    this.end(reason, (reason as { name?: unknown } | null)?.name !== 'TimeoutError')
  }

  end(reason: unknown, ignored: boolean): void {
    if (this.over) return
    this.over = true
    this.ignored = ignored
    this.reason = reason
    this.controller?.abort(reason)
    this.rejectEnded(reason)
  }

  async run(): Promise<T> {
    this.budget.deposit(this.executor.clock.now())
    try {
      return await this.once()
    } catch (error) {
      if (this.over || this.retries === 0 || !this.mayRepeat(error)) throw error
      return this.repeat(error)
    }
  }

  /** How it ended, for the permits of its gates. */
  outcome(failed: boolean, error: unknown): Outcome {
    if (this.ignored || this.tries === 0) return IGNORED
    const code = failed && isMeshError(error) ? error.code : undefined
    return {
      verdict: failed ? 'failure' : 'success',
      status: 0,
      kind: code === 'MESH_DEADLINE' ? 'timeout' : undefined,
      latencyMs: this.executor.clock.now() - this.startedAt,
      endpoint: undefined,
      unsent: false,
      unavailable: failed && (code === 'MESH_DEADLINE' || retryableOf(error) === true),
      code,
      retryAfterMs: undefined,
    }
  }

  /** One run, raced against the end of the execution; what a loser still throws is nobody's business. */
  private once(): Promise<T> {
    const execution = this
    const tries = ++this.tries
    const context: TaskContext = {
      get signal() {
        return execution.signal
      },
      tries,
    }
    const result = new Promise<T>((resolve) => resolve(this.task(context)))
    result.catch(() => {})
    return Promise.race([result, this.ended])
  }

  /**
   * Entered after a failure only: p-retry around a success would cost more than the mesh. The failure is handed to it as
   * its first attempt, and its own waits are 0, so that every wait is one of our clock.
   */
  private async repeat(first: unknown): Promise<T> {
    const { default: pRetry } = await import('p-retry')
    let last = first
    let handedOver = false
    const attempt = async (): Promise<T> => {
      if (!handedOver) {
        handedOver = true
        throw first
      }
      try {
        return await this.once()
      } catch (error) {
        last = error
        throw error
      }
    }
    const shouldRetry = ({ retriesConsumed }: { retriesConsumed: number }): Promise<boolean> => this.wait(last, retriesConsumed)
    try {
      return await pRetry(attempt, { retries: this.retries, minTimeout: 0, shouldRetry })
    } catch (error) {
      if (this.over) throw this.reason
      // p-retry puts a TypeError in the place of what is no Error.
      throw last instanceof Error ? error : last
    }
  }

  /** Waits for the next run's turn; false when there is none. */
  private async wait(error: unknown, resends: number): Promise<boolean> {
    const { clock, random } = this.executor
    const { backoffBaseMs, backoffMaxMs } = DEFAULT_POLICY.retry
    if (this.over || !this.mayRepeat(error)) return false
    const now = clock.now()
    const delayMs = random() * Math.min(backoffBaseMs * 2 ** resends, backoffMaxMs)
    if (now + delayMs >= this.deadline || !this.budget.withdraw(now)) return false
    const { service, tries } = this
    this.executor.emit('retry', {
      service,
      endpoint: undefined,
      tries,
      status: 0,
      kind: undefined,
      flags: NO_FLAGS,
      delayMs,
      movedOn: false,
    })
    let timer: Timer | undefined
    const slept = new Promise<void>((resolve) => {
      timer = clock.setTimer(resolve, delayMs)
    })
    try {
      await Promise.race([slept, this.ended])
    } finally {
      timer?.cancel()
    }
    return true
  }

  private mayRepeat(error: unknown): boolean {
    return retryableOf(error) ?? this.idempotent
  }
}

/** What belongs to one name: the budget of its retries, and the breaker once it is made. */
interface Named {
  readonly budget: RetryBudget
  breaker: Promise<OpossumBreaker> | undefined
  /** The breaker once it is there. */
  made: OpossumBreaker | undefined
  running: number
}

/** Runs promise functions behind gates and an opossum breaker per name, under one deadline, with p-retry after a first failure. */
export class Executor {
  private readonly host: ExecutorHost
  private readonly names = new Map<string, Named>()
  private readonly running = new Set<Execution<unknown>>()
  private closed = false
  /** Called when the last execution has ended. */
  private idle: () => void = () => {}

  constructor(host: ExecutorHost) {
    this.host = host
  }

  /** Runs `task`. Rejects with the task's own last error, or a MeshError: `MESH_CIRCUIT_OPEN`, `MESH_DEADLINE`, `MESH_CLOSED`, a gate's. */
  async run<T>(name: string, task: Task<T>, options: ExecuteOptions): Promise<T> {
    const settings = executeSettings(name, task, options)
    if (this.closed) throw closedError(name)
    const named = this.named(name)
    const { around = NO_SETTINGS } = this.host
    const execution = new Execution(this.host, name, task, settings, named.budget, around)
    const { signal } = options
    const scope = settings.detached || around.detached ? undefined : around.within
    const aborted = (): void => execution.abort(signal?.reason)
    const withinMs = execution.deadline - execution.startedAt
    const outOfTime = (): void => {
      const reason = withinMs > 0 ? `not done within ${Math.round(withinMs)} ms` : 'no time was left when it began'
      execution.end(new MeshError('MESH_DEADLINE', { service: name, tries: execution.tries, reason }), withinMs <= 0)
    }
    const timer = this.host.clock.setTimer(outOfTime, withinMs)
    if (withinMs <= 0) outOfTime()
    if (signal?.aborted === true) aborted()
    signal?.addEventListener('abort', aborted, { once: true })
    scope?.join(execution)
    this.running.add(execution)
    named.running++
    const permits: Permit[] = []
    let outcome: Outcome = IGNORED
    try {
      this.askGates(execution, permits)
      const breaker = settings.breaker === undefined ? undefined : await this.breakerOf(name, named, settings.breaker)
      // What is over before it began proves nothing: the breaker does not hear of it.
      const result = execution.over ? execution.ended : breaker === undefined ? execution.run() : (breaker.fire(execution) as Promise<T>)
      const value = await result
      outcome = execution.outcome(false, undefined)
      return value
    } catch (error) {
      outcome = execution.outcome(true, error)
      throw execution.tries === 0 ? translateOpen(name, error) : error
    } finally {
      timer.cancel()
      scope?.leave(execution)
      signal?.removeEventListener('abort', aborted)
      this.running.delete(execution)
      named.running--
      if (this.running.size === 0) this.idle()
      execution.over = true
      settleAll(permits, outcome)
    }
  }

  /** What runs under each name now, and the state of its breaker; `off` before its first execution, and without one. */
  stats(): Record<string, { running: number; breaker: 'closed' | 'open' | 'half-open' | 'off' }> {
    return Object.fromEntries(
      Array.from(this.names, ([name, { running, made }]) => [name, { running, breaker: made === undefined ? 'off' : stateOf(made) }]),
    )
  }

  /** Takes nothing new, waits for what runs, at most `timeoutMs`, then ends what is left and stops the breakers' timers. */
  async close(timeoutMs = 0): Promise<void> {
    this.closed = true
    if (this.running.size > 0 && timeoutMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.host.clock.setTimer(resolve, timeoutMs)
        this.idle = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    for (const execution of this.running) execution.end(closedError(execution.service), true)
    for (const { breaker } of this.names.values()) breaker?.then((made) => made.shutdown()).catch(() => {})
  }

  private named(name: string): Named {
    let named = this.names.get(name)
    if (named === undefined) {
      named = { budget: new RetryBudget(DEFAULT_POLICY.retry, this.host.clock.now()), breaker: undefined, made: undefined, running: 0 }
      this.names.set(name, named)
    }
    return named
  }

  /** A gate that throws is passed over: a defect in it must not stop the work. */
  private askGates(execution: Execution<unknown>, permits: Permit[]): void {
    for (const gate of this.host.gates ?? []) {
      let verdict: ReturnType<Gate['admit']>
      try {
        verdict = gate.admit(execution)
      } catch {
        continue
      }
      if (verdict.refused !== true) {
        permits.push(verdict)
        continue
      }
      const { code, reason, flags = flagsOf(code) } = verdict
      this.host.emit('refused', { service: execution.service, gate: gate.name, code, flags, reason })
      throw new MeshError(code, { service: execution.service, reason, flags, from: `${execution.service}/${gate.name}` })
    }
  }

  private breakerOf(name: string, named: Named, settings: BreakerSettings): Promise<OpossumBreaker> {
    named.breaker ??= this.makeBreaker(name, settings).then((made) => {
      named.made = made
      return made
    })
    return named.breaker
  }

  private async makeBreaker(name: string, settings: BreakerSettings): Promise<OpossumBreaker> {
    let openedAt = 0
    let probing = false
    // Leaving is no failure. In half-open it counts as one all the same: opossum takes a filtered error for a success, and
    // would close on a probe that proved nothing.
    const countsNot = (_: unknown, execution: Execution<unknown>): boolean => execution.ignored && !breaker.halfOpen
    const breaker: OpossumBreaker = await newOpossum(name, (execution: Execution<unknown>) => execution.run(), settings, countsNot)
    breaker.on('halfOpen', () => {
      probing = true
    })
    breaker.on('open', () => {
      openedAt = this.host.clock.now()
      const { fires, failures } = breaker.stats
      const failurePercent = probing || fires === 0 ? 100 : (failures * 100) / fires
      this.host.emit('circuitOpened', { service: name, failurePercent, requests: probing ? 1 : fires, openForMs: settings.openForMs })
      probing = false
    })
    breaker.on('close', () => {
      probing = false
      this.host.emit('circuitClosed', { service: name, afterMs: this.host.clock.now() - openedAt })
    })
    if (this.closed) breaker.shutdown()
    return breaker
  }
}

function settleAll(permits: readonly Permit[], outcome: Outcome): void {
  for (let index = permits.length - 1; index >= 0; index--) {
    try {
      ;(permits[index] as Permit).settle(outcome)
    } catch {
      // A defect of the gate; the others must still hear.
    }
  }
}

function closedError(name: string): MeshError {
  return new MeshError('MESH_CLOSED', { service: name, reason: 'the mesh was closed' })
}

/** What an error says about itself; undefined when it says nothing. */
function retryableOf(error: unknown): boolean | undefined {
  const retryable = (error as { retryable?: unknown } | null | undefined)?.retryable
  return typeof retryable === 'boolean' ? retryable : undefined
}

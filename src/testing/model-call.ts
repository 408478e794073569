import type { Balancer } from '../balancing/balancer.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Affinity, Call } from '../core/call.ts'
import { defaultClassifier, isUnavailableStatus } from '../core/classifier.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { MeshErrorCode } from '../core/errors.ts'
import type { Gate, Permit } from '../core/gate.ts'
import { type FailureKind, IGNORED, NO_ENDPOINT, type Outcome } from '../core/outcome.ts'
import { TryOutcome } from '../core/try-outcome.ts'
import type { Policy } from '../model/resources.ts'
import type { OutlierDetector } from '../resilience/outlier-detection.ts'
import type { RetryPolicy } from '../resilience/retry.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { ModelServer } from './model-server.ts'
import type { Reply } from './profiles.ts'

/** What a modelled call asks and tells: the policies of the service that it calls. */
export interface CalledService {
  readonly name: string
  readonly clock: Clock
  readonly policy: Policy
  readonly set: EndpointSet
  readonly balancer: Balancer
  readonly outlier: OutlierDetector
  /** Asked in this order, settled in the reverse one. */
  readonly gates: readonly Gate[]
  readonly budget: RetryBudget
  readonly retry: RetryPolicy
  /** Tries sent so far, of all calls. */
  tries: number
  serverOf(endpoint: Endpoint): ModelServer
}

/** How a modelled call differs from a `GET /` with the policy's own timeout. */
export interface ModelCallOptions {
  /** Default true. */
  readonly idempotent?: boolean
  /** Clock time; the policy's bound counts too. */
  readonly deadline?: number
  readonly hashKey?: string | undefined
}

/** How a modelled call ended. */
export interface CallEnd {
  /** Status of the answer that the caller got; 0 when he got an error. */
  readonly status: number
  readonly code: MeshErrorCode | undefined
  readonly latencyMs: number
  readonly tries: number
  /** It failed although it was tried again, or because nothing may be tried again any more. */
  readonly retried: boolean
}

/**
 * One logical call of a model. It asks the policies what a call of the engine asks them, in the same order, and tells them what that
 * tells them; only that no byte is sent. Where the two come apart the simulator lies, so a test runs both and compares.
 */
export class ModelCall implements Call {
  readonly service: string
  readonly method: string
  readonly host: string
  readonly path = '/'
  readonly idempotent: boolean
  readonly priority = 'normal'
  readonly hashKey: string | undefined
  readonly startedAt: number
  readonly deadline: number
  tries = 0
  moves = 0
  affinity: Affinity | undefined = undefined
  private readonly owner: CalledService
  private readonly done: (end: CallEnd) => void
  private readonly tried: Endpoint[] = []
  private readonly permits: Permit[] = []
  private current: TryOutcome | undefined = undefined
  private timer: Timer | undefined = undefined
  private noMore = false

  constructor(owner: CalledService, { idempotent = true, deadline, hashKey }: ModelCallOptions, done: (end: CallEnd) => void) {
    const { timeoutMs, headTimeoutMs } = owner.policy.timeouts
    this.owner = owner
    this.done = done
    this.service = owner.name
    this.host = owner.name
    this.method = idempotent ? 'GET' : 'POST'
    this.idempotent = idempotent
    this.hashKey = hashKey
    this.startedAt = owner.clock.now()
    this.deadline = Math.min(this.startedAt + (timeoutMs ?? headTimeoutMs), deadline ?? Number.POSITIVE_INFINITY)
  }

  get otherPrioritiesAfter(): number | false {
    return this.owner.policy.retry.otherPrioritiesAfter
  }

  header(): undefined {
    return undefined
  }

  hasTried(endpoint: Endpoint): boolean {
    return this.tried.includes(endpoint)
  }

  begin(): void {
    const { owner } = this
    if (this.deadline <= this.startedAt) {
      this.end(0, 'MESH_DEADLINE', IGNORED)
      return
    }
    for (const gate of owner.gates) {
      const answer = gate.admit(this)
      if (answer.refused === true) {
        this.noMore = answer.code === 'MESH_CIRCUIT_OPEN'
        this.end(0, answer.code, IGNORED)
        return
      }
      this.permits.push(answer)
    }
    owner.budget.deposit(this.startedAt)
    this.launch()
  }

  private launch(): void {
    const { owner } = this
    const now = owner.clock.now()
    owner.outlier.restoreDue(now)
    const endpoint = owner.set.pick(owner.balancer, this, now)
    if (endpoint === undefined) {
      this.end(0, 'MESH_NO_ENDPOINT', NO_ENDPOINT)
      return
    }
    this.tried.push(endpoint)
    this.tries++
    owner.tries++
    endpoint.tries++
    endpoint.inflight++
    const attempt = new TryOutcome(endpoint, now)
    // A model has sent it as soon as it begins.
    attempt.unsent = false
    this.current = attempt
    const until = Math.min(this.deadline, now + this.tryTimeout(now))
    this.timer = owner.clock.setTimer(() => this.outOfTime(attempt), until - now)
    const request = { deadline: until, idempotent: this.idempotent }
    owner.serverOf(endpoint).serve(request, (reply) => this.answered(attempt, reply))
  }

  /** As the engine has it. */
  private tryTimeout(now: number): number {
    const { retry, policy } = this.owner
    const resendsLeft = Math.max(0, policy.retry.attempts - (this.tries - 1 - this.moves))
    return retry.tryTimeoutMs(this.deadline - now, this.idempotent, resendsLeft)
  }

  private answered(attempt: TryOutcome, { status = 200, kind, retryAfterMs, retried = false }: Omit<Reply, 'latencyMs'>): void {
    if (attempt !== this.current) return
    this.timer?.cancel()
    attempt.latencyMs = this.owner.clock.now() - attempt.startedAt
    attempt.kind = kind
    attempt.status = kind === undefined ? status : 0
    attempt.retryAfterMs = retryAfterMs
    attempt.retried = retried
    attempt.unsent = kind === 'connect' || kind === 'tls'
    this.judge(attempt)
  }

  private outOfTime(attempt: TryOutcome): void {
    const now = this.owner.clock.now()
    attempt.kind = 'timeout'
    attempt.latencyMs = now - attempt.startedAt
    this.judge(attempt)
  }

  private judge(attempt: TryOutcome): void {
    const { owner } = this
    const { endpoint, kind, status } = attempt
    const now = owner.clock.now()
    this.current = undefined
    attempt.verdict = kind === undefined ? defaultClassifier.judgeStatus(status) : defaultClassifier.judgeFailure(kind)
    attempt.unavailable = kind === undefined ? isUnavailableStatus(status) : kind !== 'protocol'
    attempt.code = kind === undefined ? undefined : CODES[kind]
    if (kind === 'connect') endpoint.connectFailedAt = now
    if (attempt.verdict === 'success') owner.outlier.answered(endpoint, attempt.startedAt, now)
    endpoint.inflight--
    if (attempt.verdict === 'success') endpoint.successes++
    else endpoint.failures++
    owner.outlier.observe(endpoint, attempt, now, attempt.startedAt)
    owner.balancer.observe?.(endpoint, attempt, now)
    if (attempt.verdict === 'success' || !this.goesOn(attempt, now)) this.end(status, attempt.code, attempt)
  }

  private goesOn(attempt: TryOutcome, now: number): boolean {
    const { owner } = this
    const decision = owner.retry.next(this, attempt, {
      now,
      attempts: owner.policy.retry.attempts,
      hasUntried: owner.set.hasUntried(this),
      replayable: true,
    })
    if (!decision.again) {
      this.noMore = decision.why === 'budget'
      return false
    }
    if (decision.movedOn) this.moves++
    if (decision.delayMs > 0) owner.clock.setTimer(() => this.launch(), decision.delayMs)
    else this.launch()
    return true
  }

  private end(status: number, code: MeshErrorCode | undefined, outcome: Outcome): void {
    for (const permit of this.permits.reverse()) permit.settle(outcome)
    const retried = this.noMore || outcome.retried === true || (outcome.verdict === 'failure' && this.tries - this.moves > 1)
    this.done({ status, code, latencyMs: this.owner.clock.now() - this.startedAt, tries: this.tries, retried })
  }
}

const CODES: Readonly<Record<FailureKind, MeshErrorCode>> = {
  connect: 'MESH_CONNECT',
  reset: 'MESH_RESET',
  timeout: 'MESH_DEADLINE',
  protocol: 'MESH_PROTOCOL',
  tls: 'MESH_TLS',
  local: 'MESH_CONNECT',
  aborted: 'MESH_DEADLINE',
}

import type { Balancer } from '../balancing/balancer.ts'
import type { EndpointSet } from '../balancing/endpoint-set.ts'
import type { Affinity, Call } from '../core/call.ts'
import { defaultClassifier, isUnavailableStatus } from '../core/classifier.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { MeshErrorCode } from '../core/errors.ts'
import type { Gate, Permit } from '../core/gate.ts'
import { type FailureKind, IGNORED, NO_ENDPOINT, type Outcome, OVERDUE } from '../core/outcome.ts'
import type { Policy } from '../model/resources.ts'
import type { HedgePolicy } from '../resilience/hedge.ts'
import type { OutlierDetector } from '../resilience/outlier-detection.ts'
import type { RetryDecision, RetryPolicy } from '../resilience/retry.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { ModelServer } from './model-server.ts'
import { ModelTry } from './model-try.ts'
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
  readonly hedge: HedgePolicy | undefined
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
  private noMore = false
  /** The tries under way, the oldest first. */
  private alive: ModelTry[] = []
  private hedges = 0
  private pushedBack = false
  private hedgeTimer: Timer | undefined = undefined

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
    this.send(endpoint, now)
  }

  private send(endpoint: Endpoint, now: number): void {
    const { owner } = this
    this.tried.push(endpoint)
    this.tries++
    owner.tries++
    endpoint.tries++
    endpoint.inflight++
    const attempt = new ModelTry(endpoint, now, this.tries)
    // A model has sent it as soon as it begins.
    attempt.unsent = false
    this.alive.push(attempt)
    const until = Math.min(this.deadline, now + this.tryTimeout(now))
    attempt.dueAt = until
    attempt.timer = owner.clock.setTimer(() => this.outOfTime(attempt, until < this.deadline), until - now)
    if (this.idempotent) this.armHedge(owner.hedge?.delayMs(now))
    const request = { deadline: until, idempotent: this.idempotent }
    owner.serverOf(endpoint).serve(request, (reply) => this.answered(attempt, reply))
  }

  /** As the engine has it. */
  private tryTimeout(now: number): number {
    const { retry, policy } = this.owner
    const resendsLeft = Math.max(0, policy.retry.attempts - (this.tries - 1 - this.moves))
    return retry.tryTimeoutMs(this.deadline - now, this.idempotent, resendsLeft)
  }

  private armHedge(delayMs: number | undefined): void {
    const { owner } = this
    this.hedgeTimer?.cancel()
    const max = owner.hedge?.settings.max ?? 0
    this.hedgeTimer = delayMs === undefined || this.hedges >= max ? undefined : owner.clock.setTimer(() => this.sendHedge(), delayMs)
  }

  /** Asks another endpoint too, if the policy and its budgets allow it. */
  private sendHedge(): void {
    const { owner } = this
    const now = owner.clock.now()
    const endpoint = this.another(now)
    const context = {
      now,
      hedges: this.hedges,
      pushedBack: this.pushedBack,
      replayable: true,
      hasEndpoint: endpoint !== undefined,
      mayResend: true,
    }
    if (owner.hedge?.refusal(this, context) !== undefined || endpoint === undefined) return
    this.hedges++
    this.send(endpoint, now)
  }

  private another(now: number): Endpoint | undefined {
    const { owner } = this
    owner.outlier.restoreDue(now)
    return owner.set.pickBeside(owner.balancer, this, now)
  }

  private answered(attempt: ModelTry, { status = 200, kind, retryAfterMs, retried = false }: Omit<Reply, 'latencyMs'>): void {
    if (!this.alive.includes(attempt)) {
      if (attempt.outwaited) this.endWait(attempt, kind, kind === undefined ? status : 0)
      return
    }
    attempt.timer?.cancel()
    attempt.latencyMs = this.owner.clock.now() - attempt.startedAt
    attempt.kind = kind
    attempt.status = kind === undefined ? status : 0
    attempt.retryAfterMs = retryAfterMs
    attempt.retried = retried
    attempt.unsent = kind === 'connect' || kind === 'tls'
    this.judge(attempt)
  }

  /** @param goesOn the whole call has time left */
  private outOfTime(attempt: ModelTry, goesOn: boolean): void {
    const { owner } = this
    const now = owner.clock.now()
    if (goesOn && this.idempotent && owner.hedge?.settings.onTryTimeout === true) {
      this.goOnPastTimeout(attempt, now)
      return
    }
    attempt.kind = 'timeout'
    attempt.latencyMs = now - attempt.startedAt
    this.judge(attempt)
  }

  /** As the engine has it: the try may answer all the same, and the call is sent again beside it. */
  private goOnPastTimeout(attempt: ModelTry, now: number): void {
    attempt.late = true
    attempt.timer = this.owner.clock.setTimer(() => this.outOfTime(attempt, false), this.deadline - now)
    const endpoint = this.another(now)
    if (endpoint !== undefined && this.decide(OVERDUE, now).again) this.send(endpoint, now)
  }

  private judge(attempt: ModelTry): void {
    const { owner } = this
    const { endpoint, kind, status } = attempt
    const now = owner.clock.now()
    this.alive = this.alive.filter((each) => each !== attempt)
    attempt.verdict = kind === undefined ? defaultClassifier.judgeStatus(status) : defaultClassifier.judgeFailure(kind)
    attempt.unavailable = kind === undefined ? isUnavailableStatus(status) : kind !== 'protocol'
    attempt.code = kind === undefined ? undefined : CODES[kind]
    if (kind === 'connect') endpoint.connectFailedAt = now
    if (attempt.verdict === 'success') owner.outlier.answered(endpoint, attempt.startedAt, now)
    this.observe(attempt, now)
    if (attempt.verdict === 'success' && attempt.tryNumber === 1) owner.hedge?.took(attempt.latencyMs, now)
    const tooMany = status === 429 && this.alive.length > 0
    if ((attempt.verdict === 'success' && !tooMany) || !this.goesOn(attempt, now)) this.end(status, attempt.code, attempt)
  }

  private observe(attempt: ModelTry, now: number): void {
    const { owner } = this
    const { endpoint, verdict } = attempt
    endpoint.inflight--
    if (verdict === 'success') endpoint.successes++
    else if (verdict === 'failure') endpoint.failures++
    owner.outlier.observe(endpoint, attempt, now, attempt.startedAt)
    owner.balancer.observe?.(endpoint, attempt, now)
  }

  /** Another one answered first, or the call ended. How long this one was waited for is the least that it takes. */
  private lose(attempt: ModelTry, now: number): void {
    attempt.timer?.cancel()
    attempt.latencyMs = now - attempt.startedAt
    if (attempt.tryNumber === 1) this.owner.hedge?.took(attempt.latencyMs, now)
    attempt.verdict = attempt.late ? 'failure' : 'ignored'
    attempt.kind = attempt.late ? 'timeout' : 'aborted'
    const { owner } = this
    if (attempt.late || attempt.dueAt <= now || !owner.outlier.lost(attempt.endpoint)) {
      this.observe(attempt, now)
      return
    }
    owner.balancer.observe?.(attempt.endpoint, attempt, now)
    attempt.outwaited = true
    attempt.timer = owner.clock.setTimer(() => this.endWait(attempt, 'timeout', 0), attempt.dueAt - now)
  }

  /** As the engine has it: a try that had lost, and was waited for, has ended. */
  private endWait(attempt: ModelTry, kind: FailureKind | undefined, status: number): void {
    const { owner } = this
    const now = owner.clock.now()
    attempt.outwaited = false
    attempt.timer?.cancel()
    attempt.latencyMs = now - attempt.startedAt
    attempt.kind = kind
    attempt.status = status
    attempt.verdict = kind === undefined ? 'ignored' : 'failure'
    owner.outlier.outwaited(attempt.endpoint)
    this.observe(attempt, now)
  }

  private decide(outcome: Outcome, now: number): RetryDecision {
    const { owner } = this
    const { attempts } = owner.policy.retry
    return owner.retry.next(this, outcome, {
      now,
      attempts,
      hasUntried: owner.set.hasUntried(this),
      replayable: true,
      pushedBack: this.pushedBack,
    })
  }

  private goesOn(attempt: ModelTry, now: number): boolean {
    const { owner } = this
    if (this.alive.length > 0) {
      // An answer that no retry would follow is the call's; else it waits for the others, and may ask one more at once.
      const tooMany = attempt.status === 429
      if (attempt.kind === undefined && !tooMany && !owner.retry.covers(attempt)) return false
      this.hedgeTimer?.cancel()
      this.pushedBack ||= tooMany
      if (attempt.retryAfterMs === undefined) this.sendHedge()
      else this.armHedge(attempt.retryAfterMs)
      return true
    }
    const decision = this.decide(attempt, now)
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
    const now = this.owner.clock.now()
    this.hedgeTimer?.cancel()
    for (const attempt of this.alive.splice(0)) this.lose(attempt, now)
    for (const permit of this.permits.reverse()) permit.settle(outcome)
    const retried = this.noMore || outcome.retried === true || (outcome.verdict === 'failure' && this.tries - this.moves > 1)
    this.done({ status, code, latencyMs: now - this.startedAt, tries: this.tries, retried })
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

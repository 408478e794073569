import type { Affinity, Priority } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { flagsOf, type MeshErrorCode, type MeshErrorDetails, meshErrorWithoutStack } from '../core/errors.ts'
import type { Gate, Permit, Refusal } from '../core/gate.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Scope, ScopeMember } from '../core/scope.ts'
import { WheelEntry } from '../core/timer-wheel.ts'
import { flagsOfTry } from '../core/try-flags.ts'
import type { TryOutcome } from '../core/try-outcome.ts'
import { RETRIED_HEADER, type RequestContext } from '../model/request-context.ts'
import type { TimeoutSettings } from '../model/resources.ts'
import type { CallPolicy } from '../plan/call-policy.ts'
import type { Choice } from '../plan/choice.ts'
import type { ServiceCounters } from '../plan/service-counters.ts'
import type { ServicePlan } from '../plan/service-plan.ts'
import type { HedgePolicy, NoHedgeReason } from '../resilience/hedge.ts'
import { isIdempotentMethod, type RetryDecision } from '../resilience/retry.ts'
import type { Attempt } from './attempt.ts'
import type { CallSettings, Engine, Ruled, Target } from './engine.ts'
import type { DispatchOptions, RawHeaders } from './handler.ts'
import { hasRequestHeader, rawHeader, requestHeader, requestHeaderValues } from './headers.ts'
import { type AdmittedByGates, settlePermits } from './permits.ts'
import { Race } from './race.ts'
import { toldHeaders } from './told-headers.ts'

/**
 * The facts of one outbound call: what gates, balancers and the retry policy ask about, and how long everything may take. It sits in
 * the wheel of deadlines itself, so that a call is one object.
 */
export abstract class OutboundCall extends WheelEntry implements AdmittedByGates, ScopeMember {
  readonly service: string
  readonly method: string
  readonly host: string
  readonly path: string
  readonly idempotent: boolean
  readonly priority: Priority
  readonly hashKey: string | undefined
  readonly startedAt: number
  readonly deadline: number
  tries = 0
  moves = 0
  /** @internal */ scopeBefore: ScopeMember | undefined = undefined
  /** @internal */ scopeAfter: ScopeMember | undefined = undefined
  affinity: Affinity | undefined = undefined
  /** @internal What the gates gave; each is settled once. */
  permits: Permit | Permit[] | undefined = undefined
  protected readonly engine: Engine
  protected readonly plan: ServicePlan
  /** What it goes by: the policy that its service, or its rule, had when it began. */
  protected readonly policy: CallPolicy
  protected readonly counters: ServiceCounters
  /** The rule that sent it here, and what that one adds. */
  protected readonly ruled: Ruled | undefined
  /** Whom it chooses among. */
  protected readonly choice: Choice
  /** Its lane, where its service has some. */
  protected readonly colour: string | undefined
  protected readonly timeouts: TimeoutSettings
  /** Re-sends allowed after the first try. */
  protected readonly retries: number
  /** Undefined for a call that is never hedged. */
  protected readonly race: Race | undefined
  protected lastEndpoint: Endpoint | undefined = undefined
  /** The deadline holds to the last byte; otherwise only to the head. An event stream has no last byte to wait for. */
  protected boundToEnd: boolean
  /** The request that it ends with. */
  protected readonly scope: Scope | undefined
  /** The request that it is made beneath. */
  private readonly within: RequestContext | undefined
  private readonly requestHeaders: unknown
  private tried: Endpoint[] | undefined = undefined
  /** One of the re-sends that the limits count. */
  private resending = false
  /** The service said that it tried again itself. */
  private retriedBelow = false

  constructor(engine: Engine, { plan, choice, host, ruled, shadow }: Target, options: DispatchOptions, settings: CallSettings) {
    super()
    const policy = ruled === undefined ? plan.callPolicy : ruled.policy
    this.engine = engine
    this.requestHeaders = options.headers
    this.plan = plan
    this.policy = policy
    this.counters = shadow === undefined ? plan.counters : shadow.calls
    this.ruled = ruled
    this.choice = settings.metadata === undefined ? choice : choice.narrowed(settings.metadata)
    this.colour = plan.lanes === undefined ? undefined : colourOf(options.headers, plan.lanes.header, settings.within)
    this.within = settings.within
    this.scope = settings.detached ? undefined : settings.within
    this.timeouts = policy.timeouts
    this.service = plan.name
    this.method = options.method
    this.host = host
    this.path = options.path
    this.priority = settings.priority
    this.hashKey = settings.hashKey
    this.retries = settings.retries ?? policy.retrySettings.attempts
    this.idempotent = settings.idempotent ?? (isIdempotentMethod(options.method) || hasRequestHeader(options.headers, 'idempotency-key'))
    this.race = policy.hedge === undefined || shadow !== undefined ? undefined : this.raceOf(policy.hedge, options, settings)
    this.startedAt = engine.time.read()
    const bound = settings.timeoutMs ?? policy.timeouts.timeoutMs
    this.boundToEnd = bound !== undefined
    this.deadline = Math.min(this.startedAt + (bound ?? policy.timeouts.headTimeoutMs), settings.notAfter)
  }

  /** Ends the call before its time. */
  abstract abort(reason?: unknown): void

  /** It cannot be sent yet as it will be: what its service, or whom it chooses among, needs for that is not there. */
  get early(): boolean {
    return this.plan.resolving || this.choice.pending(this, this.colour)
  }

  /** Calls back once that is there, or will not come. */
  whenDue(then: () => void): void {
    this.plan.whenResolved(() => this.choice.whenSettled(this, this.colour, then))
  }

  /** Re-sends that this call has not used. */
  get resendsLeft(): number {
    return Math.max(0, this.retries - Math.max(0, this.tries - 1 - this.moves))
  }

  get otherPrioritiesAfter(): number | false {
    return this.policy.retrySettings.otherPrioritiesAfter
  }

  header(name: string): string | undefined {
    return requestHeader(this.requestHeaders, name)
  }

  headerValues(name: string): readonly string[] {
    return requestHeaderValues(this.requestHeaders, name)
  }

  /** Whether the limits allow one more re-send of this call. */
  protected get mayResend(): boolean {
    return this.resending || this.plan.protections.resends.room
  }

  hasTried(endpoint: Endpoint): boolean {
    return this.lastEndpoint === endpoint || this.tried?.includes(endpoint) === true
  }

  /** One more try goes to `endpoint`. */
  protected countTry(endpoint: Endpoint): void {
    if (this.lastEndpoint !== undefined) {
      if (this.tried === undefined) this.tried = [this.lastEndpoint]
      else this.tried.push(this.lastEndpoint)
    }
    this.lastEndpoint = endpoint
    this.tries++
    this.counters.tries++
    endpoint.tries++
    endpoint.inflight++
    this.plan.protections.connections.take(endpoint)
  }

  /** The one place where an endpoint hears how a try ended. */
  protected observe(attempt: TryOutcome, verdict: Outcome['verdict']): void {
    if (attempt.observed) return
    const { endpoint } = attempt
    attempt.observed = true
    attempt.verdict = verdict
    endpoint.inflight--
    if (verdict === 'success') endpoint.successes++
    else if (verdict === 'failure') endpoint.failures++
    const { now } = this.engine.time
    this.plan.outlier.observe(endpoint, attempt, now, attempt.startedAt)
    // Of an answer that succeeded the balancer heard when its head came.
    if (verdict !== 'success') this.plan.balancer.observe?.(endpoint, attempt, now)
  }

  /** An answer's head, for those who balance by what endpoints do and say. */
  protected heard(attempt: Attempt, verdict: Outcome['verdict'], raw: RawHeaders, now: number): void {
    const { endpoint } = attempt
    attempt.verdict = verdict
    if (verdict === 'success') this.plan.balancer.observe?.(endpoint, attempt, now)
    this.readLoad(endpoint, raw)
  }

  /** What an endpoint says of its load in headers or trailers. */
  protected readLoad(endpoint: Endpoint, raw: RawHeaders): void {
    const { loads } = this.plan.balancing
    if (loads === undefined || raw.length === 0) return
    loads.heard(endpoint, rawHeader(raw, 'endpoint-load-metrics'), rawHeader(raw, 'endpoint-load-metrics-bin'), this.engine.time.now)
  }

  /** The head of an answer: what it means, and what it says of the endpoint besides its status. */
  protected judge(attempt: Attempt, status: number, raw: RawHeaders, now: number): Outcome['verdict'] {
    const { plan, engine } = this
    const { endpoint, startedAt } = attempt
    const verdict = engine.classifier.judgeStatus(status)
    if (plan.health.active && rawHeader(raw, 'x-envoy-immediate-health-check-fail') !== undefined) plan.health.failAtOnce(endpoint)
    if (verdict === 'success') plan.outlier.answered(endpoint, startedAt, now)
    else if (rawHeader(raw, RETRIED_HEADER) !== undefined) this.noteRetried(attempt)
    this.heard(attempt, verdict, raw, now)
    return verdict
  }

  /** The call is over: whoever admitted it hears how it ended. */
  protected settle(outcome: Outcome): void {
    const { permits } = this
    this.permits = undefined
    if (permits !== undefined) settlePermits(permits, outcome, this.engine.report)
    if (!this.resending) return
    this.resending = false
    this.plan.protections.resends.inflight--
  }

  /** One more try comes, and `attempt` was the one before. */
  protected countAgain(attempt: Attempt, { movedOn, delayMs }: RetryDecision & { again: true }): void {
    if (movedOn) {
      this.moves++
      if (attempt.kind === 'reset') this.counters.transparent++
      else this.counters.movedOn++
    } else {
      this.counters.retries++
      if (!this.resending) this.plan.protections.resends.inflight++
      this.resending = true
    }
    const { service, tries } = this
    const { endpoint, status, kind } = attempt
    const flags = flagsOfTry(attempt)
    this.engine.emit('retry', { service, endpoint: endpoint.address, tries, status, kind, flags, delayMs, movedOn })
  }

  /** Another endpoint is asked too, after `attempt` was waited for. */
  protected countHedge({ endpoint }: Attempt, afterMs: number): void {
    this.counters.hedges++
    if (!this.resending) this.plan.protections.resends.inflight++
    this.resending = true
    this.engine.emit('hedge', { service: this.service, endpoint: endpoint.address, tries: this.tries, afterMs })
  }

  protected countNoHedge(why: NoHedgeReason): void {
    if (why === 'budget') this.counters.hedgesRefused++
    else if (why === 'limit') this.plan.protections.resends.refusals++
  }

  protected countNotAgain({ why }: RetryDecision & { again: false }): void {
    if (why === 'budget') this.counters.budgetExhausted++
    else if (why === 'limit') this.plan.protections.resends.refusals++
    else if (why === 'not-replayable') this.counters.notReplayable++
    else if (why === 'retried') this.counters.retriesSpared++
    if (why === 'budget' || why === 'limit') this.tellRetried()
    else this.tellIfResent()
  }

  /** It failed, and whoever answers the request beneath which it was made shall say that trying again was tried. */
  protected tellRetried(): void {
    // What nobody waits for says nothing about the request.
    if (this.scope !== undefined) this.within?.tellRetried()
  }

  /** An answer says so. */
  protected noteRetried(attempt: TryOutcome): void {
    attempt.retried = true
    this.retriedBelow = true
  }

  private tellIfResent(): void {
    if (this.retriedBelow || this.tries - this.moves > 1) this.tellRetried()
  }

  /** A gate said no: the error that the caller hears. */
  protected refusedBy({ gate, refusal }: { gate: Gate; refusal: Refusal }): Error {
    const { code, reason, retryAfterMs, flags = flagsOf(code) } = refusal
    const from = refusal.from ?? this.plan.gateFrom(gate)
    // The failures that opened it had been tried again.
    if (code === 'MESH_CIRCUIT_OPEN') this.tellRetried()
    this.engine.emit('refused', { service: this.service, gate: gate.name, code, flags, reason })
    return this.error(code, { reason, from, retryAfterMs, flags })
  }

  protected countEnd({ verdict }: Outcome): void {
    const { counters } = this
    counters.inflight--
    if (verdict === 'failure') {
      counters.failures++
      this.tellIfResent()
    } else if (verdict === 'success') counters.successes++
  }

  protected error(code: MeshErrorCode, details: MeshErrorDetails): Error {
    const { service, lastEndpoint, tries, plan, ruled } = this
    const section = DECIDED_BY[code]
    const from = section === undefined ? undefined : (this.policy.from(section) ?? plan.from('service'))
    const reason = ruled === undefined ? details.reason : `${details.reason} (by ${ruled.rule.title})`
    const place = this.engine.placeOf('from' in details ? details.from : from)
    return meshErrorWithoutStack(code, { service, endpoint: lastEndpoint?.address, tries, from, place, ...details, reason })
  }

  /** How long a try that starts now may take. */
  protected tryTimeout(now: number): number {
    return this.policy.retry.tryTimeoutMs(this.deadline - now, this.idempotent, this.resendsLeft)
  }

  /** The deadline was inherited from a request that nobody waits for any more. */
  protected noTimeLeft(): Error {
    return this.error('MESH_DEADLINE', { reason: 'no time was left when the call began', from: undefined })
  }

  /** What cannot be asked twice at once, and what its caller wants sent once, is not hedged. */
  private raceOf(hedge: HedgePolicy, { method, upgrade }: DispatchOptions, { retries }: CallSettings): Race | undefined {
    return !this.idempotent || retries === 0 || method === 'CONNECT' || upgrade != null ? undefined : new Race(hedge)
  }

  /** What the next hop is told of a try that may take `withinMs`; undefined where nobody wrote a bound, and nothing came in. */
  protected told(withinMs: number): readonly string[] | undefined {
    const { engine, within, priority, tries, moves } = this
    if (!engine.tells || (within === undefined && !this.boundToEnd && priority === 'normal')) return undefined
    const attempt = (within?.attempt ?? 1) + Math.max(0, tries - moves - 1)
    return toldHeaders(this.requestHeaders, { remainingMs: withinMs, attempt, priority, within, traced: engine.traced() })
  }

  /** When to look again at a body of which nothing came since `silentSince`. */
  protected streamWake(silentSince: number): number {
    const idle = silentSince + this.timeouts.idleTimeoutMs + TICK_SLACK_MS
    return this.boundToEnd ? Math.min(idle, this.deadline) : idle
  }
}

/** The lane of a call: its own, or that of the request beneath which it is made. */
function colourOf(headers: unknown, name: string, within: RequestContext | undefined): string | undefined {
  return requestHeader(headers, name) ?? within?.handedOn(name)
}

/** The part of the configuration that a failure of each kind goes back to. */
const DECIDED_BY: Partial<Record<MeshErrorCode, string>> = {
  MESH_NO_ENDPOINT: 'endpoints',
  MESH_CONNECT: 'endpoints',
  MESH_DEADLINE: 'timeouts',
  MESH_TLS: 'tls',
  MESH_NOT_REPLAYABLE: 'retry',
}

/** The time of the last byte is a tick old at worst; this keeps silence from being cut short. */
const TICK_SLACK_MS = 10

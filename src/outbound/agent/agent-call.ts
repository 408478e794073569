import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { isUnavailableStatus } from '../../core/classifier.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { MeshError, MeshErrorCode } from '../../core/errors.ts'
import { IGNORED, NO_ENDPOINT, type Outcome, TIMED_OUT, type Verdict } from '../../core/outcome.ts'
import { flagsFrom } from '../../core/response-flags.ts'
import { parseRetryAfter } from '../../core/retry-after.ts'
import { flagsOfTry } from '../../core/try-flags.ts'
import { TryOutcome } from '../../core/try-outcome.ts'
import { RETRIED_HEADER } from '../../model/request-context.ts'
import type { Connections } from '../connections.ts'
import type { CallSettings, Engine, Target } from '../engine.ts'
import { codeOf, kindOf, saidBy } from '../failure.ts'
import { OutboundCall } from '../outbound-call.ts'
import { askGates } from '../permits.ts'
import { type EndpointAgents, failRequest, leadsTo, REQUEST } from './endpoint-agents.ts'

/** Moves to further endpoints when no connection came about; as many as every other door makes. */
const MAX_MOVES = 3

/**
 * One request of node:http on its way through the mesh: gates, the choice of an endpoint, the next one where no connection comes about,
 * the deadline, and what its end says of the endpoint. The request and its answer belong to node:http, so nothing is sent twice.
 */
export class AgentCall extends OutboundCall {
  private readonly target: Target
  private readonly request: ClientRequest
  private readonly options: object
  private readonly agents: EndpointAgents
  private attempt: TryOutcome | undefined = undefined
  private over = false
  private response: IncomingMessage | undefined = undefined
  /** Bytes that had come over its socket when silence was last looked for. */
  private bytesSeen = -1

  constructor(engine: Engine, target: Target, request: ClientRequest, options: object, settings: CallSettings, agents: EndpointAgents) {
    const { method, path } = request
    super(engine, target, { method, path, headers: request.getHeaders() } as never, settings)
    this.target = target
    this.request = request
    this.options = options
    this.agents = agents
    const { counters } = this.plan
    counters.calls++
    counters.inflight++
    // In front of the request's own listeners: what they throw must not leave the call open.
    request.prependOnceListener('response', (response: IncomingMessage) => this.answered(response))
    request.prependOnceListener('error', (error: unknown) => this.failed(error))
    request.prependOnceListener('close', () => this.closed())
    request.once('socket', () => {
      if (this.attempt !== undefined) this.attempt.unsent = false
    })
    this.tell()
    this.scope?.join(this)
  }

  /** The mesh is not ready: waits, within the deadline. */
  wait(): void {
    if (!this.over) this.engine.time.set(this, this.deadline)
  }

  /** Asks the gates and sends the request to an endpoint; what the mesh waited for may have failed. */
  begin(error?: unknown): void {
    if (this.over) return
    if (error !== undefined) {
      this.fail(error, IGNORED, 'ignored')
      return
    }
    const { engine, plan, target } = this
    if (this.deadline <= this.startedAt) {
      this.fail(this.noTimeLeft(), IGNORED, 'ignored')
      return
    }
    const refused = askGates(plan.gates, this, engine.report)
    if (refused !== undefined) {
      this.fail(this.refusedBy(refused), IGNORED, 'ignored')
      return
    }
    if (target.wire.protocol === 'http2') {
      this.fail(this.error('MESH_PROTOCOL', { reason: NOT_HTTP1 }), IGNORED, 'ignored')
      return
    }
    const now = engine.time.read()
    plan.budget.deposit(now)
    const endpoint = target.gone ? undefined : this.choose(now)
    if (endpoint === undefined) {
      const removed = { why: { reason: 'the service was removed' }, outcome: NO_ENDPOINT }
      const { why, outcome } = target.gone ? removed : plan.noEndpoint(this, this.colour, this.choice)
      this.fail(this.error('MESH_NO_ENDPOINT', why), outcome, 'ignored')
      return
    }
    engine.time.set(this, this.deadline)
    this.agents.of(endpoint, target.wire).addRequest(this.request, { ...this.options, [REQUEST]: this })
  }

  /** Opens a socket for this call: to its endpoint, or to the next one where that cannot be reached. */
  open(connections: Connections, connected: (error: Error | null, socket: Duplex | null) => void): void {
    const { endpoint } = this.attempt as TryOutcome
    connections.connector(endpoint, this.target.wire)({}, (error, socket) => {
      // The request has heard its end already, and must not hear of another one.
      if (this.over) {
        socket?.destroy()
        return
      }
      if (socket !== null) {
        leadsTo(socket, endpoint)
        connected(null, socket)
        return
      }
      const now = this.engine.time.read()
      const moves = this.moves < MAX_MOVES && this.choice.hasUntried(this, this.colour)
      this.unreachable(error, now)
      const next = moves ? this.choose(now) : undefined
      if (next === undefined) {
        const kind = kindOf(error, true)
        connected(this.error(codeOf(kind), { reason: saidBy(error), cause: error, flags: flagsOfTry({ kind }) }), null)
        return
      }
      this.moves++
      this.plan.counters.movedOn++
      this.open(connections, connected)
    })
  }

  override onTime(now: number): void {
    if (this.response !== undefined && this.isHeard(this.response)) {
      this.engine.time.set(this, now + this.timeouts.idleTimeoutMs)
      return
    }
    const streaming = this.response !== undefined
    const reason = streaming
      ? `silent for ${this.timeouts.idleTimeoutMs} ms`
      : `no answer within ${Math.round(this.deadline - this.startedAt)} ms`
    const { attempt } = this
    if (attempt !== undefined) {
      attempt.kind = 'timeout'
      attempt.unavailable = true
      attempt.latencyMs = now - attempt.startedAt
    }
    const flags = flagsFrom(streaming ? 'SI' : 'UT')
    this.fail(this.error('MESH_DEADLINE', { reason, flags }), attempt === undefined ? TIMED_OUT : attempt, 'failure')
  }

  /** The mesh closes before the call has ended. */
  abort(reason: unknown): void {
    this.fail(reason, IGNORED, 'ignored')
  }

  /** Tells the next hop while the head of the request can still be changed: it was written already when it was given as a list. */
  private tell(): void {
    const { request } = this
    const told = request.headersSent ? undefined : this.told(this.deadline - this.startedAt)
    for (let at = 0; told !== undefined && at < told.length; at += 2) request.setHeader(told[at] as string, told[at + 1] as string)
  }

  private choose(now: number): Endpoint | undefined {
    this.plan.outlier.restoreDue(now)
    const endpoint = this.choice.pick(this, this.colour, now)
    if (endpoint === undefined) return undefined
    this.countTry(endpoint)
    this.attempt = new TryOutcome(endpoint, now)
    return endpoint
  }

  private unreachable(error: unknown, now: number): void {
    const attempt = this.attempt as TryOutcome
    attempt.kind = kindOf(error, true)
    attempt.latencyMs = now - attempt.startedAt
    const verdict = this.engine.classifier.judgeFailure(attempt.kind)
    attempt.unavailable = verdict === 'failure'
    if (attempt.kind === 'connect') this.plan.unreachable(attempt.endpoint, now)
    this.endTry(attempt, verdict)
  }

  private answered(response: IncomingMessage): void {
    const { attempt, engine } = this
    // Nobody listens: node:http would have thrown the body away, were it not for us.
    if (this.request.listenerCount('response') === 0) response.resume()
    if (attempt === undefined || this.over) return
    const now = engine.time.read()
    const { statusCode = 0, headers } = response
    attempt.status = statusCode
    attempt.latencyMs = now - attempt.startedAt
    attempt.unsent = false
    attempt.verdict = engine.classifier.judgeStatus(statusCode)
    attempt.unavailable = isUnavailableStatus(statusCode)
    attempt.retryAfterMs = parseRetryAfter(headers['retry-after'], engine.clock.wallTime())
    this.plan.counters.latency.add(now - this.startedAt, now)
    this.response = response
    if (attempt.verdict === 'failure' && headers[RETRIED_HEADER] !== undefined) {
      this.noteRetried(attempt)
      this.tellRetried()
    }
    engine.time.set(this, now + this.timeouts.idleTimeoutMs)
    if (attempt.verdict === 'success') this.plan.outlier.answered(attempt.endpoint, attempt.startedAt, now)
    response.once('close', () => this.answerClosed(attempt, response))
  }

  /** The last byte of the answer, or the end of its connection. */
  private answerClosed(attempt: TryOutcome, response: IncomingMessage): void {
    if (this.over) return
    // Who destroys his request gives no error to the answer; a connection that breaks does.
    if (!response.complete)
      attempt.kind = response.errored === null || isCallersOwn(response.errored, response.socket) ? 'aborted' : 'reset'
    this.endTry(attempt, attempt.kind === undefined ? attempt.verdict : this.engine.classifier.judgeFailure(attempt.kind))
    this.plan.counters.flags.add(flagsOfTry(attempt))
    this.end(attempt)
  }

  /** Whether bytes came since the last look, or could not come because nobody reads. */
  private isHeard(response: IncomingMessage): boolean {
    const { bytesRead } = response.socket
    const heard = bytesRead !== this.bytesSeen || isHeldUp(response) || response.readableLength >= response.readableHighWaterMark
    this.bytesSeen = bytesRead
    return heard
  }

  private failed(error: unknown): void {
    const { attempt } = this
    if (attempt === undefined || this.over || this.response !== undefined) return
    if (!attempt.observed) {
      attempt.kind = isCallersOwn(error, this.request.socket) ? 'aborted' : kindOf(error, attempt.unsent)
      attempt.latencyMs = this.engine.time.read() - attempt.startedAt
      const verdict = this.engine.classifier.judgeFailure(attempt.kind)
      attempt.unavailable = verdict === 'failure'
      this.endTry(attempt, verdict)
    }
    this.plan.counters.flags.add(flagsOfTry(attempt))
    this.end(attempt)
  }

  /** Over without an answer, and without an error that anybody was told. */
  private closed(): void {
    if (this.over || this.response !== undefined) return
    const { attempt } = this
    if (attempt !== undefined) {
      attempt.kind ??= 'aborted'
      this.endTry(attempt, 'ignored')
    }
    this.plan.counters.flags.add(flagsFrom('DC'))
    this.end(attempt ?? IGNORED)
  }

  private endTry(attempt: TryOutcome, verdict: Verdict): void {
    if (attempt.observed) return
    attempt.code = attempt.kind === undefined ? undefined : codeOf(attempt.kind)
    this.observe(attempt, verdict)
    this.plan.protections.connections.release(attempt.endpoint)
  }

  /** Ends the request with an error of the mesh. */
  private fail(error: unknown, outcome: Outcome, verdict: Verdict): void {
    if (this.over) return
    // The code of a DOMException is a number.
    const code = (error as { code?: MeshErrorCode } | null)?.code
    if (code?.startsWith?.('MESH_')) this.plan.counters.countError(error as MeshError)
    if (this.attempt !== undefined) this.endTry(this.attempt, verdict)
    this.end(outcome)
    failRequest(this.request, error)
  }

  private end(outcome: Outcome): void {
    if (this.over) return
    this.over = true
    this.engine.time.remove(this)
    this.scope?.leave(this)
    this.countEnd(outcome)
    this.settle(outcome)
  }
}

/** Its reader does not take what is there. Who reads by `readable`, as a loop over an answer does, never lets it flow. */
function isHeldUp(response: IncomingMessage): boolean {
  return response.listenerCount('readable') > 0 ? response.readableLength > 0 : response.isPaused()
}

const NOT_HTTP1 = 'node:http speaks HTTP/1.1, and the service speaks HTTP/2 only (protocol: http2)'

/** Whether the caller ended it himself, by `destroy()` or a signal: a connection that its peer closes speaks of the same hang-up. */
function isCallersOwn(error: unknown, socket: Socket | null): boolean {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  if (name === 'AbortError' || code === 'ABORT_ERR') return true
  return code === 'ECONNRESET' && socket?.readableEnded !== true && (socket?.errored ?? null) === null
}

import type { Endpoint } from '../core/endpoint.ts'
import { flagsOf } from '../core/errors.ts'
import { IGNORED, NO_ENDPOINT, type Outcome } from '../core/outcome.ts'
import { flagsFrom, type ResponseFlags, withFlag } from '../core/response-flags.ts'
import type { ConnectionWaiter } from '../resilience/connection-limit.ts'
import type { DrawnFault } from '../resilience/fault.ts'
import { AnsweringCall } from './answering-call.ts'
import type { Caller } from './caller.ts'
import type { CallSettings, Engine, Target } from './engine.ts'
import type { DispatchOptions } from './handler.ts'
import { answerError } from './own-answer.ts'
import { askGates } from './permits.ts'
import { replayBody } from './replay-body.ts'
import { leavesHttp } from './wire.ts'

/** A call on its way to a try: the gates, the faults that are put in its way, and its place in the line for a connection. */
export abstract class AdmittedCall extends AnsweringCall implements ConnectionWaiter {
  protected readonly target: Target
  protected readonly options: DispatchOptions

  constructor(engine: Engine, target: Target, options: DispatchOptions, settings: CallSettings, caller: Caller) {
    super(engine, target, options, settings, caller)
    this.target = target
    this.options = options
  }

  /** Tells the caller that it may abort from here on. */
  open(): void {
    const { counters } = this
    counters.calls++
    counters.inflight++
    try {
      // Before anything can go wrong: what breaks in a stream that nobody listens to ends the process.
      this.body = replayBody(this.options.body, this.engine.replayMemory)
      this.caller.start(this)
    } catch (error) {
      this.abort(error)
    }
    if (!this.over) this.scope?.join(this)
  }

  /** Asks the gates and sends the first try. */
  begin(): void {
    if (this.phase !== 'waiting') return
    if (this.deadline <= this.startedAt) {
      this.finishWithError(this.noTimeLeft(), IGNORED)
      return
    }
    if (this.target.wire.protocol === 'http2' && leavesHttp(this.options)) {
      const reason = 'an upgrade needs HTTP/1.1, and the service speaks HTTP/2 only (protocol: http2)'
      this.finishWithError(this.error('MESH_PROTOCOL', { reason }), IGNORED)
      return
    }
    const refused = askGates(this.plan.gates, this, this.engine.report)
    if (this.over) {
      this.settle(IGNORED)
      return
    }
    if (refused !== undefined) {
      this.finishWithError(this.refusedBy(refused), IGNORED)
      return
    }
    const fault = this.policy.fault?.draw(this)
    if (fault === undefined) this.start(this.engine.time.now)
    else this.suffer(fault)
  }

  /** The mesh is not ready: waits, within the deadline. */
  wait(): void {
    if (this.phase === 'waiting') this.engine.time.set(this, this.deadline)
  }

  /** Goes on after what the mesh waited for is there, or will not come. */
  beginOrFail(error: unknown): void {
    this.engine.time.read()
    if (error === undefined) this.begin()
    else if (this.phase === 'waiting') this.finishWithError(error, IGNORED)
  }

  /** Whether one of the free connections would do. Without any endpoint there is nothing to wait for either. */
  get ready(): boolean {
    return this.target.gone || this.choice.hasRoom(this, this.colour)
  }

  proceed(): void {
    const now = this.engine.time.read()
    this.plan.outlier.restoreDue(now)
    if (this.phase === 'queued') this.launchNow(now)
  }

  /** One more try, as soon as there is a connection for it. First try and re-send are the same. */
  protected launch(now: number): void {
    const { plan } = this
    plan.outlier.restoreDue(now)
    if (this.over) return
    if (plan.protections.connections.room) this.launchNow(now)
    else this.queue()
  }

  protected abstract sendTo(endpoint: Endpoint, now: number): void
  /** How the try before ended; IGNORED before the first. */
  protected abstract get lastOutcome(): Outcome

  protected override leaveQueue(): void {
    this.plan.protections.connections.leave(this)
  }

  private start(now: number): void {
    this.plan.budget.deposit(now)
    this.ruled?.mirror?.(this.options, this.body)
    this.launch(now)
  }

  private launchNow(now: number): void {
    const { plan, choice, colour } = this
    const { gone } = this.target
    const endpoint = gone ? undefined : choice.pick(this, colour, now)
    if (endpoint !== undefined) {
      this.sendTo(endpoint, now)
    } else if (gone || choice.usable(this, colour).length === 0 || choice.failsInPanic(this, colour)) {
      const renamed = { why: { reason: `${this.host} is no name of the service any more` }, outcome: NO_ENDPOINT }
      const { why, outcome } = gone && plan.present ? renamed : plan.noEndpoint(this, colour, choice)
      this.finishWithError(this.error('MESH_NO_ENDPOINT', why), outcome)
    } else if (plan.balancing.strands(this)) {
      const reason = "the endpoint of the call's session is gone or out of use, and the session is strict"
      this.finishWithError(this.error('MESH_NO_ENDPOINT', { reason }), NO_ENDPOINT)
    } else if (plan.balancing.binds(this)) {
      plan.protections.connections.endpointRefusals++
      this.overload("the endpoint of the call's session is full, and the session is strict")
    } else if (choice.isFull(this, colour)) {
      plan.protections.connections.endpointRefusals++
      this.overload(`limits.perEndpoint.maxRequests is reached at every endpoint: ${plan.protections.endpointMaxRequests} tries in flight`)
    } else {
      this.queue()
    }
  }

  private queue(): void {
    const { connections } = this.plan.protections
    if (connections.enqueue(this)) {
      this.phase = 'queued'
      this.engine.time.set(this, this.deadline)
    } else {
      this.overload(`limits.maxPending is reached: ${connections.pending} calls wait for a connection`)
    }
  }

  /** A limit of our own is no failure of the service: nobody is blamed for it, and nothing is sent again. */
  private overload(reason: string): void {
    const { service, plan, engine } = this
    engine.emit('refused', { service, gate: 'limits', code: 'MESH_OVERLOADED', flags: flagsOf('MESH_OVERLOADED'), reason })
    this.finishWithError(this.error('MESH_OVERLOADED', { reason, from: plan.from('limits') }), this.lastOutcome)
  }

  private suffer(fault: DrawnFault): void {
    const { engine, service } = this
    const { delayMs, status, code } = fault
    if (delayMs > 0) this.counters.delayed++
    engine.emit('faultInjected', { service, delayMs, status, code, flags: flagsOfFault(fault) })
    if (this.over) return
    if (delayMs === 0) {
      this.endBy(fault)
      return
    }
    this.phase = 'delayed'
    engine.time.set(this, this.deadline)
    this.pausing = engine.clock.setTimer(() => {
      this.pausing = undefined
      if (this.phase === 'delayed') this.endBy(fault)
    }, delayMs)
  }

  private endBy(fault: DrawnFault): void {
    const { status, code } = fault
    // Those of an error are counted with the error.
    if (code === undefined) this.counters.flags.add(flagsOfFault(fault))
    if (status === 0 && code === undefined) {
      this.start(this.engine.time.read())
      return
    }
    this.counters.aborted++
    if (code !== undefined) {
      this.finishWithError(
        this.error(code, { reason: 'an injected fault', from: this.policy.from('fault'), flags: flagsOfFault(fault) }),
        IGNORED,
      )
      return
    }
    const otherwise = (): void => this.answerWith({ status, headers: {}, body: INJECTED }, IGNORED)
    const error = answerError(this.service, status, `an injected fault answered ${status}`)
    if (!this.standIn({ error, code: undefined, status, outcome: IGNORED, otherwise })) otherwise()
  }
}

/** A delay, an end, or both. */
function flagsOfFault({ delayMs, status, code }: DrawnFault): ResponseFlags {
  if (status === 0 && code === undefined) return flagsFrom('DI')
  return delayMs > 0 ? withFlag(flagsFrom('DI'), 'FI') : flagsFrom('FI')
}

const INJECTED = 'injected by inmesh'

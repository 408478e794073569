import type { Clock } from '../core/clock.ts'
import { inboundFlagsOf } from '../core/errors.ts'
import type { Permit, Refusal } from '../core/gate.ts'
import { FREE_PERMIT } from '../core/gate.ts'
import { IGNORED, type Outcome } from '../core/outcome.ts'
import type { MeshEvents } from '../model/events.ts'
import type { InboundSettings } from '../model/inbound.ts'
import type { InboundGate } from '../model/inbound-call.ts'
import type { Principal } from '../model/principal.ts'
import { MALFORMED } from '../security/canonical/malformed.ts'
import { InboundCounters } from './inbound-counters.ts'
import type { InboundRequest, Judge } from './inbound-request.ts'
import { type Connection, Peers } from './peer.ts'
import { type Problem, problemOf } from './problem.ts'

/** Sheds load. It is asked before anything is made of a request, since under pressure already that is too dear. */
export interface Shed {
  readonly name: string
  /**
   * @param trusted whether the peer's word on its priority counts
   * @param at clock time
   */
  admitRaw(target: string, rawHeaders: readonly string[], trusted: boolean, at: number): Permit | Refusal
  /** Where it is its own permit: a request that it let in is over. How it went is then not told. */
  settle?(): void
}

/** The gates of the inbound side, by what they ask; in this order. */
export interface InboundGates {
  readonly shed: Shed | undefined
  readonly authenticate: readonly InboundGate[]
  readonly authorize: readonly InboundGate[]
  readonly limit: readonly InboundGate[]
  readonly fault: readonly InboundGate[]
  /** Those of the options. */
  readonly own: readonly InboundGate[]
}

/** What the guard is made of. */
export interface GuardParts {
  readonly service: string
  readonly clock: Clock
  readonly settings: InboundSettings
  readonly gates: InboundGates
  /** What clients may not send, since authentication writes it; lower case. */
  readonly strippedHeaders?: readonly string[]
  /** Who the peer of a connection proves to be; asked for each request, since a proof ends. */
  identify(connection: Connection): Principal | undefined
  /** Whether requests over a connection are taken only of those who proved who they are. */
  mustProve?(connection: Connection): boolean
  emit<Event extends keyof MeshEvents>(name: Event, payload: MeshEvents[Event]): void
  /** What a gate or a permit threw. */
  report(what: string, error: unknown): void
  /** Whether no request is taken any more. */
  readonly closed: boolean
  /** A request came in. True when it was answered, so that nothing follows; else `ended` follows exactly once. */
  began?(call: InboundRequest): boolean
  /** @param complete whether the client has the whole answer, or was told why it gets none */
  ended?(call: InboundRequest, complete: boolean): void
  /** The canonical view is there and no gate has been asked: the time to set `deadline` and `priority`. */
  opened?(call: InboundRequest): void
  /** No gate refused: why it is too late all the same. */
  late?(call: InboundRequest): Refusal | undefined
  /** Calls `call.pass()` within whatever the application shall inherit. Default: just so. */
  enter?(call: InboundRequest): void
  /** A server was put behind the guard. */
  serves?(server: object): void
}

const CLOSED: Refusal = Object.freeze({ refused: true, code: 'MESH_CLOSED', status: 503, reason: 'the mesh is closed' })
const UNPROVEN: Refusal = Object.freeze({
  refused: true,
  code: 'MESH_FORBIDDEN',
  status: 403,
  reason: 'inbound.tls.mode is strict, and the peer of this connection did not prove who it is',
})
const UNANSWERED: Refusal = Object.freeze({
  refused: true,
  code: 'MESH_DEADLINE',
  status: 504,
  reason: 'a gate did not answer in time',
})
const UNDECIDED: Refusal = Object.freeze({ refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'the decision failed' })
const DEFECT: Refusal = Object.freeze({ refused: true, code: 'MESH_CONFIG', status: 500, reason: 'a gate failed' })

/**
 * The inbound side's one place of decision: every way in makes an `InboundRequest` and hands it over here. It asks the gates in their
 * order, at once unless one answers later; whatever goes wrong in a gate refuses.
 */
export class Guard implements Judge {
  readonly service: string
  readonly settings: InboundSettings
  readonly peers: Peers
  readonly strippedHeaders: ReadonlySet<string> | undefined
  readonly clock: Clock
  private readonly parts: GuardParts
  private readonly gates: readonly InboundGate[]
  /** From this gate on a defect is no longer one of a decision about identity. */
  private readonly decided: number
  private readonly counters = new InboundCounters()

  constructor(parts: GuardParts) {
    const { authenticate, authorize, limit, fault, own } = parts.gates
    this.parts = parts
    this.service = parts.service
    this.settings = parts.settings
    this.clock = parts.clock
    const { strippedHeaders = [] } = parts
    this.strippedHeaders = strippedHeaders.length === 0 ? undefined : new Set(strippedHeaders)
    this.peers = new Peers(
      parts.settings.trustedProxies,
      (connection) => this.identify(connection),
      (connection) => parts.mustProve?.(connection) === true,
    )
    this.gates = [...authenticate, ...authorize, ...limit, ...fault, ...own]
    this.decided = authenticate.length + authorize.length
  }

  /** Decides about `call`, which then passes or answers; now, or when its gates have made up their minds. */
  take(call: InboundRequest): void {
    const { parts } = this
    if (this.begins(call)) return
    if (parts.closed) this.refuse(call, 'mesh', CLOSED)
    else if (call.peer.unproven) this.refuse(call, 'tls', UNPROVEN)
    else if (this.sheds(call) && this.read(call)) this.ask(call, 0)
  }

  ended(call: InboundRequest, status: number): void {
    if (call.state !== 'passed') return
    call.state = 'settled'
    this.end(call, status === 0 || call.permits === undefined ? IGNORED : this.outcomeOf(call, status), status !== 0)
  }

  failed(what: string, error: unknown): void {
    this.parts.report(what, error)
  }

  /** A server is behind this guard from now on. */
  serves(server: object): void {
    this.parts.serves?.(server)
  }

  /** What it refused. */
  stats(): ReturnType<InboundCounters['stats']> {
    return this.counters.stats()
  }

  private ask(call: InboundRequest, from: number): void {
    const { gates, parts } = this
    for (let at = from; at < gates.length; at++) if (!this.admits(call, at)) return
    const late = parts.late?.(call)
    if (late !== undefined) {
      this.refuse(call, 'deadline', late)
      return
    }
    call.state = 'passed'
    if (parts.enter === undefined) call.pass()
    else parts.enter(call)
  }

  /** Whether the call was answered by what stands before the gates. */
  private begins(call: InboundRequest): boolean {
    try {
      return this.parts.began?.(call) === true
    } catch (error) {
      this.parts.report('the beginning of a request', error)
      return false
    }
  }

  /** Whether there is room for the call at all. */
  private sheds(call: InboundRequest): boolean {
    const { shed } = this.parts.gates
    if (shed === undefined) return true
    try {
      const answer = shed.admitRaw(call.target, call.raw, call.peer.standing !== 'stranger', call.startedAt)
      // Its own permit needs no list, and no outcome has to be made for it.
      call.shed = answer === (shed as unknown) && shed.settle !== undefined
      return call.shed || this.heard(call, shed.name, answer)
    } catch (error) {
      this.fail(call, shed.name, error, DEFECT)
      return false
    }
  }

  /** Whether the call can be read in one way only, which is then what the application reads too. */
  private read(call: InboundRequest): boolean {
    let malformed: Refusal | undefined
    try {
      malformed = call.read() ?? call.writeBack()
      if (malformed === undefined) this.parts.opened?.(call)
    } catch (error) {
      this.parts.report('reading a request', error)
      malformed = MALFORMED.target
    }
    if (malformed !== undefined) this.refuse(call, 'canonical', malformed)
    return malformed === undefined
  }

  /** Whether gate `at` lets the call go on at once. */
  private admits(call: InboundRequest, at: number): boolean {
    const gate = this.gates[at] as InboundGate
    try {
      const answer = gate.admit(call)
      if (!('then' in answer)) return this.heard(call, gate.name, answer)
      this.wait(call, at, answer)
    } catch (error) {
      this.fail(call, gate.name, error, this.defectOf(at))
    }
    return false
  }

  /** Whether the call goes on after `answer`. */
  private heard(call: InboundRequest, gate: string, answer: Permit | Refusal): boolean {
    if (answer.refused === true) {
      this.refuse(call, gate, answer)
      return false
    }
    if (answer === FREE_PERMIT) return true
    if (typeof answer.settle !== 'function') throw new TypeError('a gate answers with a permit or a refusal')
    if (call.permits === undefined) call.permits = [answer]
    else call.permits.push(answer)
    const { answerHeaders } = answer
    if (answerHeaders !== undefined && answerHeaders.length > 0)
      call.answerHeaders = call.answerHeaders === undefined ? answerHeaders : [...call.answerHeaders, ...answerHeaders]
    return true
  }

  private wait(call: InboundRequest, at: number, answer: PromiseLike<Permit | Refusal>): void {
    const { name } = this.gates[at] as InboundGate
    const patienceMs = Math.min(call.deadline - this.clock.now(), PATIENCE_MS)
    if (call.patience === undefined) call.whenGone(() => this.left(call))
    call.patience = this.clock.setTimer(() => this.refuse(call, name, UNANSWERED), patienceMs)
    // A thenable of somebody else may call back twice, or at once; a promise does neither.
    Promise.resolve(answer)
      .then((verdict) => {
        if (call.state === 'asking') return this.heard(call, name, verdict)
        // Whoever it was for has left, or was told that it takes too long.
        if (verdict.refused !== true) this.settle([verdict], IGNORED)
        return false
      })
      .catch((error: unknown) => {
        if (call.state === 'asking') this.fail(call, name, error, this.defectOf(at))
        else this.parts.report(`inbound gate ${name}`, error)
        return false
      })
      .then((goesOn) => {
        if (!goesOn) return
        call.patience?.cancel()
        call.resumedAt = this.clock.now()
        // Nobody is there to be answered, and the application hears nothing of it.
        if (call.gone) this.finish(call)
        else if (this.parts.closed) this.refuse(call, 'mesh', CLOSED)
        else this.ask(call, at + 1)
      })
  }

  /** The client did not wait for the gates. */
  private left(call: InboundRequest): void {
    if (call.state === 'asking') this.finish(call)
  }

  /** What a gate's failure means: who decides about identity, and cannot, has not allowed anything. */
  private defectOf(at: number): Refusal {
    return at < this.decided ? UNDECIDED : DEFECT
  }

  private fail(call: InboundRequest, gate: string, error: unknown, refusal: Refusal): void {
    this.parts.report(`inbound gate ${gate}`, error)
    this.refuse(call, gate, refusal)
  }

  private refuse(call: InboundRequest, gate: string, refusal: Refusal): void {
    const { service } = this
    this.finish(call)
    const { code, reason, flags = inboundFlagsOf(code) } = refusal
    this.counters.refused(gate, code, flags)
    this.parts.emit('refused', { service, gate, code, flags, reason })
    if (call.gone) return
    try {
      call.answer(this.problemOf(refusal, call))
    } catch (error) {
      this.parts.report('the answer to a refused request', error)
    }
  }

  /** Who refuses something that no answer can say has refused all the same. */
  private problemOf(refusal: Refusal, call: InboundRequest): Problem {
    try {
      return problemOf(refusal, call)
    } catch (error) {
      this.parts.report('a refusal', error)
      return problemOf(DEFECT, call)
    }
  }

  private finish(call: InboundRequest): void {
    call.state = 'refused'
    call.patience?.cancel()
    this.end(call, IGNORED, true)
  }

  private end(call: InboundRequest, outcome: Outcome, complete: boolean): void {
    if (call.permits !== undefined) this.settle(call.permits, outcome)
    if (call.shed) this.settleShed()
    this.parts.ended?.(call, complete)
  }

  private settleShed(): void {
    try {
      this.parts.gates.shed?.settle?.()
    } catch (error) {
      this.parts.report('permit', error)
    }
  }

  private settle(permits: readonly Permit[], outcome: Outcome): void {
    for (let at = permits.length - 1; at >= 0; at--) {
      try {
        const returned: unknown = (permits[at] as Permit).settle(outcome)
        if (returned instanceof Promise) returned.catch((error: unknown) => this.parts.report('permit', error))
      } catch (error) {
        this.parts.report('permit', error)
      }
    }
  }

  private outcomeOf(call: InboundRequest, status: number): Outcome {
    return {
      verdict: status >= 500 ? 'failure' : 'success',
      status,
      kind: undefined,
      latencyMs: this.clock.now() - call.startedAt,
      endpoint: undefined,
      unsent: false,
      unavailable: status === 502 || status === 503 || status === 504,
      code: undefined,
      retryAfterMs: undefined,
    }
  }

  private identify(connection: Connection): Principal | undefined {
    try {
      return this.parts.identify(connection)
    } catch (error) {
      this.parts.report('identity of a peer', error)
      return undefined
    }
  }
}

/** For how long a gate may keep a request waiting whose client did not say how long it waits. */
const PATIENCE_MS = 15_000

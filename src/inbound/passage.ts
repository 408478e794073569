import type { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Refusal } from '../core/gate.ts'
import type { CallSettings } from '../model/call-settings.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import type { HealthPathSettings } from '../model/readiness.ts'
import type { RequestContext } from '../model/request-context.ts'
import { type GrpcHealthService, isHealthPath } from './grpc-health-service.ts'
import { type HealthAnswer, type HealthAnswersHost, LIVE, readinessAnswer } from './health-answers.ts'
import type { ReadableCall, RequestContexts } from './request-contexts.ts'
import type { Answering, Servers } from './servers.ts'

/** A request as the guard carries it, as far as what is around it concerns it. */
export interface PassingCall extends ReadableCall, Answering {
  context: RequestContext | undefined
  /** The request target as it came. */
  readonly target: string
  /** Of HTTP/2. */
  readonly http2: ServerHttp2Stream | undefined
  /** The connection that it wants for itself. */
  readonly wanted: Duplex | undefined
  /** Hands the request to the application. */
  pass(): void
  answer(answer: HealthAnswer): void
}

/** What a passage stands on. */
export interface PassageOptions {
  readonly servers: Servers
  /** Undefined: nothing flows from requests to the calls beneath them. */
  readonly contexts: RequestContexts | undefined
  readonly paths: HealthPathSettings
  readonly health: HealthAnswersHost
  readonly grpc: GrpcHealthService
  /** Whether the peer may know what is missing here. */
  isPeer(call: InboundCall): boolean
  storage(): AsyncLocalStorage<CallSettings>
  now(): number
}

const LATE: Refusal = Object.freeze({
  refused: true,
  code: 'MESH_DEADLINE',
  status: 504,
  reason: 'nobody waits for the answer of this request any more',
})

/** What happens to a request besides being judged: it is counted, it may be a question about health, and calls beneath it inherit. */
export class Passage {
  private readonly options: PassageOptions

  constructor(options: PassageOptions) {
    this.options = options
  }

  /** The head is there, and nothing was asked of it. True when it was answered. */
  began(call: PassingCall): boolean {
    const { servers } = this.options
    const session = call.http2?.session
    if (session !== undefined) servers.addSession(session)
    if (this.answersHealth(call)) return true
    // It is not begun, since nobody could hear how it ends; who sent it learns from the answer before it that he may send it again.
    if (!servers.began(call)) return true
    this.options.contexts?.read(call)
    return false
  }

  /** Everybody let it pass: the last moment to find that it is too late. */
  late(call: PassingCall): Refusal | undefined {
    return call.deadline !== Number.POSITIVE_INFINITY && call.deadline <= this.options.now() ? LATE : undefined
  }

  /** Hands it to the application, beneath its context. */
  enter(call: PassingCall): void {
    const { contexts, servers, storage } = this.options
    if (call.wanted !== undefined) servers.addUpgraded(call.wanted)
    if (contexts === undefined) {
      call.pass()
      return
    }
    call.context = contexts.of(call)
    storage().run(call.context, passOn, call)
  }

  /** It is over. @param complete whether its client has the whole answer, or was told why it gets none */
  ended(call: PassingCall, complete: boolean): void {
    const { context } = call
    this.options.servers.ended(call)
    if (context === undefined) return
    context.signal?.stop()
    if (!complete) context.cancel(new DOMException('the client left before it had its answer', 'AbortError'))
  }

  /** Before any gate, since nobody who asks for health proves who he is. Only the plain spelling counts. */
  private answersHealth(call: PassingCall): boolean {
    const { paths, health, grpc } = this.options
    const { target, http2 } = call
    if (paths.grpc && http2 !== undefined && isHealthPath(target)) {
      grpc.answer(http2, target, call.header('content-type'))
      return true
    }
    if (target !== paths.liveness && target !== paths.readiness) return false
    call.answer(target === paths.liveness ? LIVE : readinessAnswer(health, this.options.isPeer(call)))
    return true
  }
}

function passOn(call: PassingCall): void {
  call.pass()
}

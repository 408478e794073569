import type { Clock, Timer } from '../core/clock.ts'
import { meshErrorWithoutStack } from '../core/errors.ts'
import type { ScopeMember } from '../core/scope.ts'
import type { CurrentRequest } from '../model/context-options.ts'
import type { RequestContext } from '../model/request-context.ts'

/** What the application is told of the request around it. */
export class RequestFacts implements CurrentRequest {
  private readonly context: RequestContext
  private readonly clock: Clock

  constructor(context: RequestContext, clock: Clock) {
    this.context = context
    this.clock = clock
  }

  get remainingMs(): number {
    return Math.max(0, this.context.notAfter - this.clock.now())
  }
  get priority(): CurrentRequest['priority'] {
    return this.context.priority
  }
  get attempt(): number {
    return this.context.attempt
  }
  get traceId(): string {
    return this.context.trace.traceId
  }
  get sampled(): boolean {
    return this.context.trace.sampled
  }
  get peer(): string | undefined {
    return this.context.call.principal?.id
  }
  get onBehalfOf(): string | undefined {
    return this.context.call.requestPrincipal?.id
  }
  get signal(): AbortSignal {
    this.context.signal ??= new RequestSignal(this.context, this.clock)
    return (this.context.signal as RequestSignal).controller.signal
  }
}

/** The signal of one request, for work that the mesh does not carry itself. */
class RequestSignal implements ScopeMember {
  /** @internal */ scopeBefore: ScopeMember | undefined = undefined
  /** @internal */ scopeAfter: ScopeMember | undefined = undefined
  readonly controller = new AbortController()
  private readonly timer: Timer | undefined

  constructor(context: RequestContext, clock: Clock) {
    this.timer = context.notAfter === Number.POSITIVE_INFINITY ? undefined : clock.setTimer(this.late, context.notAfter - clock.now())
    this.timer?.unref()
    context.join(this)
  }

  abort(reason: unknown): void {
    this.stop()
    this.controller.abort(reason)
  }

  /** The request is over: its deadline concerns nobody any more. */
  stop(): void {
    this.timer?.cancel()
  }

  private readonly late = (): void => {
    this.controller.abort(meshErrorWithoutStack('MESH_DEADLINE', { reason: 'nobody waits for the answer of this request any more' }))
  }
}

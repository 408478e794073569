import type { Priority } from '../core/call.ts'
import type { Random } from '../core/random.ts'
import { parseExpectedTimeout, parseGrpcTimeout } from '../core/told-timeout.ts'
import type { ContextSettings } from '../model/context-options.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import { PRIORITY_HEADER, RequestContext } from '../model/request-context.ts'

/** What is needed to make something of the headers of a request. */
export interface RequestContextsOptions {
  readonly settings: ContextSettings
  readonly random: Random
  /** Whether the peer proved who he is, or is one of `inbound.trustedProxies`. */
  isPeer(call: InboundCall): boolean
}

/** A call whose facts are still being gathered. */
export type ReadableCall = InboundCall & { deadline: number; priority: Priority; attempt: number; sayRetried?(): void }

/** Makes of every request that comes in what the calls beneath it go by. */
export class RequestContexts {
  private readonly options: RequestContextsOptions

  constructor(options: RequestContextsOptions) {
    this.options = options
  }

  /**
   * Writes down in `call` how long it may take, how much it matters and how often it was tried, as its headers say. Before anybody else
   * looks: the guard takes from strangers what only the mesh may say, and here they may be believed.
   */
  read(call: ReadableCall): void {
    if (!this.trusts(call)) return
    call.deadline = Math.min(call.deadline, toldDeadline(call))
    call.priority = toldPriority(call)
    call.attempt = toldAttempt(call)
  }

  /** What the calls beneath `call` inherit. */
  of(call: ReadableCall): RequestContext {
    const { settings, random } = this.options
    return new RequestContext(call, this.trusts(call), settings, random)
  }

  /**
   * Whether what the headers say of time, priority and trace is believed. A stranger must neither push his requests before others nor
   * write into our traces.
   */
  trusts(call: InboundCall): boolean {
    const { trust } = this.options.settings
    if (trust !== 'mesh') return trust === 'anyone'
    return this.options.isPeer(call)
  }
}

/** Clock time after which the peer waits no longer; the nearer one where it says so twice. */
function toldDeadline(call: InboundCall): number {
  const expected = parseExpectedTimeout(call.header('x-envoy-expected-rq-timeout-ms'))
  const grpc = parseGrpcTimeout(call.header('grpc-timeout'))
  return call.startedAt + Math.min(expected ?? Number.POSITIVE_INFINITY, grpc ?? Number.POSITIVE_INFINITY)
}

/** The number in `x-envoy-attempt-count`, 1 when it is unusable. */
function toldAttempt(call: InboundCall): number {
  const written = call.header('x-envoy-attempt-count')
  return written !== undefined && /^[1-9]\d{0,3}$/.test(written) ? Number(written) : 1
}

function toldPriority(call: InboundCall): Priority {
  const written = call.header(PRIORITY_HEADER)
  return written === 'low' || written === 'high' ? written : 'normal'
}

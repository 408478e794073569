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
  /** Whether the peer at this address is one of `inbound.trustedProxies`. */
  isProxy(address: string): boolean
}

/** Makes of every request that comes in what the calls beneath it go by. */
export class RequestContexts {
  private readonly options: RequestContextsOptions

  constructor(options: RequestContextsOptions) {
    this.options = options
  }

  /** `arrivedAt`: clock time at which the head of the request was there. */
  of(call: InboundCall, arrivedAt: number): RequestContext {
    const { settings, random } = this.options
    const trusted = this.trusts(call)
    const told = {
      trusted,
      deadline: trusted ? toldDeadline(call, arrivedAt) : Number.POSITIVE_INFINITY,
      priority: trusted ? toldPriority(call) : 'normal',
    } as const
    return new RequestContext(call, told, settings, random)
  }

  /**
   * Whether what the headers say of time, priority and trace is believed. A stranger must neither push his requests before others nor
   * write into our traces.
   */
  trusts(call: InboundCall): boolean {
    const { trust } = this.options.settings
    if (trust !== 'mesh') return trust === 'anyone'
    return call.principal !== undefined || this.options.isProxy(call.peerAddress)
  }
}

/** Clock time after which the peer waits no longer; the nearer one where it says so twice. */
function toldDeadline(call: InboundCall, arrivedAt: number): number {
  const expected = parseExpectedTimeout(call.header('x-envoy-expected-rq-timeout-ms'))
  const grpc = parseGrpcTimeout(call.header('grpc-timeout'))
  return arrivedAt + Math.min(expected ?? Number.POSITIVE_INFINITY, grpc ?? Number.POSITIVE_INFINITY)
}

function toldPriority(call: InboundCall): Priority {
  const written = call.header(PRIORITY_HEADER)
  return written === 'low' || written === 'high' ? written : 'normal'
}

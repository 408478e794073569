import type { ParsedOptions } from '../config/mesh-options.ts'
import { GrpcHealthService } from '../inbound/grpc-health-service.ts'
import { type HealthHandler, healthHandlers } from '../inbound/health-answers.ts'
import type { AnyRequest } from '../inbound/http-request.ts'
import type { InboundRequest } from '../inbound/inbound-request.ts'
import { Lifecycle } from '../inbound/lifecycle.ts'
import { Passage } from '../inbound/passage.ts'
import { Readiness } from '../inbound/readiness.ts'
import { RequestContexts } from '../inbound/request-contexts.ts'
import { Servers } from '../inbound/servers.ts'
import { WarmUp } from '../inbound/warm-up.ts'
import type { InboundCall } from '../model/inbound-call.ts'
import type { Ground } from './ground.ts'

/** What the life of a mesh needs of its two sides. */
export interface LifeHost {
  /** The sources that have given nothing yet, and why. */
  missing(): readonly string[]
  /** The services whose endpoints are not all checked yet, in words. */
  unchecked(): readonly string[]
  /** Starts what is not started. */
  begin(): void
  /** Readiness was asked for and waits: what it waits for is to come soon. */
  hurry(): void
  /** Whether one of the mesh is at the other end: no stranger, and no proxy, which hands on to strangers what it hears. */
  isPeer(request: AnyRequest): boolean
}

/** When requests may come, what they bring along for the calls beneath them, and how a mesh leaves: put together. */
export class Life {
  readonly readiness: Readiness
  readonly servers = new Servers()
  readonly lifecycle: Lifecycle
  readonly passage: Passage
  readonly handlers: { liveness: HealthHandler; readiness: HealthHandler }
  readonly grpc: GrpcHealthService

  constructor(parsed: ParsedOptions, ground: Ground, host: LifeHost) {
    const { clock, random, report } = ground
    const { lifecycle: settings, health: paths } = parsed.inbound
    const { servers } = this
    const readiness = new Readiness(report, { asked: () => void (warmUp.waits && host.hurry()), over: () => warmUp.close() })
    const warmUp = new WarmUp({
      clock,
      timeoutMs: settings.warmUpTimeoutMs,
      unchecked: () => host.unchecked(),
      over: () => readiness.check(),
    })
    readiness.require(() => {
      const missing = host.missing()
      return [...missing, ...warmUp.missing(missing.length === 0)]
    })
    this.readiness = readiness
    this.lifecycle = new Lifecycle({ clock, settings, readiness, servers, report, stopping: () => this.grpc.close() })
    const health = { readiness, isPeer: (request: AnyRequest) => host.isPeer(request), begin: () => host.begin() }
    this.handlers = healthHandlers(health)
    this.grpc = new GrpcHealthService(readiness, parsed.service === undefined ? [] : [parsed.service], () => host.begin())
    this.passage = new Passage({
      servers,
      contexts: parsed.context ? new RequestContexts({ settings: parsed.flow, random, isPeer: isBelieved }) : undefined,
      paths,
      health,
      grpc: this.grpc,
      isPeer: (call) => standingOf(call) === 'peer',
      storage: () => ground.contextStorage(),
      now: () => ground.time.read(),
    })
  }
}

function isBelieved(call: InboundCall): boolean {
  return standingOf(call) !== 'stranger'
}

/** Every call of the guard is one of its own requests. */
function standingOf(call: InboundCall): InboundRequest['peer']['standing'] {
  return (call as InboundRequest).peer.standing
}

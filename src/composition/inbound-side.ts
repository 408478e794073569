import type { Server as NetServer } from 'node:net'
import type { ParsedOptions } from '../config/mesh-options.ts'
import { AuthenticationGate } from '../inbound/authentication-gate.ts'
import { Entrance } from '../inbound/entrance.ts'
import { Guard } from '../inbound/guard.ts'
import { PolicyWait } from '../inbound/policy-wait.ts'
import type { Servers } from '../inbound/servers.ts'
import type { HttpClient } from '../model/http-client.ts'
import type { Principal } from '../model/principal.ts'
import type { InboundStats } from '../model/stats.ts'
import { InboundConcurrency } from '../resilience/inbound-concurrency.ts'
import { LocalRateLimits } from '../resilience/local-rate-limits.ts'
import { Shedder } from '../resilience/shedder.ts'
import type { Authorizer } from '../security/authorization/authorizer.ts'
import { TokenAuthenticator } from '../security/jwt/authenticator.ts'
import type { Ground } from './ground.ts'
import type { Life } from './life.ts'

/** What the inbound side uses of the rest of the mesh. */
export interface SharedParts {
  readonly http: HttpClient
  readonly authorizer: Authorizer
  /** Starts the sources. */
  begin(): void
  /** Who the peer of a connection proved to be. */
  identify(connection: object): Principal | undefined
  /** Whether requests over it are taken only of those who proved who they are. */
  mustProve(connection: { server?: object }): boolean
}

/** Everything of a mesh that stands before the application, put together. */
export class InboundSide {
  readonly guard: Guard
  /** Where requests come in. */
  readonly entrance: Entrance
  private readonly authorizer: Authorizer
  private readonly servers: Servers
  /** Told when policies changed. */
  readonly policyWait: PolicyWait
  private readonly authenticator: TokenAuthenticator | undefined
  private readonly shedder: Shedder | undefined
  private readonly rateLimits: LocalRateLimits | undefined
  private readonly concurrency: InboundConcurrency | undefined

  constructor(parsed: ParsedOptions, ground: Ground, shared: SharedParts, { passage, servers }: Life) {
    const { clock, random, emit, report } = ground
    const { rateLimits, rateLimitHeaders, shedding, adaptiveConcurrency, gates, authentication } = parsed.inbound
    this.authorizer = shared.authorizer
    this.servers = servers
    this.shedder = shedding === false ? undefined : new Shedder(shedding, clock, random)
    this.authenticator =
      authentication &&
      new TokenAuthenticator(authentication, {
        clock,
        random,
        http: shared.http,
        service: parsed.service,
        failed: (provider, error) => emit('sourceFailed', { source: `authentication:${provider}`, error }),
        recovered: (provider) => emit('sourceRecovered', { source: `authentication:${provider}` }),
      })
    this.rateLimits = rateLimits.length === 0 ? undefined : new LocalRateLimits(rateLimits, clock, rateLimitHeaders)
    this.concurrency = adaptiveConcurrency === false ? undefined : new InboundConcurrency(adaptiveConcurrency, clock, random)
    this.policyWait = new PolicyWait({
      clock,
      begin: () => shared.begin(),
      get pending() {
        return shared.authorizer.pending
      },
    })
    this.guard = new Guard({
      service: parsed.service ?? 'inbound',
      clock,
      settings: parsed.inbound,
      gates: {
        shed: this.shedder,
        authenticate: this.authenticator === undefined ? [] : [new AuthenticationGate(this.authenticator)],
        authorize: [this.policyWait, shared.authorizer],
        limit: [this.rateLimits, this.concurrency].filter((gate) => gate !== undefined),
        fault: [],
        own: gates,
      },
      strippedHeaders: this.authenticator?.strippedHeaders ?? [],
      identify: (connection) => shared.identify(connection),
      mustProve: (connection) => shared.mustProve(connection),
      emit,
      report,
      began: (call) => passage.began(call),
      late: (call) => passage.late(call),
      enter: (call) => passage.enter(call),
      ended: (call, complete) => passage.ended(call, complete),
      serves: (server) => servers.add(server as NetServer),
      get closed() {
        return ground.closed
      },
    })
    this.entrance = new Entrance(this.guard)
  }

  /** Begins to fetch what is needed to prove tokens. */
  start(): void {
    this.authenticator?.start()
  }

  /** Looks at no further connection; what is protected stays so, and lets nobody in. */
  close(): void {
    this.entrance.close()
    this.policyWait.close()
    this.authenticator?.close()
  }

  /** What `mesh.stats()` says of the inbound side. */
  stats(): InboundStats {
    return {
      requests: this.servers.requests,
      inflight: this.servers.inflight,
      ...this.guard.stats(),
      authorization: this.authorizer.stats,
      ...(this.authenticator === undefined ? {} : { authentication: this.authenticator.stats() }),
      ...(this.rateLimits === undefined ? {} : { rateLimits: this.rateLimits.stats() }),
      ...(this.shedder === undefined ? {} : { shedding: this.shedder.stats() }),
      ...(this.concurrency === undefined ? {} : { adaptiveConcurrency: this.concurrency.stats() }),
    }
  }
}

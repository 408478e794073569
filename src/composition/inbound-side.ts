import type { ParsedOptions } from '../config/mesh-options.ts'
import { AuthenticationGate } from '../inbound/authentication-gate.ts'
import { Guard } from '../inbound/guard.ts'
import type { HttpClient } from '../model/http-client.ts'
import type { InboundStats } from '../model/stats.ts'
import { LocalRateLimits } from '../resilience/local-rate-limits.ts'
import { Shedder } from '../resilience/shedder.ts'
import { TokenAuthenticator } from '../security/jwt/authenticator.ts'
import type { Ground } from './ground.ts'

/** Everything of a mesh that stands before the application, put together. */
export class InboundSide {
  readonly guard: Guard
  private readonly shedder: Shedder | undefined
  private readonly rateLimits: LocalRateLimits | undefined
  private readonly authenticator: TokenAuthenticator | undefined

  constructor(parsed: ParsedOptions, ground: Ground, http: HttpClient) {
    const { clock, random, emit, report } = ground
    const { rateLimits, rateLimitHeaders, shedding, gates, authentication } = parsed.inbound
    this.shedder = shedding === false ? undefined : new Shedder(shedding, clock, random)
    this.rateLimits = rateLimits.length === 0 ? undefined : new LocalRateLimits(rateLimits, clock, rateLimitHeaders)
    const failed = (provider: string, error: Error): void => emit('sourceFailed', { source: `keys of ${provider}`, error })
    const recovered = (provider: string): void => emit('sourceRecovered', { source: `keys of ${provider}` })
    const { service } = parsed
    this.authenticator =
      authentication === undefined ? undefined : new TokenAuthenticator(authentication, { clock, random, http, service, failed, recovered })
    this.guard = new Guard({
      service: service ?? 'inbound',
      clock,
      settings: parsed.inbound,
      gates: {
        shed: this.shedder,
        authenticate: this.authenticator === undefined ? [] : [new AuthenticationGate(this.authenticator)],
        authorize: [],
        limit: this.rateLimits === undefined ? [] : [this.rateLimits],
        fault: [],
        own: gates,
      },
      strippedHeaders: this.authenticator?.strippedHeaders ?? [],
      identify: () => undefined,
      emit,
      report,
      get closed() {
        return ground.closed
      },
    })
  }

  /** Begins to fetch what is needed before the first request. */
  start(): void {
    this.authenticator?.start()
  }

  close(): void {
    this.authenticator?.close()
  }

  /** What `mesh.stats()` says of the inbound side. */
  stats(): InboundStats {
    return {
      ...this.guard.stats(),
      ...(this.authenticator === undefined ? {} : { authentication: this.authenticator.stats() }),
      ...(this.rateLimits === undefined ? {} : { rateLimits: this.rateLimits.stats() }),
      ...(this.shedder === undefined ? {} : { shedding: this.shedder.stats() }),
    }
  }
}

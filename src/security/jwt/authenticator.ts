import type { Clock } from '../../core/clock.ts'
import { FREE_PERMIT, type Permit, type Refusal } from '../../core/gate.ts'
import type { Random } from '../../core/random.ts'
import type { AuthenticationSettings, AuthenticationStats, Authenticator, RequestEdits } from '../../model/authentication.ts'
import type { HttpClient } from '../../model/http-client.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import { StaticKeys } from './key-source.ts'
import { type Place, placesOf } from './place.ts'
import { Provider, warmUp } from './provider.ts'
import { SEVERAL } from './read-place.ts'
import { type TokenFailure, tokenRefusals } from './refusals.ts'
import { RemoteKeys } from './remote-keys.ts'
import { TokenEdits } from './token-edits.ts'
import { TokenJudge } from './token-judge.ts'
import { isMet, isMetBy, type RequiredTokens, TokenRules } from './token-rules.ts'
import type { Verdict } from './verdicts.ts'

/** What checking tokens needs of the mesh. */
export interface AuthenticatorContext {
  readonly clock: Clock
  readonly random: Random
  readonly http: HttpClient
  /** Named in challenges where the configuration names no realm. */
  readonly service: string | undefined
  /** The keys of `provider` cannot be fetched any more; once until `recovered`. */
  failed(provider: string, error: Error): void
  recovered(provider: string): void
}

/**
 * Checks the tokens of requests (RFC 7519), and says on whose behalf they are made. A token that is present and cannot be proved is
 * refused always, a missing one where one is required. It answers at once for a token that it knows.
 */
export class TokenAuthenticator implements Authenticator {
  readonly name = 'authentication'
  readonly strippedHeaders: readonly string[]
  private admitted = 0
  private refused = 0
  private readonly providers: readonly Provider[]
  private readonly places: readonly Place[]
  private readonly rules: TokenRules
  private readonly edits: TokenEdits
  private readonly judge: TokenJudge
  private readonly refusals: Readonly<Record<TokenFailure, Refusal>>
  private started = false

  constructor(settings: AuthenticationSettings, context: AuthenticatorContext) {
    const { clock, random, http, service } = context
    this.providers = settings.providers.map((each) => {
      if ('keys' in each.keys) return new Provider(each, new StaticKeys(each.keys))
      const failed = (error: Error): void => context.failed(each.name, error)
      const recovered = (): void => context.recovered(each.name)
      return new Provider(each, new RemoteKeys(each.keys, { clock, random, http, failed, recovered }))
    })
    this.places = placesOf(this.providers)
    this.rules = new TokenRules(settings)
    this.edits = new TokenEdits(settings.providers)
    this.judge = new TokenJudge(clock, this.edits)
    this.refusals = tokenRefusals(settings.realm ?? service ?? 'inmesh')
    const written = settings.providers.flatMap(({ claimHeaders, payloadHeader }) => [
      ...claimHeaders.map(({ header }) => header),
      ...(payloadHeader === undefined ? [] : [payloadHeader]),
    ])
    this.strippedHeaders = Object.freeze([...new Set(written)])
  }

  start(): void {
    if (this.started) return
    this.started = true
    warmUp()
    for (const { keys } of this.providers) keys.start()
  }

  close(): void {
    this.started = true
    for (const { keys } of this.providers) keys.close()
  }

  admit(call: InboundCall): Permit | Refusal | Promise<Permit | Refusal> {
    if (!this.started) this.start()
    const required = this.rules.of(call)
    let place: Place | undefined
    let text: string | undefined
    for (const each of this.places) {
      const found = each.read(call)
      if (found === undefined) continue
      if (found === SEVERAL) return this.refuse('several')
      if (text !== undefined) return this.admitSeveral(call, required)
      place = each
      text = found
    }
    if (text === undefined) return required.how === 'optional' ? this.pass() : this.refuse('missing')
    const judged = this.judge.judge(text, place as Place)
    return judged instanceof Promise ? judged.then((verdict) => this.answer(call, verdict, required)) : this.answer(call, judged, required)
  }

  editsFor(call: InboundCall): RequestEdits | undefined {
    return this.edits.of(call)
  }

  stats(): AuthenticationStats {
    const { admitted, refused, judge } = this
    const providers = this.providers.map(({ settings, keys }) => [settings.name, keys.stats()] as const)
    return { admitted, refused, cached: judge.cached, providers: Object.fromEntries(providers) }
  }

  private answer(call: InboundCall, verdict: Verdict | TokenFailure, required: RequiredTokens): Permit | Refusal {
    if (typeof verdict === 'string') return this.refuse(verdict)
    if (!isMetBy(required, verdict.provider)) return this.refuse('other-provider')
    call.requestPrincipal = verdict.principal
    return this.pass()
  }

  /** Tokens in several places: each must be proved, and two of one provider only when they are the same. */
  private async admitSeveral(call: InboundCall, required: RequiredTokens): Promise<Permit | Refusal> {
    const given = new Map<string, Verdict>()
    for (const place of this.places) {
      const text = place.read(call)
      if (text === undefined || text === SEVERAL) continue
      const verdict = await this.judge.judge(text, place)
      if (typeof verdict === 'string') return this.refuse(verdict)
      const other = given.get(verdict.provider)
      if (other !== undefined && other.text !== text) return this.refuse('several')
      given.set(verdict.provider, verdict)
    }
    if (!isMet(required, [...given.keys()])) return this.refuse('other-provider')
    // In the order of the configuration, not of whatever a client wrote first.
    const principals = this.providers.flatMap(({ settings }) => given.get(settings.name)?.principal ?? [])
    const principal = Object.freeze({ ...(principals[0] as Verdict['principal']) })
    this.edits.join(principal, principals)
    call.requestPrincipal = principal
    return this.pass()
  }

  private pass(): Permit {
    this.admitted++
    return FREE_PERMIT
  }

  private refuse(failure: TokenFailure): Refusal {
    this.refused++
    const refusal = this.refusals[failure]
    if (failure !== 'unavailable') return refusal
    return { ...refusal, retryAfterMs: Math.max(...this.providers.map(({ keys }) => keys.retryAfterMs)) }
  }
}

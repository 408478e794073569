import type { Clock } from '../../core/clock.ts'
import type { RequestPrincipal } from '../../model/principal.ts'
import type { Validity } from './claims.ts'
import type { Place } from './place.ts'
import type { Provider } from './provider.ts'
import { isPermanent, type TokenFailure } from './refusals.ts'
import { readToken, type UnprovedToken } from './token.ts'
import type { TokenEdits } from './token-edits.ts'
import { type Verdict, Verdicts } from './verdicts.ts'

/** Says of a token whether it is proved: at once when that is known or can be seen without a key, else later. */
export class TokenJudge {
  /** Tokens whose verdict was known. */
  cached = 0
  private readonly clock: Clock
  private readonly edits: TokenEdits
  private readonly verdicts = new Verdicts()
  /** A token that many requests bring at once is proved once. */
  private readonly proving = new Map<string, Promise<Verdict | TokenFailure>>()

  constructor(clock: Clock, edits: TokenEdits) {
    this.clock = clock
    this.edits = edits
  }

  judge(text: string, place: Place): Verdict | TokenFailure | Promise<Verdict | TokenFailure> {
    const now = this.clock.wallTime()
    const known = this.verdicts.get(text, now)
    if (known === undefined) return this.read(text, place, now)
    this.cached++
    return typeof known === 'string' || place.providerOf(known.principal.issuer) !== undefined ? known : 'issuer'
  }

  private read(text: string, place: Place, now: number): TokenFailure | Promise<Verdict | TokenFailure> {
    const token = readToken(text, place.maxBytes)
    if (typeof token === 'string') return this.bad(text, token, now, undefined)
    const provider = place.providerOf(token.claims['iss'])
    if (provider === undefined) return 'issuer'
    if (text.length > provider.settings.maxTokenBytes) return 'too-long'
    const validity = provider.precheck(token, now)
    if (typeof validity === 'string') return this.bad(text, validity, now, undefined)
    const underWay = this.proving.get(text)
    if (underWay !== undefined) return underWay
    const proving = this.prove(token, provider, validity).finally(() => this.proving.delete(text))
    this.proving.set(text, proving)
    return proving
  }

  private async prove(token: UnprovedToken, provider: Provider, validity: Validity): Promise<Verdict | TokenFailure> {
    const { text, claims } = token
    const { keys, settings } = provider
    // Read before: when the keys change meanwhile, the verdict holds for this request and is not found again.
    const { generation } = keys
    const failure = await provider.check(token)
    const now = this.clock.wallTime()
    if (failure !== undefined) return this.bad(text, failure, now, keys)
    // To wait for keys takes time.
    if (now >= validity.expiresAtMs) return this.bad(text, 'expired', now, undefined)
    const principal = principalOf(settings.issuer, claims)
    this.edits.enter(principal, token, settings)
    const verdict = { text, provider: settings.name, principal, ...validity, keys, generation }
    this.verdicts.remember(verdict)
    return verdict
  }

  private bad(text: string, failure: TokenFailure, now: number, keys: Provider['keys'] | undefined): TokenFailure {
    if (isPermanent(failure)) this.verdicts.rememberBad(text, failure, now, keys)
    return failure
  }
}

function principalOf(issuer: string, claims: RequestPrincipal['claims']): RequestPrincipal {
  const subject = (claims['sub'] as string | undefined) ?? ''
  return Object.freeze({ id: `${issuer}/${subject}`, issuer, subject, claims })
}

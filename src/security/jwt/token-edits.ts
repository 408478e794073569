import type { RequestEdits, TokenProviderSettings } from '../../model/authentication.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import type { RequestPrincipal } from '../../model/principal.ts'
import { claimHeaders } from './claim-headers.ts'
import { type ReadPlace, readerOf } from './read-place.ts'
import type { UnprovedToken } from './token.ts'

interface Entry {
  readonly provider: TokenProviderSettings
  readonly setHeaders: RequestEdits['setHeaders']
  /** The same for every request, where there is one place only in which the token can have been. */
  readonly fixed: RequestEdits | undefined
}

/**
 * What requests get and lose by their tokens. It hangs on the principal that was made of the token, so that nothing is worked out for
 * a token that was seen before, and goes when the verdict is forgotten.
 */
export class TokenEdits {
  private readonly entries = new WeakMap<RequestPrincipal, readonly Entry[]>()
  private readonly readers = new Map<object, ReadPlace>()

  constructor(providers: readonly TokenProviderSettings[]) {
    for (const { from } of providers) for (const place of from) this.readers.set(place, readerOf(place))
  }

  enter(principal: RequestPrincipal, token: UnprovedToken, provider: TokenProviderSettings): void {
    const setHeaders = claimHeaders(token, provider)
    const [place, ...more] = provider.from
    const fixed = more.length > 0 ? undefined : editsOf(setHeaders, provider.forward || place === undefined ? [] : [place])
    this.entries.set(principal, [{ provider, setHeaders, fixed }])
  }

  /** One request came with several tokens: `principal` stands for them all. */
  join(principal: RequestPrincipal, parts: readonly RequestPrincipal[]): void {
    this.entries.set(
      principal,
      parts.flatMap((part) => this.entries.get(part) ?? []),
    )
  }

  of(call: InboundCall): RequestEdits | undefined {
    const { requestPrincipal } = call
    const entries = requestPrincipal === undefined ? undefined : this.entries.get(requestPrincipal)
    if (entries === undefined) return undefined
    const [first, ...more] = entries
    if (first?.fixed !== undefined && more.length === 0) return isNothing(first.fixed) ? undefined : first.fixed
    const places = entries.flatMap(({ provider: { forward, from } }) =>
      forward ? [] : from.filter((place) => this.readers.get(place)?.(call) !== undefined),
    )
    return editsOf(
      entries.flatMap(({ setHeaders }) => setHeaders),
      places,
    )
  }
}

function editsOf(setHeaders: RequestEdits['setHeaders'], places: TokenProviderSettings['from']): RequestEdits {
  const of = (kind: string): readonly string[] => [...new Set(places.filter((place) => place.kind === kind).map(({ name }) => name))]
  return { removeHeaders: of('header'), removeCookies: of('cookie'), removeQuery: of('query'), setHeaders }
}

function isNothing({ removeHeaders, removeCookies, removeQuery, setHeaders }: RequestEdits): boolean {
  return removeHeaders.length + removeCookies.length + removeQuery.length + setHeaders.length === 0
}

import type { Duration } from '../core/duration.ts'
import type { InboundCall, InboundGate } from './inbound-call.ts'

/** Signatures that a token may carry: asymmetric ones only, so that no key that checks tokens can make one. */
export type TokenAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA' | 'Ed25519'

/** Where a token is looked for. With `prefix` only a header that begins with it holds one; case does not matter. */
export type TokenPlaceOptions = { header: string; prefix?: string } | { cookie: string } | { query: string }

/** A JSON Web Key set (RFC 7517) of public keys. */
export interface JsonWebKeySet {
  keys: Record<string, unknown>[]
}

/** A key set that is fetched, kept, and fetched again. */
export interface RemoteKeysOptions {
  /** An https URL without credentials. */
  url: string
  /** Time between two fetches where the answer has no `Cache-Control: max-age`, which counts from 1m to 1h. Default 5m. */
  refresh?: Duration
  /** How long the last good keys serve while the server fails. Default 24h. */
  keepFor?: Duration
  /** Bound of one fetch, to the last byte. Default 5s. */
  timeout?: Duration
  /** Takes an `http:` URL, over which anybody on the way can hand out keys of his own. Default false. */
  allowHttp?: boolean
}

/** One claim as a header of the request. */
export interface ClaimHeaderOptions {
  /** Removed from every request that comes in, with a token or without. */
  header: string
  /** A claim, or a path into one: `address.country`. */
  claim: string
}

/** An issuer of tokens, and what its tokens must say. */
export interface TokenProviderOptions {
  /** `iss` of its tokens, to the letter. */
  issuer: string
  /** One of these must be in `aud`; without them `aud` is not looked at. */
  audiences?: string[]
  /** Where its keys are: at a URL, or right here as a key set or its JSON text. */
  jwks: RemoteKeysOptions | JsonWebKeySet | string
  /** Signatures that are taken. Default: all of them. */
  algorithms?: TokenAlgorithm[]
  /** Where its tokens are looked for. Default: `authorization` with `Bearer `. */
  from?: TokenPlaceOptions[]
  /** How far clocks may differ for `exp`, `nbf` and `iat`, at most 60s. Default 30s. */
  leeway?: Duration
  /** Claims that the application gets as headers. */
  claimsToHeaders?: ClaimHeaderOptions[]
  /** A header that gets all claims, as base64url of their JSON. */
  payloadHeader?: string
  /** Whether the application gets the token too. Default false: it is taken out of the request. */
  forward?: boolean
  /** Longest token, in bytes, up to 65536. Default 16384. */
  maxTokenBytes?: number
}

/** Which providers a request needs a token of. A token that is present and invalid is refused all the same. */
export type TokenRequirementOptions = 'any' | 'all' | 'optional' | { any: string[] } | { all: string[] }

/** What holds for some requests; what is not written is any. */
export interface TokenRuleOptions {
  /** `/healthz`, or `/public/*` for everything below. */
  paths?: string[]
  /** `api.example.com`, or `*.example.com` for everything below. */
  hosts?: string[]
  methods?: string[]
  require: TokenRequirementOptions
}

/** Who may vouch for those on whose behalf requests are made, and where they must. */
export interface AuthenticationOptions {
  /** By the names that `require`, errors and stats use. */
  providers: Record<string, TokenProviderOptions>
  /** The first rule that matches holds; where none does, `any`. Default `any`: a token of one of the providers. */
  require?: TokenRequirementOptions | TokenRuleOptions[]
  /** Named in `WWW-Authenticate`. Default: the service of the mesh, or `inmesh`. */
  realm?: string
}

/** {@link TokenPlaceOptions}, checked; names of headers are in lower case. */
export type TokenPlace =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'cookie' | 'query'; readonly name: string }

/** {@link RemoteKeysOptions}, checked. */
export interface RemoteKeysSettings {
  readonly url: string
  readonly refreshMs: number
  readonly keepForMs: number
  readonly timeoutMs: number
}

/** {@link TokenProviderOptions}, checked. */
export interface TokenProviderSettings {
  readonly name: string
  readonly issuer: string
  readonly audiences: readonly string[] | undefined
  readonly keys: RemoteKeysSettings | JsonWebKeySet
  readonly algorithms: readonly TokenAlgorithm[]
  readonly from: readonly TokenPlace[]
  readonly leewayMs: number
  readonly claimHeaders: readonly { readonly header: string; readonly claim: string }[]
  readonly payloadHeader: string | undefined
  readonly forward: boolean
  readonly maxTokenBytes: number
}

/** Providers by name. `any`: one of them; `all`: each of them; `optional`: none has to. */
export interface TokenRequirement {
  readonly how: 'any' | 'all' | 'optional'
  readonly providers: readonly string[]
}

/** {@link TokenRuleOptions}, checked. */
export interface TokenRule {
  /** Canonical; undefined: any. */
  readonly paths: readonly { readonly path: string; readonly below: boolean }[] | undefined
  readonly hosts: readonly { readonly host: string; readonly below: boolean }[] | undefined
  readonly methods: readonly string[] | undefined
  readonly require: TokenRequirement
}

/** {@link AuthenticationOptions}, checked. */
export interface AuthenticationSettings {
  readonly providers: readonly TokenProviderSettings[]
  readonly rules: readonly TokenRule[]
  /** Where no rule matches. */
  readonly otherwise: TokenRequirement
  readonly realm: string | undefined
}

/** What is changed in a request before the application sees it. */
export interface RequestEdits {
  /** Lower case. */
  readonly removeHeaders: readonly string[]
  readonly removeCookies: readonly string[]
  readonly removeQuery: readonly string[]
  /** After the removals. Names in lower case, values fit for a header. */
  readonly setHeaders: readonly (readonly [name: string, value: string])[]
}

/**
 * The gate that says on whose behalf a request is made. Whoever runs it removes `strippedHeaders` from every request before anything
 * reads them, and applies `editsFor` when it was admitted.
 */
export interface Authenticator extends InboundGate {
  /** Headers that only authentication may write, in lower case. A client that sends them is lying. */
  readonly strippedHeaders: readonly string[]
  /** What the admitted `call` gets and loses; undefined: nothing. */
  editsFor(call: InboundCall): RequestEdits | undefined
  /** Begins to fetch key sets; once. The first call does it too. */
  start(): void
  /** Ends every timer; a fetch under way is left to end by itself. */
  close(): void
  stats(): AuthenticationStats
}

/** Counters are cumulative, the rest is now. */
export interface AuthenticationStats {
  admitted: number
  refused: number
  /** Tokens whose verdict was known. */
  cached: number
  providers: Record<string, KeySetStats>
}

/** The keys of one provider. */
export interface KeySetStats {
  /** `stale`: the last fetch failed, and the keys of an earlier one serve. */
  keySet: 'static' | 'missing' | 'fresh' | 'stale'
  keys: number
  fetches: number
  failures: number
  /** Milliseconds since the keys were confirmed last; 0 for static ones and when there are none. */
  ageMs: number
}

import { isBelow } from '../../core/canonical-path.ts'
import type { AuthenticationSettings, TokenRequirement, TokenRule } from '../../model/authentication.ts'
import type { InboundCall } from '../../model/inbound-call.ts'

/** Which providers one request needs a token of. */
export interface RequiredTokens {
  readonly how: 'any' | 'all' | 'optional'
  readonly providers: readonly string[]
  /** Whose token is enough by itself. */
  readonly enough: ReadonlySet<string>
}

/** The rules of `require`: the first that matches a request says what it needs. */
export class TokenRules {
  private readonly rules: readonly { readonly rule: TokenRule; readonly required: RequiredTokens }[]
  private readonly otherwise: RequiredTokens

  constructor({ rules, otherwise }: AuthenticationSettings) {
    this.rules = rules.map((rule) => ({ rule, required: requiredBy(rule.require) }))
    this.otherwise = requiredBy(otherwise)
  }

  of(call: InboundCall): RequiredTokens {
    for (const { rule, required } of this.rules) if (matches(rule, call)) return required
    return this.otherwise
  }
}

function matches({ paths, hosts, methods }: TokenRule, { pathname, hostname, method }: InboundCall): boolean {
  if (methods !== undefined && !methods.includes(method)) return false
  if (paths !== undefined && !paths.some(({ path, below }) => (below ? isBelow(pathname, path) : pathname === path))) return false
  return hosts === undefined || hosts.some(({ host, below }) => (below ? hostname.endsWith(host) : hostname === host))
}

function requiredBy({ how, providers }: TokenRequirement): RequiredTokens {
  return { how, providers, enough: new Set(how === 'any' || providers.length === 1 ? providers : []) }
}

/** Whether a token of one provider is what is required. */
export function isMetBy({ how, enough }: RequiredTokens, provider: string): boolean {
  return how === 'optional' || enough.has(provider)
}

/** Whether tokens of the providers `given` are what is required. */
export function isMet(required: RequiredTokens, given: readonly string[]): boolean {
  if (given.some((provider) => isMetBy(required, provider))) return true
  return required.how === 'all' && required.providers.every((provider) => given.includes(provider))
}

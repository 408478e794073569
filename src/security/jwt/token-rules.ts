import { isBelow } from '../../core/canonical-path.ts'
import type { AuthenticationSettings, TokenRequirement, TokenRule } from '../../model/authentication.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import { foldPathname } from '../canonical/pathname.ts'

/** Which providers one request needs a token of. */
export interface RequiredTokens {
  readonly how: 'any' | 'all' | 'optional'
  readonly providers: readonly string[]
  /** Whose token is enough by itself. */
  readonly enough: ReadonlySet<string>
}

type TokenPath = NonNullable<TokenRule['paths']>[number]

interface Compiled {
  readonly rule: TokenRule
  /** Its paths, as applications read them that match without case. */
  readonly folded: readonly TokenPath[]
  readonly required: RequiredTokens
}

/** The rules of `require`: the first that matches a request says what it needs. */
export class TokenRules {
  private readonly rules: readonly Compiled[]
  private readonly otherwise: RequiredTokens

  constructor({ rules, otherwise }: AuthenticationSettings) {
    this.rules = rules.map((rule) => ({ rule, folded: foldedPaths(rule.paths ?? []), required: requiredBy(rule.require) }))
    this.otherwise = requiredBy(otherwise)
  }

  of(call: InboundCall): RequiredTokens {
    for (const each of this.rules) if (matches(each, call)) return each.required
    return this.otherwise
  }
}

function matches({ rule: { paths, hosts, methods, require }, folded }: Compiled, call: InboundCall): boolean {
  const { pathname, loosePathname, hostname, method } = call
  if (methods !== undefined && !methods.includes(method)) return false
  if (hosts !== undefined && !hosts.some(({ host, below }) => (below ? hostname.endsWith(host) : hostname === host))) return false
  if (paths === undefined || paths.some((path) => isAt(pathname, path))) return true
  // What the application takes for a path that needs a token needs it too; one that needs none is meant as it is written.
  return loosePathname !== undefined && require.how !== 'optional' && folded.some((path) => isAt(loosePathname, path))
}

function isAt(pathname: string, { path, below }: TokenPath): boolean {
  return below ? isBelow(pathname, path) : pathname === path
}

function foldedPaths(paths: readonly TokenPath[]): TokenPath[] {
  return paths.map(({ path, below }) => ({ path: below ? `${foldPathname(path).replace(/\/$/, '')}/` : foldPathname(path), below }))
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

import type { AddressRanges } from '../../core/address-ranges.ts'
import { upperMethod } from '../../core/upper-method.ts'
import type { InboundCall } from '../../model/inbound-call.ts'
import { ALWAYS, type Attribute, type Condition, type Key, type Question } from './condition.ts'
import { matcherOf, type Pattern, type TextMatcher } from './text-matcher.ts'

const SCHEME = 'spiffe://'
const NOTHING = matcherOf([])

/**
 * The peer's certificate in the words of Istio, where ids stand without `spiffe://`. A name that is no SPIFFE id is compared too,
 * but it may not pass for one: an allow policy takes only an exact one without slashes, for a subject may say anything.
 */
export class PrincipalIs implements Condition {
  readonly volatile = false
  private readonly ids: TextMatcher
  private readonly names: TextMatcher
  private readonly certainNames: TextMatcher

  constructor(patterns: readonly Pattern[]) {
    const bare = patterns.map(({ kind, text }) => ({ kind, text: text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text }))
    const ids = bare.map(({ kind, text }) => ({ kind, text: SCHEME + text }))
    this.names = matcherOf(bare)
    this.ids = matcherOf(ids.filter(({ kind }) => kind === 'any' || kind === 'exact'))
    const certain = bare.filter(({ kind, text }) => kind === 'exact' && !text.includes('/'))
    this.certainNames = certain.length === 0 ? NOTHING : matcherOf(certain)
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    if (attribute !== 'principal') return undefined
    const names = this.names.keys({ prefixes: false })
    return names && [...names, ...(this.ids.keys({ prefixes: false }) ?? [])]
  }

  given(_: Attribute, { text }: Key): Condition {
    // A name that is no SPIFFE id may be the text of a key, and is looked at all the same.
    return text.startsWith(SCHEME) ? ALWAYS : this
  }

  holds({ call: { principal } }: Question, certain: boolean): boolean {
    if (principal === undefined) return false
    if (this.ids.any) return true
    if (principal.trustDomain === undefined) return (certain ? this.certainNames : this.names).matches(principal.id)
    if (this.ids.matches(principal.id)) return true
    return this.names.tests.length > 0 && this.names.matches(principal.id.slice(SCHEME.length))
  }
}

/** The peer's whole id, as its certificate has it; in the tree. */
export class AuthenticatedIs implements Condition {
  readonly volatile = false
  private readonly matcher: TextMatcher

  constructor(matcher: TextMatcher) {
    this.matcher = matcher
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'principal' ? this.matcher.keys({ prefixes: false }) : undefined
  }

  given(): Condition {
    return ALWAYS
  }

  holds({ call: { principal } }: Question): boolean {
    return principal !== undefined && this.matcher.matches(principal.id)
  }
}

/** Namespace of the peer's SPIFFE id. */
export class NamespaceIs implements Condition {
  readonly volatile = false
  private readonly matcher: TextMatcher

  constructor(matcher: TextMatcher) {
    this.matcher = matcher
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'namespace' ? this.matcher.keys({ prefixes: false }) : undefined
  }

  given(): Condition {
    return ALWAYS
  }

  holds({ call: { principal } }: Question): boolean {
    return principal?.namespace !== undefined && this.matcher.matches(principal.namespace)
  }
}

/** Service account of the peer's SPIFFE id, in its namespace. */
export class ServiceAccountIs implements Condition {
  readonly volatile = false
  private readonly accounts: ReadonlySet<string>
  private readonly namespaces: readonly Key[]

  /** @param accounts each as `namespace/account` */
  constructor(accounts: readonly string[]) {
    this.accounts = new Set(accounts)
    this.namespaces = accounts.map((account) => ({ text: account.slice(0, account.indexOf('/')), whole: true }))
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'namespace' ? this.namespaces : undefined
  }

  holds({ call: { principal } }: Question): boolean {
    if (principal?.namespace === undefined || principal.serviceAccount === undefined) return false
    return this.accounts.has(`${principal.namespace}/${principal.serviceAccount}`)
  }
}

/** The addressed host, with or without its port, without regard to case. What it is made of is in lower case. */
export class HostIs implements Condition {
  readonly volatile = false
  private readonly matcher: TextMatcher

  constructor(matcher: TextMatcher) {
    this.matcher = matcher
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'host' ? this.matcher.keys({ prefixes: false }) : undefined
  }

  given(): Condition {
    return ALWAYS
  }

  holds({ call: { hostname, host } }: Question): boolean {
    return this.matcher.matches(hostname) || this.matcher.matches(host.toLowerCase())
  }
}

/** The method, without regard to case: frameworks route `get` as `GET`. What it is made of is in upper case. */
export class MethodIs implements Condition {
  readonly volatile = false
  private readonly matcher: TextMatcher

  constructor(matcher: TextMatcher) {
    this.matcher = matcher
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'method' ? this.matcher.keys({ prefixes: false }) : undefined
  }

  given(): Condition {
    return ALWAYS
  }

  holds({ call: { method } }: Question): boolean {
    return this.matcher.matches(upperMethod(method))
  }
}

/** The canonical path, without the query. */
export class PathIs implements Condition {
  readonly volatile = false
  private readonly matcher: TextMatcher

  constructor(matcher: TextMatcher) {
    this.matcher = matcher
  }

  keys(attribute: Attribute): readonly Key[] | undefined {
    return attribute === 'path' ? this.matcher.keys({ prefixes: true }) : undefined
  }

  given(): Condition {
    // Of a template the key is only the beginning.
    return this.matcher.tests.some(({ kind }) => kind === 'template') ? this : ALWAYS
  }

  holds({ path }: Question): boolean {
    return this.matcher.matches(path)
  }
}

/** The port that took the connection: one of these ranges, both ends included. */
export class PortIs implements Condition {
  readonly volatile = false
  private readonly ranges: readonly (readonly [from: number, to: number])[]

  constructor(ranges: readonly (readonly [from: number, to: number])[]) {
    this.ranges = ranges
  }

  keys(): undefined {
    return undefined
  }

  holds({ call: { port } }: Question): boolean {
    return this.ranges.some(([from, to]) => port >= from && port <= to)
  }
}

/** Whose address is compared. */
export type AddressOf = 'peerAddress' | 'remoteAddress' | 'localAddress'

/** An address of the connection, or that of the client behind the trusted proxies. */
export class AddressIn implements Condition {
  readonly volatile: boolean
  private readonly of: AddressOf
  private readonly ranges: AddressRanges

  constructor(of: AddressOf, ranges: AddressRanges) {
    this.of = of
    this.ranges = ranges
    // The local one is part of what decisions are kept under.
    this.volatile = of !== 'localAddress'
  }

  keys(): undefined {
    return undefined
  }

  holds({ call }: Question): boolean {
    return this.ranges.includes(call[this.of])
  }
}

/** One text that is not in the key of a kept decision. */
export class TextIs implements Condition {
  readonly volatile = true
  private readonly read: (call: InboundCall) => string | undefined
  private readonly matcher: TextMatcher

  constructor(read: (call: InboundCall) => string | undefined, matcher: TextMatcher) {
    this.read = read
    this.matcher = matcher
  }

  keys(): undefined {
    return undefined
  }

  holds({ call }: Question): boolean {
    const text = this.read(call)
    return text !== undefined && this.matcher.matches(text)
  }
}

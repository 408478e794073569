/** What an authorization policy does with the requests that it matches. Upper case is taken as Istio writes it. */
export type AuthorizationAction = 'allow' | 'deny' | 'ALLOW' | 'DENY'

/**
 * Who may call this process, in the words of Istio's `AuthorizationPolicy`, or as a tree in the manner of Envoy's RBAC. A request
 * that a `deny` policy matches is refused; where there are `allow` policies one of them must match; else it is let in.
 */
export interface AuthorizationPolicyOptions {
  /** Appears in errors, stats and `authorize`. Each name once in its namespace. */
  name: string
  /** Where the policy lives: part of its name, and where service accounts live that name no namespace. Default: the mesh's. */
  namespace?: string
  /** Default `allow`. */
  action?: AuthorizationAction
  /** Counts what it would decide, and decides nothing. Default false. */
  dryRun?: boolean
  /** One of them must match. None: an `allow` policy that allows nothing. An empty rule matches every request. */
  rules?: AuthorizationRule[]
  /** In place of `rules`: what may be asked for, one of these and one of `principals` … */
  permissions?: AuthorizationNode[]
  /** … and who may ask. */
  principals?: AuthorizationNode[]
}

/** Matches when one of `from`, one of `to` and all of `when` do; what is not written matches. */
export interface AuthorizationRule {
  from?: { source: AuthorizationSource }[]
  to?: { operation: AuthorizationOperation }[]
  when?: AuthorizationWhen[]
}

/**
 * Where a request comes from. Every field that is written must hold, by one of its values; one that begins with `not` holds when
 * none of them does, also when there is nothing to compare. `abc*`, `*abc` and `*` (anything there is) are understood.
 */
export interface AuthorizationSource {
  /** SPIFFE ids, with `spiffe://` or without as Istio writes them: `cluster.local/ns/shop/sa/web`. */
  principals?: string[]
  notPrincipals?: string[]
  /** `issuer/subject` of a verified token. */
  requestPrincipals?: string[]
  notRequestPrincipals?: string[]
  namespaces?: string[]
  notNamespaces?: string[]
  /** `namespace/account`, or `account` in the namespace of the policy. No wildcards. */
  serviceAccounts?: string[]
  notServiceAccounts?: string[]
  /** Addresses or CIDR ranges of the peer of the connection. */
  ipBlocks?: string[]
  notIpBlocks?: string[]
  /** Addresses or CIDR ranges of the client behind the trusted proxies. */
  remoteIpBlocks?: string[]
  notRemoteIpBlocks?: string[]
}

/** What a request asks for; read as {@link AuthorizationSource}. */
export interface AuthorizationOperation {
  /** Without regard to case. `shop` is any port, `shop:8080` that one. */
  hosts?: string[]
  notHosts?: string[]
  ports?: (string | number)[]
  notPorts?: (string | number)[]
  methods?: string[]
  notMethods?: string[]
  /** Canonical paths; `{*}` is one segment, `{**}` at most once any number of them. */
  paths?: string[]
  notPaths?: string[]
}

/** A further condition, by one of the keys of Istio: `request.headers[x-team]`, `source.ip`, `request.auth.claims[groups]` … */
export interface AuthorizationWhen {
  key: string
  values?: (string | number)[]
  notValues?: (string | number)[]
}

/** Compares text; exactly one of the first five. */
export interface AuthorizationText {
  exact?: string
  prefix?: string
  suffix?: string
  contains?: string
  /** RE2; the whole text must match. */
  regex?: string
  ignoreCase?: boolean
}

/** One condition of the tree; exactly one key. */
export interface AuthorizationNode {
  any?: true
  and?: AuthorizationNode[]
  or?: AuthorizationNode[]
  not?: AuthorizationNode
  /** `range` is `start` up to, without, `end`. `invert` turns the answer round, but a value that is not there matches neither way. */
  header?: AuthorizationText & { name: string; range?: { start: number; end: number }; present?: boolean; invert?: boolean }
  /** Canonical path, without the query. */
  path?: AuthorizationText & { template?: string }
  host?: AuthorizationText
  method?: AuthorizationText
  /** A claim of the verified token: `['realm', 'roles']`. Of a list, one element. */
  claim?: AuthorizationText & { path: string[]; present?: boolean }
  /** Address or range of the peer of the connection. */
  sourceIp?: string
  /** Of the client behind the trusted proxies. */
  remoteIp?: string
  destinationIp?: string
  destinationPort?: number
  /** `start` up to, without, `end`. */
  destinationPortRange?: { start: number; end: number }
  /** Asked for in the TLS handshake. */
  serverName?: AuthorizationText
  /** A peer with a certificate; with `principal`, whose whole id matches, `spiffe://` included. */
  authenticated?: { principal?: AuthorizationText }
}

/** What was decided about a request. */
export interface AuthorizationDecision {
  readonly action: 'allow' | 'deny'
  /** Name of the policy that decided; empty when none did. */
  readonly rule: string
  /** A sentence for people. Not for the answer: it tells strangers about the policies. */
  readonly reason: string
  /** The resource and its rule, as `source/authorization/namespace/name#rules[0]`; empty when none decided. */
  readonly from: string
  /** Where that was written, in answers of `mesh.authorize`: `mesh.yaml:12:5`. Absent where its source does not say. */
  readonly place?: string
}

/** The answer of `mesh.authorize`. */
export interface AuthorizationAnswer extends AuthorizationDecision {
  /** What would be decided if the policies in dry run were in force; absent when there are none. */
  readonly dryRun?: AuthorizationDecision
}

/** A request that `mesh.authorize` is asked about; what is not given is what a plain GET from nobody has. */
export interface AuthorizeRequest {
  /** SPIFFE id of the peer, `spiffe://` or Istio's short form, or the name in its certificate. Default: none, as in clear text. */
  principal?: string
  /** Default GET. */
  method?: string
  /** Default: the name of the mesh's own service. */
  host?: string
  /** Path, with or without a query; made canonical first. Default `/`. */
  path?: string
  headers?: Record<string, string | readonly string[]>
  /** Address of the peer. Default 127.0.0.1. */
  source?: string
  /** Address of the client behind trusted proxies. Default: `source`. */
  remote?: string
  /** Local port. Default 0. */
  port?: number
  /** Local address. Default 127.0.0.1. */
  destination?: string
  /** Name asked for in the TLS handshake. */
  serverName?: string
  /** What the verified token says; `iss` and `sub` are its principal. */
  claims?: Record<string, unknown>
}

/** Authorization in `mesh.stats()`; counters are cumulative. */
export interface AuthorizationStats {
  /** Policies in force, and those in dry run. */
  policies: number
  dryRunPolicies: number
  allowed: number
  denied: number
  /** What would have been decided with the policies in dry run. */
  dryRun: { allowed: number; denied: number }
  /** Requests whose evaluation failed; they count as denied. */
  errors: number
  /** Why every request is refused, if it is. */
  missing: string[]
}

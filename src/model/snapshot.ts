import type { EndpointSpec } from '../core/endpoint.ts'
import type { AuthorizationPolicyOptions } from './authorization.ts'
import type { IdentityStats } from './identity.ts'
import type { Protocol } from './names.ts'
import type { OutboundRule, Policy, Provenance } from './resources.ts'
import type { RuleSettings } from './route-settings.ts'

/** One service with everything that is in force for it, and where each part came from. Plain, immutable, printable. */
export interface ServiceSnapshot {
  readonly name: string
  readonly namespace: string
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
  readonly protocol: Protocol
  readonly endpoints: readonly EndpointSpec[]
  /** Why there is no endpoint, when their source knows. */
  readonly because?: string | undefined
  readonly policy: Policy
  /** Who wrote the service, its endpoints, and each section of the policy. */
  readonly from: Readonly<Record<string, Provenance>>
}

/** One rule over source and target, and the resource that holds it. */
export interface OutboundPolicySnapshot {
  readonly name: string
  readonly rule: OutboundRule
  readonly from: Provenance
}

/** One route, and the resource that holds it. */
export interface RouteSnapshot {
  readonly name: string
  readonly namespace: string
  readonly hosts: readonly string[]
  readonly rules: readonly RuleSettings[]
  readonly from: Provenance
}

/** One policy in force, and the resource that holds it. */
export interface AuthorizationSnapshot {
  readonly name: string
  readonly namespace: string
  readonly policy: AuthorizationPolicyOptions
  readonly from: Provenance
}

/** Inbound policy that should be in force and is not known. As long as there is any, every request is refused. */
export interface MissingAuthorization {
  readonly reason: string
  /** The resource, or the source. */
  readonly from: string
  /** It may come yet: the source has not answered for the first time. */
  readonly pending: boolean
}

/** Everything that authorization goes by. */
export interface AuthorizationState {
  readonly policies: readonly AuthorizationSnapshot[]
  readonly missing: readonly MissingAuthorization[]
}

/** The configuration in force at one moment. */
export interface Snapshot {
  readonly version: number
  /** Keyed `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceSnapshot>
  /** Who may call what, in the order in which they are asked. The same list until one of them changes. */
  readonly policies: readonly OutboundPolicySnapshot[]
  /** Those whose hosts count first come first. The same list until one of them changes. */
  readonly routes: readonly RouteSnapshot[]
  /** Who may call this process. The same list until one of them changes. */
  readonly authorization: readonly AuthorizationSnapshot[]
}

/** The same as plain JSON, as `mesh.snapshot()` gives it. */
export interface PrintedSnapshot {
  version: number
  services: Record<string, ServiceSnapshot>
  policies: OutboundPolicySnapshot[]
  routes: RouteSnapshot[]
  authorization: AuthorizationSnapshot[]
  identity: IdentityStats
}

import type { EndpointSpec } from '../core/endpoint.ts'
import type { OutboundRule, Policy, Provenance } from './resources.ts'
import type { RuleSettings } from './route-settings.ts'

/** One service with everything that is in force for it, and where each part came from. Plain, immutable, printable. */
export interface ServiceSnapshot {
  readonly name: string
  readonly namespace: string
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
  readonly protocol: 'auto' | 'http1'
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

/** The configuration in force at one moment. */
export interface Snapshot {
  readonly version: number
  /** Keyed `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceSnapshot>
  /** Who may call what, in the order in which they are asked. The same list until one of them changes. */
  readonly policies: readonly OutboundPolicySnapshot[]
  /** Those whose hosts count first come first. The same list until one of them changes. */
  readonly routes: readonly RouteSnapshot[]
}

/** The same as plain JSON, as `mesh.snapshot()` gives it. */
export interface PrintedSnapshot {
  version: number
  services: Record<string, ServiceSnapshot>
  policies: OutboundPolicySnapshot[]
  routes: RouteSnapshot[]
}

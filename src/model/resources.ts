import type { EndpointSpec } from '../core/endpoint.ts'
import type { Secret } from '../core/secret.ts'
import type { AdaptiveConcurrencySettings } from './adaptive-concurrency.ts'
import type { AuthorizationPolicyOptions } from './authorization.ts'
import type { BalancingSettings, SubsetSettings } from './balancing.ts'
import type { FallbackSettings, FaultSettings, RetrySettings } from './call-policy-settings.ts'
import type { HedgeSettings } from './hedge.ts'
import type { SanMatch } from './identity.ts'
import type { LocalitySettings, PrioritySettings } from './locality.ts'
import type { HealthCheckType, Protocol } from './names.ts'
import type { OutlierDetectionSettings, OutlierSections } from './outlier-detection.ts'
import type { PolicyAction } from './protection.ts'
import type { LaneSettings, RuleSettings } from './route-settings.ts'
import type { NamedSubsetSettings } from './subsets.ts'
import type { ThrottleSettings } from './throttle.ts'

export type { AnswerSettings, FallbackSettings, FaultSettings, HeaderMatch, RetrySettings } from './call-policy-settings.ts'

/** Which resource, in which source, said something. Printed as `source/kind/namespace/name#section`. */
export interface Provenance {
  readonly source: string
  readonly kind: ResourceKind | 'defaults'
  readonly namespace: string
  readonly name: string
  readonly section?: string | undefined
  /** Where it was written, as far as its source says; in `mesh.snapshot()` only, since it may change while nothing else does. */
  readonly place?: string | undefined
}

export type ResourceKind = 'service' | 'endpoints' | 'traffic-policy' | 'outbound-policy' | 'authorization' | 'route'

interface ResourceBase<Kind extends ResourceKind> {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  /** Where people find it, if its source knows: `mesh.yaml:12:5`, a key, a URL. It is shown beside what the resource decides, and decides nothing. */
  readonly place?: string | undefined
  /** The same of its sections or rules, by their names, where that is more exact. */
  readonly places?: Readonly<Record<string, string>> | undefined
}

/** That a service exists and how it is addressed. */
export interface ServiceResource extends ResourceBase<'service'> {
  readonly hosts: readonly string[]
  /** Ports it answers on; empty: any. */
  readonly ports: readonly number[]
  readonly protocol: Protocol
}

/** Where a service runs. */
export interface EndpointsResource extends ResourceBase<'endpoints'> {
  readonly endpoints: readonly EndpointSpec[]
  /** Why there are none, for the error of a call that finds none. */
  readonly because?: string | undefined
}

/** How a service is called: only the sections that were written. */
export interface TrafficPolicyResource extends ResourceBase<'traffic-policy'> {
  readonly policy: PolicySections
}

/** Who may call what; one rule of the list. */
export interface OutboundPolicyResource extends ResourceBase<'outbound-policy'> {
  /** Its place among those of the same source. */
  readonly order: number
  readonly rule: OutboundRule
}

/** What becomes of the calls to some hosts. */
export interface RouteResource extends ResourceBase<'route'> {
  /** Its place among those of the same source: of two for one host the first counts. */
  readonly order: number
  readonly hosts: readonly string[]
  /** In the order in which they are asked. */
  readonly rules: readonly RuleSettings[]
}

/** Who may call this process; one policy of the list. */
export interface AuthorizationResource extends ResourceBase<'authorization'> {
  /** Its place among those of the same source. */
  readonly order: number
  readonly policy: AuthorizationPolicyOptions
}

export type Resource =
  | ServiceResource
  | EndpointsResource
  | TrafficPolicyResource
  | OutboundPolicyResource
  | AuthorizationResource
  | RouteResource

/** What a rule over source and target matches and decides; an absent condition holds for everybody. */
export interface OutboundRule {
  readonly source: { readonly service?: string; readonly namespace?: string }
  readonly target: {
    readonly service?: string
    readonly namespace?: string
    /** Upper case. */
    readonly methods?: readonly string[]
    /** Canonical prefixes. */
    readonly paths?: readonly string[]
  }
  readonly action: PolicyAction
  readonly redirectTo?: string
  readonly limit?: RateSettings
}

export interface BreakerSettings {
  readonly failurePercent: number
  readonly windowMs: number
  readonly minRequests: number
  readonly openForMs: number
}

/** How endpoints are probed. */
export interface HealthCheckSettings {
  readonly type: HealthCheckType
  readonly path: string
  readonly method: string
  /** Undefined: the endpoint's own. */
  readonly port: number | undefined
  /** Undefined: the service's first host, or its name. */
  readonly host: string | undefined
  /** Some of them let the probe in somewhere, so all print as `[redacted]`. */
  readonly headers: Readonly<Record<string, Secret>>
  /** Ranges, both ends included. */
  readonly expectedStatuses: readonly (readonly [from: number, to: number])[]
  readonly expectedBody: string | undefined
  /** What gRPC asks about; empty: the whole server. */
  readonly serviceName: string
  readonly intervalMs: number
  /** Undefined: `intervalMs`. */
  readonly unhealthyIntervalMs: number | undefined
  /** Undefined: twice `intervalMs`. */
  readonly noTrafficIntervalMs: number | undefined
  readonly timeoutMs: number
  readonly unhealthyAfter: number
  readonly healthyAfter: number
  readonly jitterPercent: number
  readonly endsEjection: boolean
}

/** `undefined`: no such bound. */
export interface LimitSettings {
  readonly maxConnections?: number
  readonly maxPending?: number
  readonly maxRequests?: number
  readonly maxRetries?: number
  readonly perEndpoint?: { readonly maxConnections?: number; readonly maxRequests?: number }
}

export interface RateSettings {
  readonly requests: number
  readonly perMs?: number
  readonly burst?: number
}

export interface RateLimitSettings extends RateSettings {
  /** Lower case. */
  readonly key?: string
}

export interface TlsSettings {
  readonly mode: 'off' | 'simple' | 'mutual'
  readonly ca: readonly (string | Uint8Array)[] | undefined
  readonly cert: readonly (string | Uint8Array)[] | undefined
  readonly key: Secret | undefined
  readonly serverName: string | undefined
  readonly sans: readonly SanMatch[] | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** Timeouts in force. `timeoutMs` undefined: 15 s to the head, nothing after it but `idleTimeoutMs`. */
export interface TimeoutSettings {
  readonly timeoutMs: number | undefined
  readonly headTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** The complete policy of one service; a section that is `false` is switched off. */
export interface Policy {
  readonly balancing: BalancingSettings
  readonly subset: SubsetSettings
  readonly timeouts: TimeoutSettings
  readonly retry: RetrySettings
  readonly hedge: HedgeSettings | false
  readonly circuitBreaker: BreakerSettings | false
  readonly outlierDetection: OutlierDetectionSettings | false
  readonly healthCheck: HealthCheckSettings | false
  readonly panicPercent: number
  readonly priorities: PrioritySettings
  readonly locality: LocalitySettings | false
  readonly limits: LimitSettings | false
  readonly adaptiveConcurrency: AdaptiveConcurrencySettings | false
  readonly throttle: ThrottleSettings | false
  readonly rateLimit: RateLimitSettings | false
  readonly fault: FaultSettings | false
  readonly fallback: FallbackSettings | false
  readonly lanes: LaneSettings | false
  /** By name. */
  readonly subsets: Readonly<Record<string, NamedSubsetSettings>> | false
  /** Undefined: as the URL's scheme says. */
  readonly tls: TlsSettings | undefined
}

/** Sections of a {@link Policy} as one resource wrote them: fields that were not written are absent. */
export interface PolicySections {
  readonly balancing?: Partial<BalancingSettings>
  readonly subset?: SubsetSettings
  readonly timeouts?: Partial<TimeoutSettings>
  readonly retry?: Partial<RetrySettings> | false
  readonly hedge?: Partial<HedgeSettings> | false
  readonly circuitBreaker?: Partial<BreakerSettings> | false
  readonly outlierDetection?: OutlierSections | false
  readonly healthCheck?: Partial<HealthCheckSettings> | false
  readonly panicPercent?: number
  readonly priorities?: Partial<PrioritySettings>
  readonly locality?: Partial<LocalitySettings> | false
  readonly limits?: LimitSettings | false
  readonly adaptiveConcurrency?: Partial<AdaptiveConcurrencySettings> | false
  readonly throttle?: Partial<ThrottleSettings> | false
  readonly rateLimit?: RateLimitSettings | false
  readonly fault?: FaultSettings | false
  readonly fallback?: FallbackSettings | false
  readonly lanes?: Partial<LaneSettings> | false
  readonly subsets?: Readonly<Record<string, NamedSubsetSettings>> | false
  readonly tls?: Partial<TlsSettings>
}

/** Key of a resource in the store: `kind/namespace/name`. */
export function resourceKey(resource: { kind: ResourceKind; namespace: string; name: string }): string {
  return `${resource.kind}/${resource.namespace}/${resource.name}`
}

/** `provenance` as it appears in `explain`, errors and events. */
export function formatProvenance(provenance: Provenance): string {
  const { source, kind, namespace, name, section } = provenance
  return `${source}/${kind}/${namespace}/${name}${section === undefined ? '' : `#${section}`}`
}

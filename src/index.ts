export { type DnsServiceOptions, type DnsSourceOptions, dnsSource } from './config/sources/dns.ts'
export { type FilePath, type FileSourceOptions, fileSource } from './config/sources/file.ts'
export { type HttpSourceOptions, httpSource } from './config/sources/http.ts'
export { type StaticSource, type StaticSourceOptions, staticSource } from './config/sources/static.ts'
export type { Call, Priority } from './core/call.ts'
export type { Clock, Timer } from './core/clock.ts'
export type { Described, Description } from './core/described.ts'
export type { Duration } from './core/duration.ts'
export type { Endpoint, EndpointSpec, Locality } from './core/endpoint.ts'
export { isMeshError, MeshError, type MeshErrorCode } from './core/errors.ts'
export type { Gate, Permit, Refusal } from './core/gate.ts'
export type { FailureKind, Outcome, Verdict } from './core/outcome.ts'
export { type Random, seededRandom } from './core/random.ts'
export type { FlagCounts, ResponseFlag, ResponseFlags } from './core/response-flags.ts'
export type { SecureOptions, TlsServerOptions } from './inbound/server-terms.ts'
export { createMesh, type Mesh } from './mesh.ts'
export type { AdaptiveConcurrencyOptions, AdaptiveConcurrencyStats, ConcurrencyAlgorithm } from './model/adaptive-concurrency.ts'
export type {
  AuthenticationOptions,
  AuthenticationStats,
  ClaimHeaderOptions,
  JsonWebKeySet,
  KeySetStats,
  RemoteKeysOptions,
  TokenAlgorithm,
  TokenPlaceOptions,
  TokenProviderOptions,
  TokenRequirementOptions,
  TokenRuleOptions,
} from './model/authentication.ts'
export type * from './model/authorization.ts'
export type {
  BalancingOptions,
  CookieOptions,
  HashOnOptions,
  LoadReportOptions,
  SessionOptions,
  SlowStartOptions,
  SubsetOptions,
} from './model/balancing.ts'
export type { ContextOptions, CurrentRequest } from './model/context-options.ts'
export type { MeshEvents } from './model/events.ts'
export type * from './model/explanation.ts'
export type { HealthChange, HealthReporter, HealthState } from './model/health.ts'
export type { HedgeOptions } from './model/hedge.ts'
export type { HttpAnswer, HttpClient, HttpRequest } from './model/http-client.ts'
export type * from './model/identity.ts'
export type * from './model/inbound.ts'
export type { InboundCall, InboundGate, WithMesh } from './model/inbound-call.ts'
export type * from './model/inbound-limits.ts'
export type { LevelShare, LocalityOptions, Nearness, PriorityOptions } from './model/locality.ts'
export type { BalancingPolicy, HealthCheckType, Protocol, RetryCondition } from './model/names.ts'
export type * from './model/options.ts'
export type {
  EnvoyOutlierOptions,
  EnvoyRuleOptions,
  GrpcOutlierOptions,
  GrpcRuleOptions,
  InmeshOutlierOptions,
  LatencyRuleOptions,
  OutlierDetectionOptions,
} from './model/outlier-detection.ts'
export type { Principal, RequestPrincipal } from './model/principal.ts'
export type * from './model/protection.ts'
export type { HealthPathOptions, HealthReport, LifecycleOptions, ReadinessState } from './model/readiness.ts'
export type { RequestOptions, ResponseData } from './model/request.ts'
export type { RetryOptions } from './model/retry-options.ts'
export type * from './model/routes.ts'
export type { Rejection, ResourceDelta, Sink, Source, SourceContext, Stop } from './model/source.ts'
export type { EndpointStats, InboundStats, MeshStats, RouteStats, RuleStats, ServiceStats, SubsetStats } from './model/stats.ts'
export type { MetadataOptions, NamedSubsetOptions, OtherwiseOptions, SelectionOptions } from './model/subsets.ts'
export type { ThrottleOptions, ThrottleStats } from './model/throttle.ts'

import type { Priority } from '../core/call.ts'
import type { Clock } from '../core/clock.ts'
import type { Duration } from '../core/duration.ts'
import type { Locality } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { AdaptiveConcurrencyOptions } from './adaptive-concurrency.ts'
import type { AuthorizationPolicyOptions } from './authorization.ts'
import type { BalancingOptions, SubsetOptions } from './balancing.ts'
import type { ContextOptions } from './context-options.ts'
import type { HealthReporter } from './health.ts'
import type { HedgeOptions } from './hedge.ts'
import type { IdentityOptions, Pem, TrustOptions } from './identity.ts'
import type { InboundOptions } from './inbound.ts'
import type { LocalityOptions, PriorityOptions } from './locality.ts'
import type { HealthCheckType, Protocol } from './names.ts'
import type { OutlierDetectionOptions } from './outlier-detection.ts'
import type { FallbackOptions, FaultOptions, LimitsOptions, RateLimitOptions, TrafficPolicyOptions } from './protection.ts'
import type { RetryOptions } from './retry-options.ts'
import type { LaneOptions, RouteOptions } from './routes.ts'
import type { Source } from './source.ts'
import type { MetadataOptions, NamedSubsetOptions } from './subsets.ts'
import type { ThrottleOptions } from './throttle.ts'

/** An endpoint as it may be written: `'10.0.0.1:8080'`, `'[::1]:8080'`, `'db.internal:80'`, or an object. */
export type EndpointOptions =
  | string
  | {
      /** `host:port`; IPv6 in brackets; a name stands for all of its addresses, and is kept resolved. */
      address: string
      /** Identity that outlives the address (pod uid, registry id); default: the address. */
      id?: string
      /** Share of traffic against its siblings, 1–1000. Default 1. */
      weight?: number
      locality?: Locality
      metadata?: Record<string, string>
      /** 0 is used first. Default 0. */
      priority?: number
    }

/** Asks endpoints whether they are in order. */
export interface HealthCheckOptions {
  /** Default `http`. */
  type?: HealthCheckType
  /** Default /healthz. */
  path?: string
  /** Default GET. */
  method?: string
  /** Default: the endpoint's. */
  port?: number
  /** `Host` of the probe. Default: the service's first host, or its name. */
  host?: string
  headers?: Record<string, string>
  /** Statuses, or ranges such as `[200, 299]` or `'200-299'`. Default `[200]`. */
  expectedStatuses?: (number | [from: number, to: number] | string)[]
  /** Text that must be within the first 1,024 bytes of the body. */
  expectedBody?: string
  /** For `grpc`: the service to ask about. Default: the whole server. */
  serviceName?: string
  /** Default 30s. */
  interval?: Duration
  /** While an endpoint is unhealthy. Default: `interval`. */
  unhealthyInterval?: Duration
  /** While the service has never been called. Default: twice `interval`. */
  noTrafficInterval?: Duration
  /** Default 1s. */
  timeout?: Duration
  /** Failures in a row that make an endpoint unhealthy. Default 3. */
  unhealthyAfter?: number
  /** Successes in a row that make it healthy again. Default 1. */
  healthyAfter?: number
  /** Each wait is longer by a random part of this much. Default 0. */
  jitterPercent?: number
  /** A passed check lets an ejected endpoint be probed at once. Default true. */
  endsEjection?: boolean
}

/** One breaker per service; it judges whole calls after their retries and counts only what means *unavailable*. */
export interface CircuitBreakerOptions {
  /** Opens at this share of unavailable calls, 1–100. Default 50. */
  failurePercent?: number
  /** Default 10s. */
  window?: Duration
  /** Calls in the window before it may open. Default 20. */
  minRequests?: number
  /** How long it stays open before one probe is let through. Default 5s. */
  openFor?: Duration
}

/** How a service is reached under TLS. */
export interface TlsOptions {
  /**
   * `off`: clear text; `simple`: TLS, the server proves itself; `mutual`: we show our `identity`, and the server must show a SPIFFE id of a
   * trust domain in `trust`. Default `simple` when the section is present.
   */
  mode?: 'off' | 'simple' | 'mutual'
  /** Trusted issuers. Default: the system's. */
  ca?: Pem
  /** Client certificate chain, PEM. Goes with `key`. */
  cert?: Pem
  /** Private key of `cert`, PEM. */
  key?: string | Uint8Array
  /** Name sent as SNI and checked in the certificate. Default: the URL's host. */
  serverName?: string
  /**
   * Names that the server's certificate must have one of, in place of `serverName`: exact, `prefix*`, `*suffix`, `*`. Default in mode
   * `mutual`: any SPIFFE id of our own trust domain.
   */
  sans?: string[]
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** Everything about how a service is called; the same shape serves as `defaults`. `false` switches a section off. */
export interface PolicyOptions {
  balancing?: BalancingOptions
  /** How many of the endpoints this process uses; every process others. Default `auto`: 100, or all where the policy hashes. */
  subset?: SubsetOptions
  /** Whole call, retries and backoff included, to the last byte. Default: 15 s to the head of the answer, then `idleTimeout`. */
  timeout?: Duration
  /** TCP and TLS together. Default 2s. */
  connectTimeout?: Duration
  /** Longest silence between two pieces of a body. Default 60s. */
  idleTimeout?: Duration
  retry?: RetryOptions | false
  /** Another endpoint is asked too when one is slow. Default off. */
  hedge?: HedgeOptions | false
  circuitBreaker?: CircuitBreakerOptions | false
  outlierDetection?: OutlierDetectionOptions | false
  /** Default: none. */
  healthCheck?: HealthCheckOptions | false
  /** What the service may cost at once. Default off. */
  limits?: LimitsOptions | false
  /** How many calls at once, found out from how long they take; `true` for the defaults. Default off. */
  adaptiveConcurrency?: AdaptiveConcurrencyOptions | boolean
  /** The more calls fail, the fewer are sent; `true` for the defaults. Default off. */
  throttle?: ThrottleOptions | boolean
  /** How many calls in a time. Default off. */
  rateLimit?: RateLimitOptions | false
  /** Faults to try callers with. Default off. */
  fault?: FaultOptions | false
  /** An answer in place of a failure. Default off. */
  fallback?: FallbackOptions | false
  /** Calls of one colour go to endpoints of that colour. Default off. */
  lanes?: LaneOptions | false
  /** Endpoints that routes may name by their metadata; how many are used of all is said by `subset`. Default: none. */
  subsets?: Record<string, NamedSubsetOptions> | false
  /** Panic: below this share of usable endpoints all of them are used. Default 50; 0 never. */
  panicPercent?: number
  /** How calls spill over from priority to priority. */
  priorities?: PriorityOptions
  /** How calls are spread over zones and regions. Default: zone-aware from 6 endpoints on, where the mesh has a `locality`. */
  locality?: LocalityOptions | false
  tls?: TlsOptions
}

/** One service in the short form. */
export interface ServiceOptions extends PolicyOptions {
  /** Namespace it is addressed in. Default: the mesh's. */
  namespace?: string
  /** Further hosts it answers to: `host`, `host:port`, `*.host`. */
  hosts?: string[]
  /** The only port, or ports, it answers on. Default: any. */
  port?: number
  ports?: number[]
  /** Default `auto`: over TLS HTTP/2 where the server agrees on it (ALPN), else HTTP/1.1. `http2` in clear text is prior knowledge. */
  protocol?: Protocol
  /** Where it runs. Without endpoints it runs where its first host resolves to. */
  endpoints?: EndpointOptions[]
}

/** A document in the short form, as `createMesh` and `staticSource` take it. */
export interface ConfigOptions<Name extends string = string, Backend extends string = string> {
  services?: { [name in Name]?: ServiceOptions }
  /** Who may call what; asked in order. */
  policies?: TrafficPolicyOptions[]
  /** What becomes of the calls to which hosts. */
  routes?: RouteOptions<Backend>[]
}

/** The same as a source gives it: with the policies for requests that come in, which the options have under `inbound`. */
export interface SourceConfigOptions extends ConfigOptions {
  authorization?: AuthorizationPolicyOptions[]
}

/** What undici's module exports, as far as the mesh uses it; hand in your own copy as `createMesh({ undici })`. */
export type UndiciModule = object

/** Any undici dispatcher, without its types. */
export interface DispatcherLike {
  dispatch(options: never, handler: never): boolean
}

/** Writes what went wrong beside the calls. Whatever it throws is swallowed. */
export interface Logger {
  warn(message: string, detail?: unknown): void
  error(message: string, detail?: unknown): void
}

/** Everything `createMesh` takes. `Name`: the services that are named in it; `Backend`: those that its routes lead to. */
export interface MeshOptions<Name extends string = string, Backend extends string = string> extends ConfigOptions<Name, Backend> {
  /** Our own name, for peers and telemetry. */
  service?: string
  /** Default `default`. */
  namespace?: string
  locality?: Locality
  /** What every service starts from. */
  defaults?: PolicyOptions
  /** Further configuration; the later replaces the earlier, these options replace them all. */
  sources?: Source[]
  /** What holds for the requests that this process receives. */
  inbound?: InboundOptions
  /** Who we are to our peers. */
  identity?: IdentityOptions
  /** Whom we believe, by trust domain. */
  trust?: TrustOptions
  /** What happens to hosts that are no service: `pass` (default) or `refuse`. */
  unknownHosts?: 'pass' | 'refuse'
  /** Addresses or CIDR ranges allowed although the address policy refuses them (link-local, metadata, multicast …). */
  allowAddresses?: string[]
  /** Takes what is not ours when it comes through `mesh.dispatcher`. Default: undici's own. */
  fallback?: DispatcherLike
  /** An undici to use instead of the one installed beside inmesh. */
  undici?: UndiciModule
  /** Further gates for every outbound call, asked in order after the breaker. */
  gates?: Gate[]
  /** Told of every change of an endpoint's health and of every ejection. */
  healthReporters?: HealthReporter[]
  logger?: Logger
  clock?: Clock
  random?: Random
  /**
   * What flows from a request that came in to the calls beneath it. Set false to do without AsyncLocalStorage; `mesh.with` is then
   * refused. Default true.
   */
  context?: boolean | ContextOptions
}

/** Per-call wishes: `mesh.fetch(url, { mesh: … })`, `mesh.request(url, { mesh: … })`, `mesh.with(…, fn)`. */
export interface CallOptions {
  /** Bound of the whole call. */
  timeout?: Duration
  /** Says that a second execution does no harm, so that a broken try may be repeated. */
  idempotent?: boolean
  /** Key for balancers that hash. */
  hashKey?: string
  priority?: Priority
  /** Re-sends after the first try, 0–10. */
  retries?: number
  /** Only endpoints with these metadata, among those that its route leads to. */
  metadata?: MetadataOptions
  /** The call outlives the request that it is made beneath: neither that request's deadline nor its end concern it. Default false. */
  detached?: boolean
}

type NamesIn<O> = O extends { services: infer S } ? keyof S & string : never

/**
 * What the routes of `createMesh` must be when all services are in its options: a backend that is none of them is misspelt. With sources
 * anything goes, since they may name it; so it does where the compiler does not see what is written.
 */
export type RoutesToServices<Name extends string, Backend extends string, From> = [From] extends [undefined]
  ? string extends Backend
    ? unknown
    : { routes?: RouteOptions<Name>[] }
  : unknown

/** Names of the services in `O`, and any other string, so that editors complete and nothing is forbidden. */
export type ServiceName<O> = NamesIn<O> | (string & {})

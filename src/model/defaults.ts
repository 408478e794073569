import type { LoadReportSettings, SlowStartSettings } from './balancing.ts'
import type { InboundTlsSettings } from './identity.ts'
import type { HealthCheckSettings, Policy, TlsSettings } from './resources.ts'
import type { LaneSettings } from './route-settings.ts'

/** What every service starts from. The docs' table of defaults is compared with this one by a test. */
export const DEFAULT_POLICY = Object.freeze({
  balancing: Object.freeze({
    policy: 'least-request',
    slowStart: false,
    peakEwma: Object.freeze({ decayMs: 10_000 }),
    hashOn: undefined,
    ringHash: Object.freeze({ minSize: 1_024, maxSize: 8_388_608 }),
    maglev: Object.freeze({ tableSize: 65_537 }),
    boundedLoad: false,
    loadReports: false,
    session: false,
  }),
  subset: 'auto',
  timeouts: Object.freeze({
    timeoutMs: undefined,
    headTimeoutMs: 15_000,
    connectTimeoutMs: 2_000,
    idleTimeoutMs: 60_000,
  }),
  retry: Object.freeze({
    attempts: 2,
    on: Object.freeze(['connect-failure', 'refused-stream', 'reset', 'gateway-error', 'timeout'] as const),
    perTryTimeoutMs: undefined,
    backoffBaseMs: 25,
    backoffMaxMs: 250,
    rateLimitedBackoff: undefined,
    budgetPercent: 20,
    budgetMinPerSecond: 10,
    otherPrioritiesAfter: false,
    repeatRetried: false,
  }),
  hedge: false,
  circuitBreaker: Object.freeze({ failurePercent: 50, windowMs: 10_000, minRequests: 20, openForMs: 5_000 }),
  outlierDetection: Object.freeze({
    algorithm: 'inmesh',
    consecutiveFailures: 5,
    ejectForMs: 30_000,
    maxEjectForMs: 300_000,
    maxEjectedPercent: 50,
    intervalMs: 10_000,
    failurePercent: 50,
    latency: Object.freeze({ boundMs: 1_000, quantile: 90, times: 3 }),
    minRequests: 20,
    compare: 'relative',
  }),
  healthCheck: false,
  panicPercent: 50,
  priorities: Object.freeze({ overprovisioningPercent: 140, failTrafficOnPanic: false }),
  locality: Object.freeze({ mode: 'zone-aware', minEndpoints: 6, forceLocalZone: false, weights: undefined, failover: undefined }),
  limits: false,
  adaptiveConcurrency: false,
  throttle: false,
  rateLimit: false,
  fault: false,
  fallback: false,
  lanes: false,
  subsets: false,
  tls: undefined,
}) satisfies Policy

/** What a `healthCheck` section that is present starts from. */
export const DEFAULT_HEALTH_CHECK: HealthCheckSettings = Object.freeze({
  type: 'http',
  path: '/healthz',
  method: 'GET',
  port: undefined,
  host: undefined,
  headers: Object.freeze({}),
  expectedStatuses: Object.freeze([Object.freeze([200, 200] as const)]),
  expectedBody: undefined,
  serviceName: '',
  intervalMs: 30_000,
  unhealthyIntervalMs: undefined,
  noTrafficIntervalMs: undefined,
  timeoutMs: 1_000,
  unhealthyAfter: 3,
  healthyAfter: 1,
  jitterPercent: 0,
  endsEjection: true,
})

/** What a `slowStart` section that is present starts from. */
export const DEFAULT_SLOW_START: SlowStartSettings = Object.freeze({ windowMs: 30_000, minWeightPercent: 10, aggression: 1 })

/** What a `lanes` section that is present starts from. */
export const DEFAULT_LANES: LaneSettings = Object.freeze({ header: 'x-lane', label: 'lane', baseline: undefined, strict: false })

/** What `loadReports` that are switched on start from. */
export const DEFAULT_LOAD_REPORTS: LoadReportSettings = Object.freeze({
  blackoutMs: 10_000,
  expiryMs: 180_000,
  updateMs: 1_000,
  errorPenalty: 1,
  metrics: Object.freeze([]),
})

/** Endpoints that a process uses of a service that has more, unless `subset` says otherwise. */
export const DEFAULT_SUBSET_SIZE = 100

/** What a `tls` section that is present starts from. */
export const DEFAULT_TLS: TlsSettings = Object.freeze({
  mode: 'simple',
  ca: undefined,
  cert: undefined,
  key: undefined,
  serverName: undefined,
  sans: undefined,
  minVersion: 'TLSv1.2',
})

/** What an `inbound.tls` section starts from, written or not. */
export const DEFAULT_INBOUND_TLS: InboundTlsSettings = Object.freeze({
  mode: undefined,
  ca: undefined,
  sans: undefined,
  minVersion: 'TLSv1.2',
  maxConnectionAgeMs: 3_600_000,
  handshakeTimeoutMs: 10_000,
})

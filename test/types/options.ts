import { createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
// Options: what is right compiles, what is misspelt does not, however deep and whatever stands beside it.
import { createMesh, type Gate, type MeshOptions, seededRandom, staticSource } from 'inmesh'

const gate: Gate = { name: 'mine', admit: () => ({ settle() {} }) }
const endpoints = [
  '10.0.0.1:80',
  { address: '[::1]:80', id: 'a', weight: 2, locality: { zone: 'eu-1' }, metadata: { v: '2' }, priority: 1 },
]

export const right: MeshOptions = {
  service: 'web',
  namespace: 'default',
  locality: { region: 'eu', zone: 'eu-1' },
  defaults: { timeout: 2_000, retry: false, circuitBreaker: false, outlierDetection: false },
  services: {
    orders: {
      hosts: ['*.orders.example.com'],
      port: 8080,
      protocol: 'http1',
      endpoints,
      balancing: { policy: 'weighted-round-robin', slowStart: { window: '30s', minWeightPercent: 10, aggression: 1 } },
      timeout: '2s',
      connectTimeout: '1s',
      idleTimeout: 60_000,
      retry: { attempts: 2, on: ['5xx', 'reset'], perTryTimeout: '500ms', backoff: { base: 25, max: '250ms' }, budget: { percent: 20 } },
      hedge: { after: 'p95', extraLoadPercent: 5, max: 2, onTryTimeout: true },
      circuitBreaker: { failurePercent: 50, window: '10s', minRequests: 20, openFor: '5s' },
      outlierDetection: {
        consecutiveFailures: 5,
        ejectFor: '30s',
        maxEjectFor: '5m',
        maxEjectedPercent: 50,
        interval: '10s',
        failurePercent: false,
        latency: '1s',
        minRequests: 20,
        compare: 'absolute',
      },
      healthCheck: { type: 'grpc', serviceName: 'shop.Orders', interval: '30s', expectedStatuses: [200, [204, 299], '300-399'] },
      panicPercent: 0,
      priorities: { overprovisioningPercent: 140, failTrafficOnPanic: false },
      locality: { mode: 'zone-aware', minEndpoints: 6, forceLocalZone: { minEndpoints: 2 } },
      limits: { maxConnections: 100, maxPending: 200, maxRequests: 500, maxRetries: 20, perEndpoint: { maxConnections: 10 } },
      adaptiveConcurrency: {
        algorithm: 'vegas',
        minLimit: 5,
        maxLimit: 50,
        updateInterval: '1s',
        minRtt: { interval: '30s', requests: 20 },
      },
      throttle: { successPercent: 90, aggression: 1.5, window: '1m', maxRejectPercent: 70, minPerSecond: 5 },
      rateLimit: { requests: 100, per: '1s', burst: 20, key: 'x-user' },
      fault: { delay: { duration: '2s', percent: 1 }, abort: { status: 503, header: { name: 'x-chaos' } } },
      fallback: { on: ['MESH_NO_ENDPOINT', '5xx'], respond: async ({ status }, { path }) => ({ status, body: path }) },
      tls: { mode: 'simple', ca: 'pem', serverName: 'orders', sans: ['orders.internal'], minVersion: 'TLSv1.3' },
    },
    billing: {
      locality: { mode: 'failover', failover: [{ from: 'eu', to: 'us' }] },
      retry: { otherPriorities: { after: 2 } },
      tls: { mode: 'mutual', sans: ['spiffe://example.org/*'] },
      outlierDetection: {
        algorithm: 'envoy',
        consecutive5xx: 5,
        consecutiveGatewayFailure: 5,
        consecutiveLocalOriginFailure: 5,
        splitExternalLocalOriginErrors: true,
        enforcingConsecutive5xxPercent: 100,
        enforcingConsecutiveGatewayFailurePercent: 0,
        enforcingConsecutiveLocalOriginFailurePercent: 100,
        successRate: { stdevFactor: 1_900, minimumHosts: 5, requestVolume: 100, enforcingPercent: 100, enforcingLocalOriginPercent: 100 },
        failurePercentage: {
          thresholdPercent: 85,
          minimumHosts: 5,
          requestVolume: 50,
          enforcingPercent: 0,
          enforcingLocalOriginPercent: 0,
        },
        interval: '10s',
        baseEjectionTime: '30s',
        maxEjectionTime: '5m',
        maxEjectionTimeJitter: 0,
        maxEjectedPercent: 10,
        alwaysEjectOneHost: true,
        successfulActiveHealthCheckUnejectHost: false,
        probe: true,
      },
    },
    mail: {
      outlierDetection: {
        algorithm: 'grpc',
        interval: '10s',
        baseEjectionTime: '30s',
        maxEjectionTime: '5m',
        maxEjectedPercent: 10,
        successRate: { stdevFactor: 1_900, enforcementPercent: 100, minimumHosts: 5, requestVolume: 100 },
        failurePercentage: false,
        probe: false,
      },
    },
    slow: { outlierDetection: { latency: { bound: '1s', quantile: 99, times: 3 } } },
  },
  sources: [staticSource({ services: { billing: {} } })],
  policies: [{ name: 'a', source: { service: 'web' }, target: { methods: ['GET'] }, action: 'redirect', redirectTo: 'billing' }],
  identity: { certFile: 'cert.pem', keyFile: 'key.pem', caFile: 'ca.pem', poll: '10s' },
  trust: { 'example.org': { ca: ['pem', new Uint8Array()], crlFile: 'crl.pem' } },
  inbound: { tls: { mode: 'permissive', sans: ['*'], maxConnectionAge: '1h', handshakeTimeout: '10s', minVersion: 'TLSv1.3' } },
  unknownHosts: 'refuse',
  allowAddresses: ['169.254.0.0/16'],
  gates: [gate],
  healthReporters: [{ report: ({ service, state, source }) => void [service, state === 'ejected', source === 'active'] }],
  random: seededRandom(1),
  context: false,
}

export function wrong(): void {
  // @ts-expect-error no such option
  createMesh({ unknownHost: 'pass' })
  // @ts-expect-error no such option, beside one that there is
  createMesh({ services: {}, servces: {} })
  // @ts-expect-error `block` is no way to treat unknown hosts
  createMesh({ unknownHosts: 'block' })
  // @ts-expect-error no such option of a service
  createMesh({ services: { orders: { endpoints: [], timeOut: '2s' } } })
  // @ts-expect-error addresses, not ports
  createMesh({ services: { orders: { endpoints: [8080] } } })
  // @ts-expect-error an endpoint needs an address
  createMesh({ services: { orders: { endpoints: [{ weight: 2 }] } } })
  // @ts-expect-error no such policy
  createMesh({ services: { orders: { balancing: { policy: 'best' } } } })
  // @ts-expect-error a number
  createMesh({ services: { orders: { retry: { attempts: '2' } } } })
  // @ts-expect-error a number
  createMesh({ services: { orders: { hedge: { afterMs: 200 } } } })
  // @ts-expect-error no such option of retry
  createMesh({ services: { orders: { retry: { attempts: 2, perTryTimeOut: '1s' } } } })
  // @ts-expect-error no such limit
  createMesh({ services: { orders: { limits: { maxRequest: 1 } } } })
  // @ts-expect-error a fallback needs an answer
  createMesh({ services: { orders: { fallback: { on: ['5xx'] } } } })
  // @ts-expect-error no such action
  createMesh({ policies: [{ name: 'a', action: 'drop' }] })
  // @ts-expect-error no such condition
  createMesh({ services: { orders: { retry: { on: ['4xx'] } } } })
  // @ts-expect-error only false switches a section off
  createMesh({ services: { orders: { circuitBreaker: true } } })
  // @ts-expect-error no such mode
  createMesh({ services: { orders: { tls: { mode: 'always' } } } })
  // @ts-expect-error no such algorithm
  createMesh({ services: { orders: { outlierDetection: { algorithm: 'istio' } } } })
  // @ts-expect-error a field of ours, beside Envoy's
  createMesh({ services: { orders: { outlierDetection: { algorithm: 'envoy', consecutiveFailures: 5 } } } })
  // @ts-expect-error a field of Envoy's, beside gRPC's
  createMesh({ services: { orders: { outlierDetection: { algorithm: 'grpc', consecutive5xx: 5 } } } })
  // @ts-expect-error a field of Envoy's without its name
  createMesh({ services: { orders: { outlierDetection: { consecutive5xx: 5 } } } })
  // @ts-expect-error only gRPC's rules can be switched off
  createMesh({ services: { orders: { outlierDetection: { algorithm: 'envoy', successRate: false } } } })
  // @ts-expect-error no such option of the defaults
  createMesh({ defaults: { timeout: '2s', retries: 2 } })
  // @ts-expect-error a gate has a name
  createMesh({ gates: [{ admit: () => ({ settle() {} }) }] })
  // @ts-expect-error a source watches
  createMesh({ sources: [{ name: 'mine' }] })
  // @ts-expect-error no such option of a service
  staticSource({ services: { orders: { host: 'x' } } })
}

/** What `mesh.tls` gives is what Node's servers take. */
export function servers(mesh: ReturnType<typeof createMesh>): void {
  createHttpsServer(mesh.tls(), (request) => void mesh.principalOf(request.socket)?.trustDomain)
  createSecureServer(mesh.tls({ mode: 'strict' }))
  mesh.server((_, response) => response.end(), { mode: 'permissive' }).listen(0)
  // @ts-expect-error no such mode
  mesh.tls({ mode: 'mutual' })
  mesh.on('identityExpiring', ({ percent, leftMs }) => percent + leftMs)
}

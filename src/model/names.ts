/** What makes a try worth repeating. */
export type RetryCondition = '5xx' | 'gateway-error' | 'reset' | 'connect-failure' | 'refused-stream' | 'timeout' | 'envoy-ratelimited'

/** How endpoints are chosen. */
export type BalancingPolicy = 'round-robin' | 'weighted-round-robin' | 'random' | 'least-request' | 'peak-ewma' | 'ring-hash' | 'maglev'

/** What an active health check speaks. */
export type HealthCheckType = 'http' | 'tcp' | 'grpc'

export { Gcra } from '../core/gcra.ts'
export { type RateMeter, TokenBucket, type TokenBucketSettings } from '../core/token-bucket.ts'
export {
  type AdaptiveConcurrencySettings,
  DEFAULT_ADAPTIVE_CONCURRENCY,
} from '../model/adaptive-concurrency.ts'
export {
  DEFAULT_ENVOY_OUTLIERS,
  DEFAULT_GRPC_FAILURE_PERCENTAGE,
  DEFAULT_GRPC_OUTLIERS,
  DEFAULT_GRPC_SUCCESS_RATE,
  type EnvoyOutlierSettings,
  type EnvoyRuleSettings,
  type GrpcOutlierSettings,
  type GrpcRuleSettings,
  type LatencyRuleSettings,
  type OutlierDetectionSettings,
  type OutlierSettings,
} from '../model/outlier-detection.ts'
export { DEFAULT_THROTTLE, type ThrottleSettings } from '../model/throttle.ts'
export { AdaptiveConcurrency, type AdaptiveConcurrencyParts } from './adaptive-concurrency.ts'
export type { BreakerListener, BreakerState } from './circuit-breaker.ts'
export { CircuitBreaker } from './circuit-breaker.ts'
export { gradientLimit } from './concurrency/gradient-limit.ts'
export type { Bounds } from './concurrency/limit-algorithm.ts'
export { ConnectionLimit, type ConnectionWaiter } from './connection-limit.ts'
export type { OutlierListener } from './ejections.ts'
export { EnvoyOutliers } from './envoy-outliers.ts'
export type { Task, TaskContext } from './execute.ts'
export type { ExecuteOptions } from './execute-options.ts'
export { type DrawnFault, FaultInjector } from './fault.ts'
export { GrpcOutliers } from './grpc-outliers.ts'
export { type HedgeContext, HedgePolicy, type NoHedgeReason } from './hedge.ts'
export { HedgeBudget } from './hedge-budget.ts'
export { LocalRateLimits } from './local-rate-limits.ts'
export { circuitBreaker, fromOpossum, type GuardedFunction, type OpossumBreaker } from './opossum.ts'
export { successRateThreshold } from './outlier-buckets.ts'
export { OutlierDetector } from './outlier-detection.ts'
export { RateLimit } from './rate-limit.ts'
export { RequestLimit, ResendLimit } from './request-limit.ts'
export { isIdempotentMethod, type NoRetryReason, type RetryContext, type RetryDecision, RetryPolicy } from './retry.ts'
export { type BudgetSettings, RetryBudget } from './retry-budget.ts'
export { Shedder } from './shedder.ts'
export { rejectShare, Throttle } from './throttle.ts'
export { TryTimes } from './try-times.ts'

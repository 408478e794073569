import * as v from 'valibot'
import { formatDuration } from '../../core/duration.ts'
import type { RateLimitedBackoff } from '../../model/call-policy-settings.ts'
import type { RetryCondition } from '../../model/names.ts'
import type { PolicySections } from '../../model/resources.ts'
import { adaptiveConcurrency } from './adaptive-concurrency.ts'
import { balancing, subset } from './balancing.ts'
import { checked, compact, duration, integer, listOf, oneOf, orOff, percent, type Report, record } from './blocks.ts'
import { healthCheck } from './health-check.ts'
import { hedge } from './hedge.ts'
import { lanes } from './lanes.ts'
import { locality, otherPriorities, priorities } from './locality.ts'
import { some } from './outbound-policies.ts'
import { outlierDetection } from './outlier-detection.ts'
import { fallback, fault, headerName, limits, rateLimit } from './protection.ts'
import { subsets } from './subsets.ts'
import { throttle } from './throttle.ts'
import { tls } from './tls.ts'

/** What a retry policy may name. */
const CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'connect-failure',
  'refused-stream',
  'timeout',
  'envoy-ratelimited',
] as const satisfies readonly RetryCondition[]

const flag = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

/** Envoy's `rate_limited_retry_back_off`. */
const rateLimitedBackoff = v.pipe(
  record({
    headers: some('headers', record({ name: headerName, format: oneOf(['seconds', 'unix']) })),
    max: v.optional(duration(), 300_000),
  }),
  v.transform(({ headers, max }): RateLimitedBackoff => Object.freeze({ headers: Object.freeze(headers), maxMs: max })),
)

export const retry = v.pipe(
  record({
    attempts: v.optional(integer(0, 10)),
    on: v.optional(listOf('conditions', oneOf(CONDITIONS))),
    perTryTimeout: v.optional(duration()),
    backoff: v.optional(
      record({ base: v.optional(duration()), max: v.optional(duration()) }, [], ({ base, max }, report) => {
        if (base !== undefined && max !== undefined && max < base)
          report(['max'], `expected at least backoff.base (${formatDuration(base)}), got ${formatDuration(max)}`)
      }),
    ),
    rateLimitedBackoff: v.optional(rateLimitedBackoff),
    budget: v.optional(record({ percent: v.optional(percent()), minPerSecond: v.optional(integer(0, 1_000_000)) })),
    otherPriorities: v.optional(otherPriorities),
    repeatRetried: v.optional(flag),
  }),
  v.transform(({ attempts, on, perTryTimeout, backoff, rateLimitedBackoff: limited, budget, otherPriorities: others, repeatRetried }) =>
    compact({
      attempts,
      on,
      repeatRetried,
      perTryTimeoutMs: perTryTimeout,
      backoffBaseMs: backoff?.base,
      backoffMaxMs: backoff?.max,
      rateLimitedBackoff: limited,
      budgetPercent: budget?.percent,
      budgetMinPerSecond: budget?.minPerSecond,
      otherPrioritiesAfter: others,
    }),
  ),
)

const circuitBreaker = v.pipe(
  record({
    failurePercent: v.optional(percent(1)),
    window: v.optional(duration()),
    minRequests: v.optional(integer(1, 1_000_000_000)),
    openFor: v.optional(duration()),
  }),
  v.transform(({ failurePercent, window, minRequests, openFor }) =>
    compact({ failurePercent, windowMs: window, minRequests, openForMs: openFor }),
  ),
)

/** What a later version adds to a policy. */
export const LATER_POLICY_KEYS = ['maxDuration'] as const

/** The policy keys of a service and of `defaults`. */
export const policyEntries = {
  balancing: v.optional(balancing),
  subset: v.optional(subset),
  timeout: v.optional(duration()),
  connectTimeout: v.optional(duration()),
  idleTimeout: v.optional(duration()),
  retry: v.optional(orOff(retry)),
  hedge: v.optional(orOff(hedge)),
  circuitBreaker: v.optional(orOff(circuitBreaker)),
  outlierDetection: v.optional(orOff(outlierDetection)),
  healthCheck: v.optional(orOff(healthCheck)),
  panicPercent: v.optional(percent()),
  priorities: v.optional(priorities),
  locality: v.optional(orOff(locality)),
  limits: v.optional(orOff(limits)),
  adaptiveConcurrency: v.optional(orOff(adaptiveConcurrency)),
  throttle: v.optional(orOff(throttle)),
  rateLimit: v.optional(orOff(rateLimit)),
  fault: v.optional(orOff(fault)),
  fallback: v.optional(orOff(fallback)),
  lanes: v.optional(orOff(lanes)),
  subsets: v.optional(orOff(subsets)),
  tls: v.optional(tls),
}

/** What the parts of a policy must be to each other. */
export function acrossPolicy({ timeout, retry: written }: { timeout?: number | undefined; retry?: unknown }, report: Report): void {
  const perTry = (written as { perTryTimeoutMs?: number } | false | undefined) || {}
  if (timeout !== undefined && perTry.perTryTimeoutMs !== undefined && perTry.perTryTimeoutMs > timeout)
    report(
      ['retry', 'perTryTimeout'],
      `expected at most timeout (${formatDuration(timeout)}), got ${formatDuration(perTry.perTryTimeoutMs)}: the whole call ends before such a try could`,
    )
}

/** The policy keys of a service or of `defaults`, checked. */
export type ParsedPolicy = { [Key in keyof typeof policyEntries]?: v.InferOutput<(typeof policyEntries)[Key]> }

/** Groups what was written into sections; what was not written stays absent. */
export function toSections(parsed: ParsedPolicy): PolicySections {
  const { timeout, connectTimeout, idleTimeout } = parsed
  const timeouts = compact({ timeoutMs: timeout, headTimeoutMs: timeout, connectTimeoutMs: connectTimeout, idleTimeoutMs: idleTimeout })
  return compact({
    balancing: parsed.balancing === undefined ? undefined : compact(parsed.balancing),
    subset: parsed.subset,
    timeouts: Object.keys(timeouts).length === 0 ? undefined : timeouts,
    retry: parsed.retry,
    hedge: parsed.hedge,
    circuitBreaker: parsed.circuitBreaker,
    outlierDetection: parsed.outlierDetection,
    healthCheck: parsed.healthCheck,
    panicPercent: parsed.panicPercent,
    priorities: parsed.priorities,
    locality: parsed.locality,
    limits: parsed.limits && compact(parsed.limits),
    adaptiveConcurrency: parsed.adaptiveConcurrency,
    throttle: parsed.throttle,
    rateLimit: parsed.rateLimit,
    fault: parsed.fault,
    fallback: parsed.fallback,
    lanes: parsed.lanes,
    subsets: parsed.subsets,
    tls: parsed.tls,
  }) as PolicySections
}

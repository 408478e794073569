import * as v from 'valibot'
import { formatDuration } from '../../core/duration.ts'
import { DEFAULT_POLICY } from '../../model/defaults.ts'
import {
  DEFAULT_ENVOY_OUTLIERS,
  DEFAULT_GRPC_FAILURE_PERCENTAGE,
  DEFAULT_GRPC_SUCCESS_RATE,
  type LatencyRuleSettings,
  type OutlierSections,
} from '../../model/outlier-detection.ts'
import { checked, compact, duration, integer, isPlainObject, oneOf, orOff, percent, type Report, record } from './blocks.ts'

const ALGORITHMS = ['inmesh', 'envoy', 'grpc'] as const

const boolean = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))
const algorithm = v.optional(oneOf(ALGORITHMS))
/** Envoy's and gRPC's counts are 32 bits wide. */
const count = v.optional(integer(0, 4_294_967_295))

function number(from: number, to: number): v.GenericSchema<unknown, number> {
  return checked(`a number from ${from} to ${to}`, (input) =>
    typeof input === 'number' && input >= from && input <= to ? input : undefined,
  )
}

/** The longest ejection must not be shorter than the first. */
function longest(first: string, most: string) {
  return (written: Record<string, unknown>, report: Report): void => {
    const [from, to] = [written[first], written[most]]
    if (typeof from === 'number' && typeof to === 'number' && to < from)
      report([most], `expected at least ${first} (${formatDuration(from)}), got ${formatDuration(to)}`)
  }
}

const latency: v.GenericSchema<unknown, LatencyRuleSettings | false> = v.lazy((input) => {
  if (input === false) return v.literal(false)
  const of = (boundMs: number): LatencyRuleSettings => Object.freeze({ ...DEFAULT_POLICY.outlierDetection.latency, boundMs })
  if (!isPlainObject(input)) return v.pipe(duration(), v.transform(of))
  return v.pipe(
    record({ bound: v.optional(duration()), quantile: v.optional(number(50, 99.9)), times: v.optional(number(1, 1_000)) }),
    v.transform(({ bound, ...rest }) =>
      Object.freeze({ ...of(bound ?? DEFAULT_POLICY.outlierDetection.latency.boundMs), ...compact(rest) }),
    ),
  )
}) as v.GenericSchema<unknown, LatencyRuleSettings | false>

const inmesh = v.pipe(
  record(
    {
      algorithm,
      consecutiveFailures: v.optional(integer(1, 1_000_000)),
      ejectFor: v.optional(duration()),
      maxEjectFor: v.optional(duration()),
      maxEjectedPercent: v.optional(percent()),
      interval: v.optional(duration()),
      failurePercent: v.optional(orOff(percent(1))),
      latency: v.optional(latency),
      minRequests: v.optional(integer(1, 1_000_000_000)),
      compare: v.optional(oneOf(['relative', 'absolute'])),
    },
    [],
    longest('ejectFor', 'maxEjectFor'),
  ),
  v.transform(({ ejectFor, maxEjectFor, interval, ...rest }) =>
    compact({ ...rest, algorithm: 'inmesh' as const, ejectForMs: ejectFor, maxEjectForMs: maxEjectFor, intervalMs: interval }),
  ),
)

/** The times that Envoy and gRPC both have. */
const times = {
  interval: v.optional(duration()),
  baseEjectionTime: v.optional(duration()),
  maxEjectionTime: v.optional(duration()),
  maxEjectedPercent: v.optional(percent()),
  probe: v.optional(boolean),
}

/** A rule, complete: a field that was not written is that of `from`. */
function rule<const Entries extends v.ObjectEntries, Complete extends object>(entries: Entries, from: Complete) {
  return v.pipe(
    record(entries),
    v.transform((written): Complete => Object.freeze({ ...from, ...compact(written) })),
  )
}

const envoyRule = {
  minimumHosts: count,
  requestVolume: count,
  enforcingPercent: v.optional(percent()),
  enforcingLocalOriginPercent: v.optional(percent()),
}

const envoy = v.pipe(
  record(
    {
      algorithm,
      ...times,
      consecutive5xx: count,
      consecutiveGatewayFailure: count,
      consecutiveLocalOriginFailure: count,
      splitExternalLocalOriginErrors: v.optional(boolean),
      enforcingConsecutive5xxPercent: v.optional(percent()),
      enforcingConsecutiveGatewayFailurePercent: v.optional(percent()),
      enforcingConsecutiveLocalOriginFailurePercent: v.optional(percent()),
      successRate: v.optional(rule({ ...envoyRule, stdevFactor: count }, DEFAULT_ENVOY_OUTLIERS.successRate)),
      failurePercentage: v.optional(
        rule({ ...envoyRule, thresholdPercent: v.optional(percent()) }, DEFAULT_ENVOY_OUTLIERS.failurePercentage),
      ),
      maxEjectionTimeJitter: v.optional(duration({ zero: true })),
      alwaysEjectOneHost: v.optional(boolean),
      successfulActiveHealthCheckUnejectHost: v.optional(boolean),
    },
    [],
    longest('baseEjectionTime', 'maxEjectionTime'),
  ),
  v.transform(({ interval, baseEjectionTime, maxEjectionTime, maxEjectionTimeJitter, ...rest }) =>
    compact({
      ...rest,
      algorithm: 'envoy' as const,
      intervalMs: interval,
      baseEjectionMs: baseEjectionTime,
      maxEjectionMs: maxEjectionTime,
      maxEjectionJitterMs: maxEjectionTimeJitter,
    }),
  ),
)

const grpcRule = { minimumHosts: count, requestVolume: count, enforcementPercent: v.optional(percent()) }

const grpc = v.pipe(
  record(
    {
      algorithm,
      ...times,
      successRate: v.optional(orOff(rule({ ...grpcRule, stdevFactor: count }, DEFAULT_GRPC_SUCCESS_RATE))),
      failurePercentage: v.optional(orOff(rule({ ...grpcRule, thresholdPercent: v.optional(percent()) }, DEFAULT_GRPC_FAILURE_PERCENTAGE))),
    },
    [],
    longest('baseEjectionTime', 'maxEjectionTime'),
  ),
  v.transform(({ interval, baseEjectionTime, maxEjectionTime, ...rest }) =>
    compact({
      ...rest,
      algorithm: 'grpc' as const,
      intervalMs: interval,
      baseEjectionMs: baseEjectionTime,
      maxEjectionMs: maxEjectionTime,
    }),
  ),
)

const OF_ALGORITHM: ReadonlyMap<unknown, v.GenericSchema<unknown, unknown>> = new Map<unknown, v.GenericSchema<unknown, unknown>>([
  ['envoy', envoy],
  ['grpc', grpc],
])

/** Outlier detection by the rules that `algorithm` names: each knows its own fields alone. */
export const outlierDetection = v.lazy((input) => {
  const named = isPlainObject(input) ? input['algorithm'] : undefined
  return OF_ALGORITHM.get(named) ?? inmesh
}) as v.GenericSchema<unknown, OutlierSections>

import * as v from 'valibot'
import { type AdaptiveConcurrencySettings, DEFAULT_ADAPTIVE_CONCURRENCY } from '../../model/adaptive-concurrency.ts'
import { compact, duration, integer, oneOf, percent, record } from './blocks.ts'

const limit = integer(1, 1_000_000)

const section: v.GenericSchema<unknown, Partial<AdaptiveConcurrencySettings>> = v.pipe(
  record(
    {
      algorithm: v.optional(oneOf(['gradient', 'gradient2', 'vegas', 'aimd'])),
      minLimit: v.optional(limit),
      maxLimit: v.optional(limit),
      updateInterval: v.optional(duration()),
      minRtt: v.optional(
        record({
          interval: v.optional(duration()),
          requests: v.optional(integer(1, 100_000)),
          jitterPercent: v.optional(percent()),
          bufferPercent: v.optional(percent()),
        }),
      ),
      maxLatency: v.optional(duration()),
    },
    [],
    ({ minLimit, maxLimit }, report) => {
      if (minLimit !== undefined && maxLimit !== undefined && maxLimit < minLimit)
        report(['maxLimit'], `expected at least minLimit (${minLimit}), got ${maxLimit}`)
    },
  ),
  v.transform(
    ({ algorithm, minLimit, maxLimit, updateInterval, minRtt, maxLatency }) =>
      compact({
        algorithm,
        minLimit,
        maxLimit,
        updateIntervalMs: updateInterval,
        minRttIntervalMs: minRtt?.interval,
        minRttRequests: minRtt?.requests,
        minRttJitterPercent: minRtt?.jitterPercent,
        minRttBufferPercent: minRtt?.bufferPercent,
        maxLatencyMs: maxLatency,
      }) as Partial<AdaptiveConcurrencySettings>,
  ),
)

/** `adaptiveConcurrency` of a service: `true` for what is below, or the defaults. */
export const adaptiveConcurrency = v.lazy((input) =>
  input === true
    ? v.pipe(
        v.literal(true),
        v.transform(() => ({})),
      )
    : section,
) as v.GenericSchema<unknown, Partial<AdaptiveConcurrencySettings>>

/** `inbound.adaptiveConcurrency`, whole. */
export const inboundConcurrency = v.lazy((input) =>
  input === false
    ? v.literal(false)
    : v.pipe(
        adaptiveConcurrency,
        v.transform((written) => ({ ...DEFAULT_ADAPTIVE_CONCURRENCY, ...written })),
      ),
) as v.GenericSchema<unknown, AdaptiveConcurrencySettings | false>

import type { CallEnd } from './model-call.ts'

/** One ejection of a simulation, or what a rule found. */
export interface Ejection {
  /** Virtual milliseconds. */
  readonly at: number
  /** Numbers of who ejected, or found it, and of the endpoint, from 0. */
  readonly client: number
  readonly endpoint: number
  readonly reason: string
  /** The endpoint was in order. */
  readonly wrong: boolean
}

/** What a simulation showed. */
export interface SimulationReport {
  readonly calls: number
  readonly succeeded: number
  /** Calls that failed, by error code, or `status 503` where an answer was handed on. */
  readonly failed: Readonly<Record<string, number>>
  /** Share of calls that succeeded, 0–100. */
  readonly successPercent: number
  /** Time to the answer or the error, as callers saw it, whether the call succeeded or not. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Requests at the busiest endpoint ÷ mean of all. */
  readonly spread: number
  /** Requests at the endpoints ÷ calls; below 1 where the breaker refused. */
  readonly amplification: number
  /** Requests by endpoint. */
  readonly requests: readonly number[]
  readonly ejections: readonly Ejection[]
  /** Everything that a rule found, ejected for it or not: what a bound, or Envoy's and gRPC's enforcing, kept in use is here alone. */
  readonly detections: readonly Ejection[]
  /** Ejections of endpoints that were in order. */
  readonly falseEjections: number
  /** Endpoints that were bad, and that nobody ever ejected. */
  readonly missedEjections: number
}

/** @internal */
export function report(found: {
  readonly ends: readonly CallEnd[]
  readonly requests: readonly number[]
  readonly ejections: readonly Ejection[]
  readonly detections: readonly Ejection[]
  readonly bad: readonly number[]
}): SimulationReport {
  const { ends, requests, ejections, detections, bad } = found
  const latencies = Float64Array.from(ends, ({ latencyMs }) => latencyMs).sort()
  const failed: Record<string, number> = {}
  let succeeded = 0
  for (const { status, code } of ends) {
    if (status > 0 && status < 500) succeeded++
    else {
      const name = code ?? `status ${status}`
      failed[name] = (failed[name] ?? 0) + 1
    }
  }
  const sent = requests.reduce((sum, count) => sum + count, 0)
  return {
    calls: ends.length,
    succeeded,
    failed,
    successPercent: ratio(succeeded * 100, ends.length),
    p50Ms: quantile(latencies, 50),
    p99Ms: quantile(latencies, 99),
    spread: ratio(Math.max(0, ...requests) * requests.length, sent),
    amplification: ratio(sent, ends.length),
    requests,
    ejections,
    detections,
    falseEjections: ejections.filter(({ wrong }) => wrong).length,
    missedEjections: bad.filter((index) => !ejections.some(({ endpoint, wrong }) => endpoint === index && !wrong)).length,
  }
}

/** A report as lines for people. */
export function reportText(found: SimulationReport): string {
  const failures = Object.entries(found.failed).map(([name, count]) => `${count} ${name}`)
  return [
    `calls          ${found.calls}, ${found.successPercent.toFixed(2)} % succeeded${failures.length === 0 ? '' : ` (${failures.join(', ')})`}`,
    `latency        p50 ${found.p50Ms.toFixed(1)} ms, p99 ${found.p99Ms.toFixed(1)} ms`,
    `load           ${found.amplification.toFixed(2)} requests for each call, the busiest endpoint ${found.spread.toFixed(2)} times the mean`,
    `ejections      ${found.ejections.length}, ${found.falseEjections} of them wrong; ${found.missedEjections} bad endpoints never ejected`,
  ].join('\n')
}

/** The smallest value that `percent` of the sorted ones do not exceed; 0 of none. */
function quantile(sorted: Float64Array, percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0
}

function ratio(of: number, by: number): number {
  return by === 0 ? 0 : of / by
}

import type { Endpoint } from '../core/endpoint.ts'
import type { LoadReportSettings } from '../model/balancing.ts'
import { type LoadReport, parseLoadReport } from './load-report.ts'

/** Turns reports of load into weights of endpoints: the requests that one answers per unit of what it is used to (gRFC A58). */
export class LoadWeights {
  private readonly settings: LoadReportSettings

  constructor(settings: LoadReportSettings) {
    this.settings = settings
  }

  /** The headers, or the trailers, of an answer of `endpoint`. */
  heard(endpoint: Endpoint, header: string | undefined, binary: string | undefined, now: number): void {
    if (header === undefined && binary === undefined) return
    const report = parseLoadReport(header, binary)
    const weight = report === undefined ? 0 : this.weightFrom(report)
    // Nothing follows from an idle endpoint, nor from one that does not know its load.
    if (weight === 0) return
    const { load } = endpoint
    if (load === undefined) endpoint.load = { weight, since: now, at: now }
    else {
      if (now - load.at >= this.settings.expiryMs) load.since = now
      load.weight = weight
      load.at = now
    }
  }

  /** The weight of `endpoint`, or 0 while nothing is known of it. Who came back from an ejection is looked at anew. */
  weightOf({ load, warmFrom }: Endpoint, now: number): number {
    const { expiryMs, blackoutMs } = this.settings
    if (load === undefined || now - load.at >= expiryMs || now - Math.max(load.since, warmFrom) < blackoutMs) return 0
    return load.weight
  }

  private weightFrom(report: LoadReport): number {
    const requests = report.get('rps_fractional') ?? 0
    const utilization = this.utilizationFrom(report)
    if (requests <= 0 || utilization <= 0) return 0
    const weight = requests / (utilization + ((report.get('eps') ?? 0) / requests) * this.settings.errorPenalty)
    return Number.isFinite(weight) ? weight : 0
  }

  /** The metrics that were named, else what the application says, else the CPU (gRFC A114). */
  private utilizationFrom(report: LoadReport): number {
    let most = 0
    for (const metric of this.settings.metrics) most = Math.max(most, report.get(metric) ?? 0)
    return most || report.get('application_utilization') || (report.get('cpu_utilization') ?? 0)
  }
}

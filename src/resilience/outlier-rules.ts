import type { Endpoint } from '../core/endpoint.ts'
import { EndpointRecord, LatencyHistogram, RECORD } from '../core/endpoint-record.ts'
import type { Outcome } from '../core/outcome.ts'
import { SlidingWindow } from '../core/window.ts'
import type { OutlierSettings } from '../model/outlier-detection.ts'
import { LastHeard } from './last-heard.ts'
import { isWorse } from './significance.ts'

/**
 * The three rules of our outlier detection: failures in a row, a share of failures, and a quantile of latency beyond a bound. All count in
 * rings and are asked as the answers come, so that there is neither a timer nor a sweep.
 *
 * With `compare: 'relative'` an endpoint must also be clearly worse than the others of its service: where all suffer, the
 * trouble lies behind them, and who is ejected only leaves his load to the rest. Failures in a row are the exception, as long as one of
 * them was an answer: that is the endpoint's own word. Silence alone (connect, reset, timeout) may be that of our own network: it ejects
 * nobody while the others that are tried keep silent too, unless somebody who was not asked yet can be asked in its place.
 */
export class OutlierRules {
  private settings: OutlierSettings
  private readonly totals: SlidingWindow
  private latencies: LatencyHistogram
  private nextLookAt = Number.NEGATIVE_INFINITY
  private readonly answers = new LastHeard()
  private readonly silences = new LastHeard()

  constructor(settings: OutlierSettings) {
    this.settings = settings
    this.totals = new SlidingWindow(settings.intervalMs, 4)
    this.latencies = new LatencyHistogram(settings.intervalMs)
  }

  reconfigure(settings: OutlierSettings, endpoints: readonly Endpoint[], now: number): void {
    const { intervalMs } = this.settings
    this.settings = settings
    if (settings.intervalMs === intervalMs) return
    this.totals.resize(settings.intervalMs, now)
    this.latencies = new LatencyHistogram(settings.intervalMs)
    for (const { record } of endpoints) if (record?.owner === this) record.resize(settings.intervalMs, now)
  }

  /**
   * Counts one try, and says in words why its endpoint should go, or undefined.
   * @param timed false when its latency proves nothing, because our own event loop was blocked meanwhile
   * @param among how many endpoints are compared with each other
   * @param replaceable another endpoint, that nobody asked yet, would be used in its place
   */
  judge(endpoint: Endpoint, outcome: Outcome, now: number, timed: boolean, among: number, replaceable = false): string | undefined {
    const { verdict, status } = outcome
    const record = this.recordOf(endpoint)
    if (status > 0) this.answers.note(endpoint, now)
    else if (verdict === 'failure') this.silences.note(endpoint, now)
    if (verdict !== 'ignored') this.count(record, RECORD.answers, now)
    if (verdict === 'success') endpoint.consecutiveFailures = 0
    const slow = timed && this.sample(record, outcome, now)
    if (verdict === 'failure') {
      this.count(record, RECORD.failures, now)
      const reason = this.failsInARow(endpoint, record, status, now, replaceable) ?? this.failsTooOften(record, now, among)
      if (reason !== undefined) return reason
    }
    return slow ? this.tooSlow(record, now, among) : undefined
  }

  /** What `endpoint` did before it was ejected is no measure for the others either. */
  forget({ record }: Endpoint, now: number): void {
    if (record?.owner !== this) return
    this.totals.subtract(record.counts, now)
    if (record.latencies !== undefined) this.latencies.subtract(record.latencies, now)
    record.clear()
  }

  private recordOf(endpoint: Endpoint): EndpointRecord {
    const { record } = endpoint
    if (record?.owner === this) return record
    // What was counted for others is in no total of ours.
    endpoint.consecutiveFailures = 0
    endpoint.record = new EndpointRecord(this.settings.intervalMs, this)
    return endpoint.record
  }

  private count(record: EndpointRecord, column: number, now: number): void {
    record.counts.add(column, now)
    this.totals.add(column, now)
  }

  /** Takes the latency into account, and says whether it is beyond the bound. */
  private sample(record: EndpointRecord, { verdict, status, kind, unsent, latencyMs }: Outcome, now: number): boolean {
    const { latency } = this.settings
    if (typeof latency !== 'object') return false
    const slow = latencyMs > latency.boundMs
    // Whoever left, or ran out of time, knows how long he waited, which is a lower bound: it can only show that the endpoint is slow.
    const waited = slow && status === 0 && !unsent && (kind === 'timeout' || (verdict === 'ignored' && kind === 'aborted'))
    if (!waited && (verdict === 'ignored' || status === 0)) return false
    this.count(record, RECORD.samples, now)
    this.latencies.add(latencyMs, now)
    if (slow) {
      this.count(record, RECORD.slow, now)
      record.latencies ??= new LatencyHistogram(this.settings.intervalMs)
    }
    record.latencies?.add(latencyMs, now)
    return slow
  }

  private failsInARow(endpoint: Endpoint, record: EndpointRecord, status: number, now: number, replaceable: boolean): string | undefined {
    const { consecutiveFailures, compare } = this.settings
    if (endpoint.consecutiveFailures++ === 0) {
      record.rowSince = now
      record.rowAnswered = false
    }
    if (status > 0) record.rowAnswered = true
    if (endpoint.consecutiveFailures < consecutiveFailures) return undefined
    const silent = compare === 'relative' && !record.rowAnswered && !replaceable
    if (silent && this.allSilentSince(record.rowSince, endpoint)) return undefined
    return `${endpoint.consecutiveFailures} failures in a row (consecutiveFailures: ${consecutiveFailures})`
  }

  /** Others were tried beside `endpoint`, and none of them answered either. */
  private allSilentSince(time: number, endpoint: Endpoint): boolean {
    return this.silences.beside(endpoint) >= time && this.answers.beside(endpoint) < time
  }

  private failsTooOften({ counts }: EndpointRecord, now: number, among: number): string | undefined {
    const { failurePercent, minRequests, compare } = this.settings
    const failures = counts.sum(RECORD.failures, now)
    if (typeof failurePercent !== 'number' || failures < FEWEST) return undefined
    const answers = counts.sum(RECORD.answers, now)
    if (answers < minRequests || failures * 100 < failurePercent * answers) return undefined
    const failed = `failed ${share(failures, answers)} % of ${answers} answers`
    if (compare === 'absolute') return `${failed} (failurePercent: ${failurePercent})`
    const others = this.totals.sum(RECORD.answers, now) - answers
    const othersFailures = this.totals.sum(RECORD.failures, now) - failures
    if (!isWorse(failures, answers, othersFailures, others, among)) return undefined
    return `${failed}, the others ${share(othersFailures, others)} % (failurePercent: ${failurePercent})`
  }

  private tooSlow({ counts, latencies }: EndpointRecord, now: number, among: number): string | undefined {
    const { latency, minRequests, compare } = this.settings
    if (latency === false || latencies === undefined) return undefined
    const { boundMs, quantile, times } = latency
    const samples = counts.sum(RECORD.samples, now)
    const slow = counts.sum(RECORD.slow, now)
    // More of them beyond the bound than the quantile leaves is the same as a quantile beyond it.
    const tail = (samples * (100 - quantile)) / 100
    if (samples < minRequests || slow < FEWEST || slow <= tail) return undefined
    if (compare === 'absolute') return `p${quantile} of ${samples} answers beyond ${boundMs} ms (latency.bound)`
    // Where all are slow the comparison would be made for nearly every answer.
    if (now < this.nextLookAt) return undefined
    this.nextLookAt = now + LOOK_EVERY_MS
    const others = this.totals.sum(RECORD.samples, now) - samples
    if (others < minRequests) return undefined
    const theirs = this.latencies.quantile(quantile, others, now, latencies)
    const far = Math.max(boundMs, times * theirs)
    const beyond = far === boundMs ? slow : latencies.beyond(far, now)
    const othersBeyond = (far === boundMs ? this.totals.sum(RECORD.slow, now) : this.latencies.beyond(far, now)) - beyond
    // Of tails that are alike one is always longer: so many answers beyond must be more than chance, too.
    if (beyond <= tail || !isWorse(beyond, samples, othersBeyond, others, among)) return undefined
    const own = Math.round(latencies.quantile(quantile, samples, now))
    return `p${quantile} of ${own} ms, the others' ${Math.round(theirs)} ms (latency: beyond ${boundMs} ms and ${times} times the others')`
  }
}

/** Percent, with one digit behind the point. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part * 1_000) / whole) / 10
}

/** Fewer failures, or slow answers, prove nothing, whatever their share. */
const FEWEST = 5
const LOOK_EVERY_MS = 100

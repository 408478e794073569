import type { Endpoint } from '../core/endpoint.ts'
import { EndpointRecord, LatencyHistogram, RECORD } from '../core/endpoint-record.ts'
import type { Outcome } from '../core/outcome.ts'
import { SlidingWindow } from '../core/window.ts'
import type { OutlierSettings } from '../model/resources.ts'

/**
 * The two rules of outlier detection that look at shares instead of runs: an endpoint that fails at least half of its answers, and one
 * whose p90 is beyond a limit. Both count in rings and are asked as the answers come, so that there is neither a timer nor a sweep.
 *
 * With `compare: 'relative'` an endpoint must also be clearly worse than the others of its service: where all suffer, the
 * trouble lies behind them, and who is ejected only leaves his load to the rest.
 */
export class OutlierRules {
  private settings: OutlierSettings
  private readonly totals: SlidingWindow
  private latencies: LatencyHistogram
  private nextLookAt = Number.NEGATIVE_INFINITY

  constructor(settings: OutlierSettings, now: number) {
    this.settings = settings
    this.totals = new SlidingWindow(settings.intervalMs, 4, now)
    this.latencies = new LatencyHistogram(settings.intervalMs, now)
  }

  reconfigure(settings: OutlierSettings, endpoints: readonly Endpoint[], now: number): void {
    const { intervalMs } = this.settings
    this.settings = settings
    if (settings.intervalMs === intervalMs) return
    this.totals.resize(settings.intervalMs, now)
    this.latencies = new LatencyHistogram(settings.intervalMs, now)
    for (const endpoint of endpoints) endpoint.record?.resize(settings.intervalMs, now)
  }

  /**
   * Counts one try, and says in words why its endpoint should go, or undefined.
   * @param timed false when its latency proves nothing, because our own event loop was blocked meanwhile
   * @param among how many endpoints are compared with each other
   */
  judge(endpoint: Endpoint, outcome: Outcome, now: number, timed: boolean, among: number): string | undefined {
    const { verdict } = outcome
    if (endpoint.record === undefined) endpoint.record = new EndpointRecord(this.settings.intervalMs, now)
    const { record } = endpoint
    if (verdict !== 'ignored') this.count(record, RECORD.answers, now)
    const slow = timed && this.sample(record, outcome, now)
    if (verdict === 'failure') {
      this.count(record, RECORD.failures, now)
      const reason = this.failsTooOften(record, now, among)
      if (reason !== undefined) return reason
    }
    return slow ? this.tooSlow(record, now) : undefined
  }

  private count(record: EndpointRecord, column: number, now: number): void {
    record.counts.add(column, now)
    this.totals.add(column, now)
  }

  /** Takes the latency into account, and says whether it is beyond the limit. */
  private sample(record: EndpointRecord, { verdict, status, kind, unsent, latencyMs }: Outcome, now: number): boolean {
    const limitMs = this.settings.latencyMs
    if (typeof limitMs !== 'number') return false
    const slow = latencyMs > limitMs
    // Who left knows how long he waited, which is a lower bound: it can only show that the endpoint is slow.
    const usable = verdict === 'ignored' ? slow && kind === 'aborted' && status === 0 && !unsent : status > 0 || kind === 'timeout'
    if (!usable) return false
    this.count(record, RECORD.samples, now)
    this.latencies.add(latencyMs, now)
    if (slow) {
      this.count(record, RECORD.slow, now)
      record.latencies ??= new LatencyHistogram(this.settings.intervalMs, now)
    }
    record.latencies?.add(latencyMs, now)
    return slow
  }

  private failsTooOften({ counts }: EndpointRecord, now: number, among: number): string | undefined {
    const { failurePercent, minRequests, compare } = this.settings
    const failures = counts.sum(RECORD.failures, now)
    if (typeof failurePercent !== 'number' || failures < MIN_FAILURES) return undefined
    const answers = counts.sum(RECORD.answers, now)
    if (answers < minRequests || failures * 100 < failurePercent * answers) return undefined
    const others = this.totals.sum(RECORD.answers, now) - answers
    const othersFailures = this.totals.sum(RECORD.failures, now) - failures
    if (compare === 'relative' && !isWorse(failures, answers, othersFailures, others, among)) return undefined
    return `${failures} of ${answers} answers failed`
  }

  private tooSlow({ counts, latencies }: EndpointRecord, now: number): string | undefined {
    const { latencyMs, minRequests, compare } = this.settings
    const samples = counts.sum(RECORD.samples, now)
    // More than a tenth beyond the limit is the same as a p90 beyond it.
    if (samples < minRequests || counts.sum(RECORD.slow, now) * 10 <= samples) return undefined
    if (compare === 'absolute') return `p90 beyond ${latencyMs} ms`
    // Where all are slow the comparison would be made for nearly every answer.
    if (now < this.nextLookAt || latencies === undefined) return undefined
    this.nextLookAt = now + LOOK_EVERY_MS
    const others = this.totals.sum(RECORD.samples, now) - samples
    if (others < minRequests) return undefined
    const own = latencies.quantile(90, samples, now)
    const theirs = this.latencies.quantile(90, others, now, latencies)
    return own > TIMES_SLOWER * theirs ? `p90 of ${Math.round(own)} ms, the others' ${Math.round(theirs)} ms` : undefined
  }
}

/**
 * Whether so many failures are more than chance would give an endpoint that is like the others: the test of two proportions, with
 * the correction for small counts. Large counts make the smallest difference certain, so the odds must be twice the others' too.
 * The endpoint itself is not among the others: of few it would hide behind its own failures, as behind the mean in Envoy.
 */
function isWorse(failures: number, answers: number, othersFailures: number, others: number, among: number): boolean {
  // With nobody to compare with nothing can be told: were all to suffer, the last one in use would only change places with who is out.
  if (others === 0) return false
  // Multiplied crosswise: failures ÷ successes < TIMES_ODDS × othersFailures ÷ others' successes.
  if (failures * (others - othersFailures) < TIMES_ODDS * othersFailures * (answers - failures)) return false
  const together = (failures + othersFailures) / (answers + others)
  const spread = 1 / answers + 1 / others
  const difference = failures / answers - othersFailures / others - spread / 2
  // Of many some are always unlucky: the tail of a normal distribution falls by n where the square of its bound grows by 2 ln n.
  const bound = SIGNIFICANT * SIGNIFICANT + 2 * Math.log(Math.max(1, among / 2))
  return difference > 0 && difference * difference >= bound * together * (1 - together) * spread
}

/** Fewer failures prove nothing, whatever their share. */
const MIN_FAILURES = 5
/** How much worse than the others together an endpoint must be. */
const TIMES_ODDS = 2
/** Standard deviations, for two endpoints: chance alone goes beyond them once in a thousand times. */
const SIGNIFICANT = 3.09
const TIMES_SLOWER = 3
const LOOK_EVERY_MS = 100

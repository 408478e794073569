/**
 * How long one endpoint takes to answer, and how often it fails, as its load is judged by: the peak of late, worn down by time
 * (Finagle's and Linkerd's peak EWMA). A failure is no latency: one that comes fast must not make its endpoint attractive.
 *
 * All of them whole numbers of 32 bits, in the endpoint itself: with ten thousand endpoints a pick would else wait for memory three
 * times as long. Times go round after 49 days, so only their differences mean something.
 */
export interface LatencyRecord {
  /** 0: nothing; 1: somebody waited and left; 2: an answer, or a failure. */
  heard: number
  /** When it was last heard of, in milliseconds. */
  heardAt: number
  /** Microseconds, as of `heardAt`. */
  latencyPeak: number
  /** Share of failures of late in millionths, as of `heardAt`. */
  failing: number
  /** Until when (milliseconds) the endpoint asked to be spared; not after `heardAt` when it did not. */
  sparedUntil: number
}

/** An answer took `latencyMs`: a longer one than expected counts whole and at once, a shorter one as time passes. */
export function noteAnswer(record: LatencyRecord, latencyMs: number, decayMs: number, now: number): void {
  const kept = wear(record, decayMs, now)
  const latency = microseconds(latencyMs)
  const { latencyPeak, failing } = record
  record.heard = 2
  record.latencyPeak = latency > latencyPeak ? latency : Math.round(latencyPeak + (1 - kept) * latency) | 0
  record.failing = Math.round(failing * (1 - FAILURE_SHARE)) | 0
}

/** Somebody waited for `latencyMs` and left: it would have taken longer. */
export function noteWait(record: LatencyRecord, latencyMs: number, decayMs: number, now: number): void {
  wear(record, decayMs, now)
  const latency = microseconds(latencyMs)
  if (record.heard === 0) record.heard = 1
  if (latency > record.latencyPeak) record.latencyPeak = latency
}

/** A try failed after `latencyMs`. */
export function noteFailure(record: LatencyRecord, latencyMs: number, decayMs: number, now: number): void {
  noteWait(record, latencyMs, decayMs, now)
  record.heard = 2
  record.failing = Math.round(record.failing + FAILURE_SHARE * (ALWAYS - record.failing)) | 0
}

/** The endpoint, of which something was heard, asks to be spared for `forMs`; at most five minutes are granted. */
export function spare(record: LatencyRecord, forMs: number, now: number): void {
  const until = Math.floor(now + Math.min(forMs, MAX_SPARED_MS)) | 0
  if (((until - record.sparedUntil) | 0) > 0) record.sparedUntil = until
}

/**
 * What one more call is expected to take, in milliseconds, with what failures and a wish to be spared add to it; 0 when nothing is known.
 * @param busy tries are under way: what was long not heard of is worn down to nothing, which is for one call to look at, not for all
 */
export function costMs(
  { heard, heardAt, latencyPeak, failing, sparedUntil }: LatencyRecord,
  decayMs: number,
  now: number,
  busy: boolean,
): number {
  if (heard === 0) return 0
  const time = Math.floor(now) | 0
  const age = (time - heardAt) | 0
  let kept = age > 0 ? Math.exp(-age / decayMs) : 1
  if (busy && kept < FORGOTTEN) kept = 1
  const share = (failing / ALWAYS) * kept
  return (latencyPeak / 1_000) * kept + PENALTY_MS * share * share + (((sparedUntil - time) | 0) > 0 ? PENALTY_MS : 0)
}

/** Wears everything down to `now`; gives the part that is left. */
function wear(record: LatencyRecord, decayMs: number, now: number): number {
  const time = Math.floor(now) | 0
  if (record.heard === 0) {
    record.heardAt = time
    record.sparedUntil = time
    return 1
  }
  const age = (time - record.heardAt) | 0
  if (age <= 0) return 1
  const kept = Math.exp(-age / decayMs)
  record.latencyPeak = Math.round(record.latencyPeak * kept) | 0
  record.failing = Math.round(record.failing * kept) | 0
  record.heardAt = time
  if (((record.sparedUntil - time) | 0) < 0) record.sparedUntil = time
  return kept
}

/** One at least, since nothing is as quick as an endpoint that nobody asked yet; half an hour at most. */
function microseconds(ms: number): number {
  return Math.min(Math.max(Math.round(ms * 1_000), 1), 0x7fff_ffff) | 0
}

const ALWAYS = 1_000_000
/** Weight of one outcome in the share of failures. */
const FAILURE_SHARE = 0.1
/** What an endpoint costs more that only fails, or asks to be spared (Linkerd's penalty). Squared by the share: a few failures cost little. */
const PENALTY_MS = 5_000
/** So little is left of a peak after three times the decay. */
const FORGOTTEN = 0.05
/** Linkerd's bound of a `Retry-After`. */
const MAX_SPARED_MS = 300_000

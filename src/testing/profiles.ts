import type { FailureKind } from '../core/outcome.ts'
import type { Random } from '../core/random.ts'

/** What a modelled endpoint does with one request. */
export interface Reply {
  /** Milliseconds to the head of the answer, or to the failure. Infinity: it never comes. */
  readonly latencyMs: number
  /** Default 200; of no account where `kind` is given. */
  readonly status?: number
  /** It breaks instead of being answered: `connect` before anything was sent, `reset` afterwards. */
  readonly kind?: Exclude<FailureKind, 'aborted' | 'local' | 'timeout'>
  readonly retryAfterMs?: number
  /** What failed beneath it was tried again there, and its caller need not. */
  readonly retried?: boolean
}

/** When a request came to a modelled endpoint, and what else is there. */
export interface Moment {
  /** Virtual milliseconds since the start. */
  readonly now: number
  /** Requests that it holds, this one included, also those whose callers have left. */
  readonly inflight: number
  readonly random: Random
}

/** How an endpoint behaves: asked at every request. The functions here make profiles; any function of this shape is one. */
export type Profile = (moment: Moment) => Reply

/** Virtual milliseconds from `fromMs` until `untilMs`, the latter excluded. */
export interface Interval {
  readonly fromMs: number
  readonly untilMs: number
}

/** Answers every request after the same time. */
export function steady(latencyMs: number, status = 200): Profile {
  return () => ({ latencyMs, status })
}

/** Answers after a time that is drawn from an exponential distribution. */
export function exponential(meanMs: number): Profile {
  return ({ random }) => ({ latencyMs: -Math.log(1 - random()) * meanMs })
}

/** Answers after a time that is drawn from a log-normal distribution, which is what latencies of real services look like. */
export function logNormal({ p50Ms, p99Ms }: { readonly p50Ms: number; readonly p99Ms: number }): Profile {
  const sigma = Math.log(p99Ms / p50Ms) / Z99
  return ({ random }) => ({ latencyMs: p50Ms * Math.exp(sigma * normal(random)) })
}

/** As `profile`, `times` as slow. */
export function slower(times: number, profile: Profile): Profile {
  return (moment) => {
    const reply = profile(moment)
    return { ...reply, latencyMs: reply.latencyMs * times }
  }
}

/** As `profile`, except that a share of the requests, 0 to 1, ends with `status`, or breaks as its name says. */
export function failing(share: number, profile: Profile, how: number | NonNullable<Reply['kind']> = 503): Profile {
  return (moment) => {
    const reply = profile(moment)
    if (moment.random() >= share) return reply
    const { latencyMs } = reply
    return typeof how === 'number' ? { latencyMs, status: how } : { latencyMs, kind: how }
  }
}

/** Nobody listens: every connection is refused after a millisecond. */
export function refusing(): Profile {
  return () => ({ latencyMs: 1, kind: 'connect' })
}

/** Takes every request and never answers. */
export function hanging(): Profile {
  return () => ({ latencyMs: Number.POSITIVE_INFINITY })
}

/** As `profile`, except that the process stands still for an interval: whatever it would have done then is done afterwards. */
export function stalling({ fromMs, untilMs }: Interval, profile: Profile): Profile {
  return (moment) => {
    const reply = profile(moment)
    const { now } = moment
    if (now >= untilMs || now + reply.latencyMs < fromMs) return reply
    return { ...reply, latencyMs: reply.latencyMs + untilMs - Math.max(now, fromMs) }
  }
}

/** As `inside` for an interval, and as `profile` before and after. */
export function during({ fromMs, untilMs }: Interval, inside: Profile, profile: Profile): Profile {
  return (moment) => (moment.now >= fromMs && moment.now < untilMs ? inside(moment) : profile(moment))
}

/** Works on `workers` requests at a time, each for as long as `profile` says; the others wait in line. One for each endpoint: it has a memory. */
export function queueing(workers: number, profile: Profile): Profile {
  const freeAt = new Float64Array(workers)
  return (moment) => {
    const reply = profile(moment)
    let first = 0
    for (let worker = 1; worker < workers; worker++) if ((freeAt[worker] as number) < (freeAt[first] as number)) first = worker
    const begin = Math.max(moment.now, freeAt[first] as number)
    freeAt[first] = begin + reply.latencyMs
    return { ...reply, latencyMs: begin + reply.latencyMs - moment.now }
  }
}

/** Does these one after the other, request by request, and repeats the last. One for each endpoint: it has a memory. */
export function scripted(...steps: readonly (Reply | Profile)[]): Profile {
  let next = 0
  return (moment) => {
    const step = steps[Math.min(next++, steps.length - 1)] ?? { latencyMs: 1 }
    return typeof step === 'function' ? step(moment) : step
  }
}

/** A draw from the standard normal distribution (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** The 99th percentile of the standard normal distribution. */
const Z99 = 2.326_347_874

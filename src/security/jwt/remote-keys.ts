import { type Backoff, backoffMs, jittered } from '../../core/backoff.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Random } from '../../core/random.ts'
import { parseRetryAfter } from '../../core/retry-after.ts'
import type { KeySetStats, RemoteKeysSettings } from '../../model/authentication.ts'
import type { HttpAnswer, HttpClient } from '../../model/http-client.ts'
import { KeySet, readKeys } from './key-set.ts'
import type { KeySource } from './key-source.ts'

/** What fetching keys needs, and who hears of failures. */
export interface RemoteKeysContext {
  readonly http: HttpClient
  readonly clock: Clock
  readonly random: Random
  /** Fetches fail from now on; once until `recovered`. */
  failed(error: Error): void
  recovered(): void
}

/** Why a fetch brought no keys. */
class KeySetError extends Error {
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs = 0) {
    super(message)
    this.name = 'KeySetError'
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * A key set at a URL. It is fetched ahead of its expiry, at most once at a time, and again for a key that nobody knows, but not before
 * a while has passed: a flood of invented names costs two fetches a minute. The last good keys stay while the server fails, for as
 * long as it is allowed; then no token is believed any more.
 */
export class RemoteKeys implements KeySource {
  current: KeySet | undefined = undefined
  generation = 0
  private readonly settings: RemoteKeysSettings
  private readonly context: RemoteKeysContext
  private started = false
  private closed = false
  private fetching: Promise<void> | undefined = undefined
  private timer: Timer | undefined = undefined
  private nextAt = 0
  private endedAt = Number.NEGATIVE_INFINITY
  private goodAt = 0
  private fetches = 0
  private failures = 0
  private failuresInARow = 0

  constructor(settings: RemoteKeysSettings, context: RemoteKeysContext) {
    this.settings = settings
    this.context = context
  }

  start(): void {
    if (this.started || this.closed) return
    this.started = true
    void this.fetch()
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
  }

  renewed(): Promise<void> | undefined {
    if (this.fetching !== undefined || this.closed) return this.fetching
    // Without keys only the schedule fetches: whoever has a token must not be able to make us ask a broken server in a loop.
    const tooSoon = this.current === undefined || this.context.clock.now() - this.endedAt < COOLDOWN_MS
    return tooSoon ? undefined : this.fetch()
  }

  get retryAfterMs(): number {
    return Math.max(0, this.nextAt - this.context.clock.now())
  }

  stats(): KeySetStats {
    const { current, fetches, failures } = this
    if (current === undefined) return { keySet: 'missing', keys: 0, fetches, failures, ageMs: 0 }
    const ageMs = Math.round(this.context.clock.now() - this.goodAt)
    return { keySet: this.failuresInARow === 0 ? 'fresh' : 'stale', keys: current.size, fetches, failures, ageMs }
  }

  private fetch(): Promise<void> {
    this.timer?.cancel()
    this.fetches++
    this.fetching = this.load().then(
      (waitMs) => this.ended(waitMs),
      (error: unknown) => this.ended(this.missed(error)),
    )
    return this.fetching
  }

  /** One fetch; resolves to the milliseconds until the next. */
  private async load(): Promise<number> {
    const { url, timeoutMs, refreshMs } = this.settings
    const { http, clock, random } = this.context
    const answer = await http.request({ url, headers: { accept: 'application/json' }, timeoutMs, maxBytes: MAX_BYTES })
    if (answer.status !== 200) {
      const least = parseRetryAfter(answer.headers['retry-after'], clock.wallTime()) ?? 0
      throw new KeySetError(`the key set's server answered ${answer.status}`, Math.min(least, MAX_RETRY_AFTER_MS))
    }
    const keys = keysOf(answer)
    this.goodAt = clock.now()
    if (keys.fingerprint !== this.current?.fingerprint) this.replace(keys)
    if (this.failuresInARow > 0) this.context.recovered()
    this.failuresInARow = 0
    return jittered(lifetimeMs(answer.headers['cache-control']) ?? refreshMs, random)
  }

  /** A fetch failed; gives the milliseconds until the next. */
  private missed(error: unknown): number {
    const { clock, random, failed } = this.context
    this.failures++
    this.failuresInARow++
    if (this.failuresInARow === 1) failed(error instanceof Error ? error : new Error(String(error)))
    if (this.current !== undefined && clock.now() - this.goodAt >= this.settings.keepForMs) this.replace(undefined)
    const least = error instanceof KeySetError ? error.retryAfterMs : 0
    return Math.max(least, backoffMs(this.failuresInARow, BACKOFF, random))
  }

  private ended(waitMs: number): void {
    const { clock } = this.context
    this.fetching = undefined
    this.endedAt = clock.now()
    this.nextAt = this.endedAt + waitMs
    if (this.closed) return
    this.timer = clock.setTimer(() => void this.fetch(), waitMs)
    this.timer.unref()
  }

  private replace(keys: KeySet | undefined): void {
    this.current = keys
    this.generation++
  }
}

/** The keys of an answer. A set without a single one is taken for a mistake: it would refuse everybody. */
function keysOf({ body }: HttpAnswer): KeySet {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // The parser's own words would quote the document.
    throw new KeySetError("the key set's server answered what is no JSON")
  }
  const { keys, problems } = readKeys(json)
  const [first] = problems
  if (keys.length === 0)
    throw new KeySetError(`the key set has no key that can be used${first === undefined ? '' : `; keys[${first.index}]: ${first.problem}`}`)
  return new KeySet(keys)
}

/** How long an answer says that it holds, within our bounds; undefined when it says nothing. */
function lifetimeMs(cacheControl: string | undefined): number | undefined {
  if (cacheControl === undefined) return undefined
  if (/(?:^|[\s,])no-(?:store|cache)\b/i.test(cacheControl)) return MIN_LIFETIME_MS
  const seconds = /(?:^|[\s,])max-age\s*=\s*"?(\d+)/i.exec(cacheControl)?.[1]
  return seconds === undefined ? undefined : Math.min(Math.max(Number(seconds) * 1_000, MIN_LIFETIME_MS), MAX_LIFETIME_MS)
}

const MAX_BYTES = 512 * 1024
const MIN_LIFETIME_MS = 60_000
const MAX_LIFETIME_MS = 3_600_000
/** Least time between the end of a fetch and one that an unknown key asks for. */
const COOLDOWN_MS = 30_000
const MAX_RETRY_AFTER_MS = 300_000
const BACKOFF: Backoff = { baseMs: 1_000, maxMs: 30_000 }

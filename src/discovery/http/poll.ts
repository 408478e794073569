import { type Backoff, jittered } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { Loop } from '../../core/loop.ts'
import type { Random } from '../../core/random.ts'
import { spokenUrl } from '../../core/redact.ts'
import { parseRetryAfter } from '../../core/retry-after.ts'
import type { HttpAnswer, HttpClient } from '../../model/http-client.ts'

/** What is polled, and how. */
export interface PollOptions {
  readonly http: HttpClient
  readonly clock: Clock
  readonly random: Random
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly intervalMs: number
  readonly timeoutMs: number
  /**
   * A JSON document came. What it throws makes the round a failed one: the document is asked for again as if it had never come.
   */
  document(json: unknown): void
  /** The document is the one that was taken last. */
  unchanged(): void
  failed(error: unknown): void
}

/** Why a round brought no document. */
class PollError extends Error {
  readonly retryAfterMs: number | undefined

  constructor(message: string, retryAfterMs?: number, cause?: unknown) {
    super(message, { cause })
    this.name = 'PollError'
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * Asks for a JSON document again and again: at the interval, by ETag and date where the server gives them, with growing waits while
 * it fails, and never before a `Retry-After` has passed.
 */
export class Poll {
  private readonly options: PollOptions
  private readonly loop: Loop
  private validators: Record<string, string> = {}

  constructor(options: PollOptions) {
    this.options = options
    const { clock, random, intervalMs } = options
    this.loop = new Loop({
      clock,
      random,
      backoff: { baseMs: Math.min(FAILURE_BACKOFF.baseMs, intervalMs), maxMs: FAILURE_BACKOFF.maxMs },
      round: async () => {
        await this.ask()
        return jittered(intervalMs, random)
      },
      failed: (error) => {
        options.failed(error)
        return error instanceof PollError ? error.retryAfterMs : undefined
      },
    })
  }

  stop(): void {
    this.loop.stop()
  }

  private async ask(): Promise<void> {
    const { http, url, headers, timeoutMs } = this.options
    const answer = await http.request({
      url,
      headers: { accept: 'application/json', ...headers, ...this.validators },
      timeoutMs,
      maxBytes: MAX_BYTES,
    })
    if (answer.status === 304) {
      this.options.unchanged()
      return
    }
    if (answer.status !== 200) {
      const retryAfterMs = parseRetryAfter(answer.headers['retry-after'], this.options.clock.wallTime())
      throw new PollError(`${spokenUrl(url)} answered ${answer.status}`, retryAfterMs)
    }
    this.options.document(jsonOf(answer, url))
    // Only now: of a document that was refused the server must not say that it is unchanged.
    this.validators = validatorsOf(answer)
  }
}

function jsonOf(answer: HttpAnswer, url: string): unknown {
  const text = new TextDecoder().decode(answer.body)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PollError(`${spokenUrl(url)} answered ${text.trim() === '' ? 'nothing' : 'what is no JSON'}`, undefined, cause)
  }
}

function validatorsOf({ headers }: HttpAnswer): Record<string, string> {
  const validators: Record<string, string> = {}
  if (headers['etag'] !== undefined) validators['if-none-match'] = headers['etag']
  else if (headers['last-modified'] !== undefined) validators['if-modified-since'] = headers['last-modified']
  return validators
}

const MAX_BYTES = 8 * 1024 * 1024
const FAILURE_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 30_000 }
